/* Owns the list of architectures and the binding of tensors. */
#include "model/architecture.h"

#include "base/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct ew_architecture *ew_architecture_find(const char *name) {
#define ENTRY(name_) &ew_architecture_##name_,
    static const struct ew_architecture *const all[] = {EW_ARCHITECTURES(ENTRY)};
#undef ENTRY
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0) return all[i];
    return NULL;
}

const char *ew_architecture_names(void) {
#define NAME(name_) ", " #name_
    static const char names[] = EW_ARCHITECTURES(NAME);
#undef NAME
    return names + 2;
}

static void tensor_name(const struct ew_binder *b, const char *name, char *buf, size_t n) {
    if (b->layer < 0)
        snprintf(buf, n, "%s", name);
    else
        snprintf(buf, n, "blk.%d.%s", b->layer, name);
}

const struct ew_gguf_tensor *ew_bind_peek(const struct ew_binder *b, const char *name) {
    char full[128];
    tensor_name(b, name, full, sizeof full);
    return ew_gguf_find_tensor(b->gguf, full);
}

bool ew_bind_has(const struct ew_binder *b, const char *name) { return ew_bind_peek(b, name) != NULL; }

static const struct ew_gguf_tensor none = {.n_dims = 1, .ne = {1, 1, 1, 1}};

/* Products take their input in groups of 32 values. */
static enum ew_status check_row(const struct ew_binder *b, const char *full, uint64_t n_in) {
    if (n_in % 32 == 0) return EW_OK;
    return ew_error_set(b->err, EW_ERR_SHAPE, "%s: tensor %s: rows of %llu values; matrices need a multiple of 32",
                        ew_gguf_path(b->gguf), full, (unsigned long long)n_in);
}

static const struct ew_gguf_tensor *bind(struct ew_binder *b, const char *name, const uint64_t ne[3]) {
    char full[128];
    tensor_name(b, name, full, sizeof full);
    if (b->status != EW_OK) return &none;
    const char *path = ew_gguf_path(b->gguf);
    const struct ew_gguf_tensor *t = ew_gguf_find_tensor(b->gguf, full);
    if (!t) {
        b->status = ew_error_set(b->err, EW_ERR_NOT_FOUND, "%s: tensor %s is missing", path, full);
        return &none;
    }
    const struct ew_type_traits *traits = ew_type_traits(t->type);
    if (!traits || !traits->decodable) {
        b->status = ew_error_set(b->err, EW_ERR_UNSUPPORTED, "%s: tensor %s: type %s is not one that weights have",
                                 path, full, traits ? traits->name : "?");
        return &none;
    }
    if (t->ne[0] != ne[0] || t->ne[1] != ne[1] || t->ne[2] != ne[2] || t->ne[3] != 1) {
        b->status =
            ew_error_set(b->err, EW_ERR_SHAPE, "%s: tensor %s: %llu × %llu × %llu, expected %llu × %llu × %llu", path,
                         full, (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], (unsigned long long)t->ne[2],
                         (unsigned long long)ne[0], (unsigned long long)ne[1], (unsigned long long)ne[2]);
        return &none;
    }
    b->used[t - ew_gguf_tensor_at(b->gguf, 0)] = true;
    return t;
}

const struct ew_gguf_tensor *ew_bind_vector(struct ew_binder *b, const char *name, uint64_t n) {
    return ew_bind_vectors(b, name, n, 1);
}

const struct ew_gguf_tensor *ew_bind_vectors(struct ew_binder *b, const char *name, uint64_t n, uint64_t count) {
    return bind(b, name, (const uint64_t[3]){n, count, 1});
}

const struct ew_gguf_tensor *ew_bind_matrix(struct ew_binder *b, const char *name, uint64_t n_in, uint64_t n_out) {
    return ew_bind_experts(b, name, n_in, n_out, 1);
}

const struct ew_gguf_tensor *ew_bind_experts(struct ew_binder *b, const char *name, uint64_t n_in, uint64_t n_out,
                                             uint64_t n_expert) {
    char full[128];
    tensor_name(b, name, full, sizeof full);
    const struct ew_gguf_tensor *t = bind(b, name, (const uint64_t[3]){n_in, n_out, n_expert});
    if (b->status == EW_OK) b->status = check_row(b, full, n_in);
    return t;
}

const struct ew_gguf_tensor *ew_bind_optional(struct ew_binder *b, const char *name, uint64_t n) {
    return ew_bind_has(b, name) ? ew_bind_vector(b, name, n) : NULL;
}

static void out_of_memory(struct ew_binder *b) {
    b->status = ew_error_set(b->err, EW_ERR_MEMORY, "%s: out of memory while planning", ew_gguf_path(b->gguf));
}

const struct ew_gguf_tensor *ew_bind_rows(struct ew_binder *b, const struct ew_gguf_tensor *tensor, uint64_t row,
                                          uint64_t n_rows) {
    if (b->status != EW_OK) return &none;
    const struct ew_gguf_tensor *view = ew_plan_view_rows(b->plan, tensor, row, n_rows);
    if (view) return view;
    out_of_memory(b);
    return &none;
}

struct ew_op *ew_bind_op(struct ew_binder *b, enum ew_op_kind kind) {
    static _Thread_local struct ew_op dummy;
    struct ew_op *op = b->status == EW_OK ? ew_plan_append(b->plan, kind, b->layer) : &dummy;
    if (op) return op;
    out_of_memory(b);
    return &dummy;
}

enum ew_buffer ew_bind_buffer(struct ew_binder *b, enum ew_buffer buffer, uint32_t width) {
    if (b->plan->width[buffer] < width) b->plan->width[buffer] = width;
    return buffer;
}

/* Tables that converters write and that follow from metadata: nothing is lost without them. */
static bool is_derived(struct ew_gguf_string name) {
    static const char *const ends[] = {"rope_freqs.weight", "attn_rot_embd.weight", "attn_masked_bias.weight"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (name.size >= n && memcmp(name.data + name.size - n, ends[i], n) == 0) return true;
    }
    return false;
}

static void refuse_unknown_tensors(struct ew_binder *b) {
    for (size_t i = 0; i < ew_gguf_n_tensors(b->gguf) && b->status == EW_OK; i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(b->gguf, i);
        char name[96];
        if (!b->used[i] && !is_derived(t->name))
            b->status =
                ew_error_set(b->err, EW_ERR_UNSUPPORTED, "%s: tensor %s: not known in models of architecture %s",
                             ew_gguf_path(b->gguf), ew_gguf_print_string(t->name, name, sizeof name), b->config->arch);
    }
}

enum ew_status ew_architecture_build(const struct ew_architecture *architecture, const struct ew_gguf *gguf,
                                     const struct ew_config *config, struct ew_plan *plan, struct ew_error *err) {
    struct ew_binder b = {.gguf = gguf, .config = config, .plan = plan, .layer = -1, .status = EW_OK, .err = err};
    b.used = calloc(ew_gguf_n_tensors(gguf) + 1, sizeof *b.used);
    if (!b.used)
        out_of_memory(&b);
    else
        architecture->build(&b);
    refuse_unknown_tensors(&b);
    free(b.used);
    return b.status;
}
