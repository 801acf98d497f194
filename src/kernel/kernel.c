/* Owns the choice of kernel variants for a feature mask, and what overrides it. What each variant does is in vector.c,
 * matmul.c and the folders of the instruction sets. */
#include "kernel/kernel.h"

#include "base/checksum.h"
#include "kernel/matmul_table.h"
#include "kernel/vector_variants.h"

#include <string.h>

/* To be raised when a kernel becomes faster or slower without a new name: earlier contests no longer count then. */
enum { KERNELS_VERSION = 1 };

struct variant {
    const char *name;
    uint64_t needs;
    const struct ew_matmul_kernels *matmul; /* NULL: a variant of the vector kernels */
};

#define MATMUL_VARIANT(isa_, needs_) {#isa_, needs_, &ew_matmul_##isa_},
#define VECTOR_VARIANT(isa_, needs_) {#isa_, needs_, NULL},
static const struct variant matmul_variants[] = {EW_MATMUL_VARIANTS(MATMUL_VARIANT)};
static const struct variant vector_variants[] = {{"ref", 0, NULL}, EW_VECTOR_VARIANTS(VECTOR_VARIANT)};
enum {
    N_MATMUL = sizeof matmul_variants / sizeof *matmul_variants,
    N_VECTOR = sizeof vector_variants / sizeof *vector_variants
};

void ew_kernels_init(struct ew_kernels *kernels, uint64_t features) {
    features &= ew_cpu_features();
    *kernels = (struct ew_kernels){.features = features};
    ew_vector_kernels_init(&kernels->vector, features);
    for (uint32_t v = 0; v < N_MATMUL; v++)
        if (ew_kernels_may_use(kernels, v)) kernels->matmul = matmul_variants[v].matmul;
}

/* The vector kernels are installed over each other by features: the wish is met by leaving later features out. */
static void choose_vector(struct ew_kernels *k, uint32_t number) {
    uint64_t features = k->features;
    for (uint32_t v = number + 1; v < N_VECTOR; v++)
        features &= ~(vector_variants[v].needs & ~vector_variants[number].needs);
    ew_vector_kernels_init(&k->vector, features);
}

static void drop_foreign(const struct ew_kernels *k, uint8_t *chosen) {
    if (*chosen && (*chosen > N_MATMUL || !ew_kernels_may_use(k, *chosen - 1u))) *chosen = 0;
}

void ew_kernels_choose(struct ew_kernels *k, const struct ew_kernel_choice *choice) {
    k->choice = *choice;
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++)
        for (int layout = 0; layout < EW_CHOICE_LAYOUTS; layout++) {
            drop_foreign(k, &k->choice.matmul[type][layout].few);
            drop_foreign(k, &k->choice.matmul[type][layout].many);
        }
    bool known = choice->vector > 0 && choice->vector <= N_VECTOR;
    if (known && ew_kernels_may_use_vector(k, choice->vector - 1u)) choose_vector(k, choice->vector - 1u);
}

const struct ew_matmul_kernels *ew_kernels_matmul_of(const struct ew_kernels *k, uint8_t chosen) {
    return chosen ? matmul_variants[chosen - 1].matmul : k->matmul;
}

/* ---- the lists ---- */

static bool by_name(const struct variant *list, uint32_t n, const char *name, uint32_t *number) {
    for (uint32_t v = 0; v < n; v++) {
        if (strcmp(list[v].name, name) != 0) continue;
        *number = v;
        return true;
    }
    return false;
}

static bool may_use(const struct ew_kernels *k, const struct variant *v) {
    return (k->features & v->needs) == v->needs;
}

uint32_t ew_kernels_n_variants(void) { return N_MATMUL; }
const char *ew_kernels_variant_name(uint32_t number) { return matmul_variants[number].name; }
bool ew_kernels_may_use(const struct ew_kernels *k, uint32_t number) { return may_use(k, &matmul_variants[number]); }
bool ew_kernels_variant_by_name(const char *name, uint32_t *number) {
    return by_name(matmul_variants, N_MATMUL, name, number);
}

uint32_t ew_kernels_n_vector_variants(void) { return N_VECTOR; }
const char *ew_kernels_vector_name(uint32_t number) { return vector_variants[number].name; }
bool ew_kernels_may_use_vector(const struct ew_kernels *k, uint32_t number) {
    return may_use(k, &vector_variants[number]);
}
bool ew_kernels_vector_by_name(const char *name, uint32_t *number) {
    return by_name(vector_variants, N_VECTOR, name, number);
}

uint64_t ew_kernels_known_features(void) {
    uint64_t known = 0;
    for (uint32_t v = 0; v < N_MATMUL; v++) known |= matmul_variants[v].needs;
    return known;
}

static uint64_t add_text(uint64_t sum, const char *text) { return text ? ew_checksum(text, strlen(text), sum) : sum; }

static uint64_t add_entries(uint64_t sum, const struct ew_matmul_entry *entries, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct ew_matmul_entry *e = &entries[i];
        const uint32_t numbers[] = {(uint32_t)i, e->act, e->preferred, e->gemv_tokens, e->panel_rows};
        if (e->tile) sum = ew_checksum(numbers, sizeof numbers, add_text(add_text(sum, e->gemm_name), e->gemv_name));
    }
    return sum;
}

uint64_t ew_kernels_fingerprint(void) {
    const uint32_t version = KERNELS_VERSION;
    uint64_t sum = ew_checksum(&version, sizeof version, 0);
    for (uint32_t v = 0; v < N_VECTOR; v++) sum = add_text(sum, vector_variants[v].name);
    for (uint32_t v = 0; v < N_MATMUL; v++) {
        sum = add_text(sum, matmul_variants[v].name);
        sum = add_entries(sum, matmul_variants[v].matmul->entry[0], (size_t)EW_LAYOUTS * EW_MATMUL_TYPES);
        sum = add_entries(sum, matmul_variants[v].matmul->many, EW_MATMUL_TYPES);
    }
    return sum;
}
