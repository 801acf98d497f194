/* Times attention and the other vector kernels of this processor on one thread, beside the machine's own limits and
 * interleaved with them: attention of one token against reading memory, attention of many against the f32 peak. Caches
 * of one token add up to more memory than the processor caches hold; the small kernels run on data in the first level.
 * Time is this thread's processor time, so that other processes' turns do not count.
 *
 *   bench_vector [--filter TEXT] [--isa NAME] [--reps N] [--mib N] */
#include "kernel/limit_loops.h"
#include "kernel/vector_variants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPS_MAX = 200, FLOATS = 2048 * 8 * 128 };

struct bench {
    const char *filter, *isa;
    uint32_t reps;
    size_t mib;
    uint64_t features;
    struct ew_vector_kernels kernels;
    ew_f16 *cache; /* mib */
    float *x, *y, *z;
    void *scratch;
};

struct attention_case {
    uint32_t head_dim, n_group, n_tokens, pos0;
    enum ew_type type; /* of keys and values */
};

static void *allocate(size_t size) {
    void *p = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    if (!p) {
        fprintf(stderr, "bench_vector: %zu MiB of memory are not to be had\n", size >> 20);
        exit(EXIT_FAILURE);
    }
    return p;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, uint32_t n, double q) {
    qsort(values, n, sizeof *values, compare);
    return values[(uint32_t)(q * (n - 1) + 0.5)];
}

/* Prints one row; limit may be NULL. */
static void print_row(const struct bench *b, const char *name, const char *what, double *speed, double *limit,
                      const char *unit) {
    double share[REPS_MAX];
    for (uint32_t i = 0; limit && i < b->reps; i++) share[i] = speed[i] / limit[i];
    double low = quantile(speed, b->reps, 0.1), high = quantile(speed, b->reps, 0.9);
    printf("%-24s %-36s %8.1f %8.1f … %-8.1f %-7s", name, what, quantile(speed, b->reps, 0.5) * 1e-9, low * 1e-9,
           high * 1e-9, unit);
    if (limit) printf(" %8.1f %6.1f %%", quantile(limit, b->reps, 0.5) * 1e-9, 100 * quantile(share, b->reps, 0.5));
    printf("\n");
    fflush(stdout);
}

/* ---- attention ---- */

/* Every cache in memory once; returns their number. */
static size_t attend_all(const struct bench *b, const struct attention_case *c, size_t n_caches) {
    size_t cache = (c->pos0 + c->n_tokens) * ew_type_row_bytes(c->type, c->head_dim);
    for (size_t i = 0; i < n_caches; i++) {
        const uint8_t *k = (const uint8_t *)b->cache + 2 * i * cache;
        b->kernels.attention(&(struct ew_attention_args){.q = b->x,
                                                         .q_stride = (size_t)c->n_group * c->head_dim,
                                                         .k = k,
                                                         .v = k + cache,
                                                         .k_type = c->type,
                                                         .v_type = c->type,
                                                         .out = b->y,
                                                         .out_stride = (size_t)c->n_group * c->head_dim,
                                                         .head_dim = c->head_dim,
                                                         .n_group = c->n_group,
                                                         .n_tokens = c->n_tokens,
                                                         .pos0 = c->pos0,
                                                         .scale = 1 / sqrtf((float)c->head_dim),
                                                         .scratch = b->scratch});
    }
    return n_caches;
}

static double limit_once(const struct bench *b, const struct attention_case *c, size_t bytes) {
    double begin = now_s();
    double amount;
    if (c->n_tokens == 1) {
        ew_limit_read(b->cache, bytes, b->features);
        amount = (double)bytes;
    } else {
        amount = ew_limit_peak(EW_PEAK_F32, b->features, 400000);
    }
    return amount / (now_s() - begin);
}

static void run_attention(const struct bench *b, struct attention_case c) {
    char name[64], what[96];
    snprintf(name, sizeof name, "attention_%s", b->kernels.isa);
    if (b->filter && !strstr(name, b->filter)) return;
    snprintf(what, sizeof what, "%s head %u group %u tokens %u at %u", ew_type_traits(c.type)->name, c.head_dim,
             c.n_group, c.n_tokens, c.pos0);
    size_t cache_bytes = 2 * (c.pos0 + c.n_tokens) * ew_type_row_bytes(c.type, c.head_dim);
    size_t n_caches = c.n_tokens == 1 ? (b->mib << 20) / cache_bytes : 1;
    double visible = (double)c.n_tokens * c.pos0 + (double)c.n_tokens * (c.n_tokens + 1) / 2;
    double amount = c.n_tokens == 1 ? (double)cache_bytes : 4.0 * c.head_dim * c.n_group * visible;
    double speed[REPS_MAX], limit[REPS_MAX];
    for (uint32_t i = 0; i < b->reps + 1; i++) { /* the first warms up and is overwritten */
        uint32_t at = i ? i - 1 : 0;
        limit[at] = limit_once(b, &c, n_caches * cache_bytes);
        double begin = now_s();
        size_t n = attend_all(b, &c, n_caches);
        speed[at] = amount * (double)n / (now_s() - begin);
    }
    print_row(b, name, what, speed, limit[0] > 0 ? limit : NULL, c.n_tokens == 1 ? "GB/s" : "Gflop/s");
}

/* ---- the small kernels ---- */

static void call_rms_norm(const struct bench *b, size_t n) { b->kernels.rms_norm(n, b->x, b->z, 1e-5f, b->y); }
static void call_layer_norm(const struct bench *b, size_t n) {
    b->kernels.layer_norm(n, b->x, b->z, b->z, 1e-5f, b->y);
}
static void call_gelu_mul(const struct bench *b, size_t n) { b->kernels.gelu_mul(n, b->x, b->z, b->y); }
static void call_gelu_erf(const struct bench *b, size_t n) { b->kernels.gelu_erf(n, b->x, b->y); }
static void call_soft_cap(const struct bench *b, size_t n) { b->kernels.soft_cap(n, 30, b->x); }
static void call_silu_mul(const struct bench *b, size_t n) { b->kernels.silu_mul(n, b->x, b->z, b->y); }
static void call_add(const struct bench *b, size_t n) { b->kernels.add(n, b->x, b->y); }
static void call_rope_adjacent(const struct bench *b, size_t n) { b->kernels.rope_adjacent(n, b->z, b->y); }
static void call_rope_halves(const struct bench *b, size_t n) { b->kernels.rope_halves(n, b->z, b->y); }
static void call_f32_to_f16(const struct bench *b, size_t n) { b->kernels.f32_to_f16(n, b->x, (ew_f16 *)b->y); }
static void call_f16_to_f32(const struct bench *b, size_t n) { b->kernels.f16_to_f32(n, b->cache, b->y); }

static void run_small(const struct bench *b, const char *kernel, size_t n, void (*call)(const struct bench *, size_t)) {
    enum { CALLS = 2000 };
    char name[64], what[64];
    snprintf(name, sizeof name, "%s_%s", kernel, b->kernels.isa);
    if (b->filter && !strstr(name, b->filter)) return;
    snprintf(what, sizeof what, "n %zu", n);
    double speed[REPS_MAX];
    for (uint32_t i = 0; i < b->reps + 1; i++) {
        for (size_t j = 0; j < n; j++) b->y[j] = 0; /* add must not run into infinity */
        double begin = now_s();
        for (int j = 0; j < CALLS; j++) call(b, n);
        speed[i ? i - 1 : 0] = (double)n * CALLS / (now_s() - begin);
    }
    print_row(b, name, what, speed, NULL, "Gval/s");
}

static void run_variant(struct bench *b, const char *isa, uint64_t needs) {
    static const struct attention_case cases[] = {
        {64, 1, 1, 2047, EW_TYPE_F16},    {64, 1, 1, 2047, EW_TYPE_Q8_0},   {64, 4, 1, 2047, EW_TYPE_F16},
        {64, 4, 1, 2047, EW_TYPE_Q8_0},   {64, 4, 1, 8191, EW_TYPE_F16},    {64, 4, 1, 8191, EW_TYPE_Q8_0},
        {64, 8, 1, 8191, EW_TYPE_F16},    {64, 8, 1, 8191, EW_TYPE_Q8_0},   {128, 4, 1, 8191, EW_TYPE_F16},
        {128, 4, 1, 8191, EW_TYPE_Q8_0},  {128, 3, 1, 2047, EW_TYPE_F16},   {64, 4, 512, 0, EW_TYPE_F16},
        {64, 4, 512, 3584, EW_TYPE_F16},  {64, 4, 512, 3584, EW_TYPE_Q8_0}, {128, 4, 512, 0, EW_TYPE_F16},
        {128, 4, 512, 3584, EW_TYPE_F16}, {128, 1, 128, 1024, EW_TYPE_F16}, {128, 1, 128, 1024, EW_TYPE_Q8_0},
        {80, 4, 512, 512, EW_TYPE_F16},   {64, 4, 4, 2044, EW_TYPE_F16},
    };
    if (b->isa ? strcmp(isa, b->isa) != 0 : !strcmp(isa, "ref")) return;
    if ((ew_cpu_features() & needs) != needs) return;
    b->features = needs;
    ew_vector_kernels_init(&b->kernels, needs);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_attention(b, cases[i]);
    run_small(b, "rms_norm", 2048, call_rms_norm);
    run_small(b, "layer_norm", 2048, call_layer_norm);
    run_small(b, "silu_mul", 2048, call_silu_mul);
    run_small(b, "gelu_mul", 2048, call_gelu_mul);
    run_small(b, "gelu_erf", 2048, call_gelu_erf);
    run_small(b, "soft_cap", 2048, call_soft_cap);
    run_small(b, "add", 2048, call_add);
    run_small(b, "rope_adjacent", 64, call_rope_adjacent);
    run_small(b, "rope_halves", 64, call_rope_halves);
    run_small(b, "f32_to_f16", 2048, call_f32_to_f16);
    run_small(b, "f16_to_f32", 2048, call_f16_to_f32);
}

static int parse(int argc, char **argv, struct bench *b) {
    b->reps = 9;
    b->mib = 128;
    for (int i = 1; i < argc; i += 2) {
        const char *key = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value) return -1;
        if (!strcmp(key, "--filter"))
            b->filter = value;
        else if (!strcmp(key, "--isa"))
            b->isa = value;
        else if (!strcmp(key, "--reps"))
            b->reps = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(key, "--mib"))
            b->mib = strtoul(value, NULL, 10);
        else
            return -1;
    }
    return b->reps >= 1 && b->reps <= REPS_MAX && b->mib >= 16 && b->mib <= 4096 ? 0 : -1;
}

int main(int argc, char **argv) {
    struct bench b = {0};
    if (parse(argc, argv, &b)) {
        fprintf(stderr, "usage: bench_vector [--filter TEXT] [--isa NAME] [--reps N] [--mib N]\n");
        return 2;
    }
    b.cache = allocate(b.mib << 20);
    b.x = allocate(FLOATS * sizeof *b.x);
    b.y = allocate(FLOATS * sizeof *b.y);
    b.z = allocate(FLOATS * sizeof *b.z);
    b.scratch = allocate(ew_attention_scratch_bytes(256, 512 * 8));
    uint32_t state = 1;
    for (size_t i = 0; i < b.mib << 19; i++) { /* halves of either sign, 2^-7 … 1 */
        state = state * 1664525 + 1013904223;
        b.cache[i] = (ew_f16)((state >> 16 & 0x8000) | (0x2000 + (state >> 16) % 0x1c00));
    }
    for (size_t i = 0; i < FLOATS; i++) {
        b.x[i] = (float)(i % 61) * 0.03f - 0.9f;
        b.z[i] = (float)(i % 53) * 0.02f - 0.5f;
    }
    printf("one thread, %u repetitions; caches of one token: %zu MiB\n", b.reps, b.mib);
    printf("%-24s %-36s %8s %21s %7s %8s %8s\n", "kernel", "case", "median", "10 % … 90 %    ", "", "limit", "share");
    run_variant(&b, "ref", 0);
#define RUN(isa_, needs_) run_variant(&b, #isa_, needs_);
    EW_VECTOR_VARIANTS(RUN)
    free(b.cache);
    free(b.x);
    free(b.y);
    free(b.z);
    free(b.scratch);
    return 0;
}
