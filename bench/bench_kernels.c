/* Times every matrix-product kernel of this processor beside the machine's own limits, interleaved: each repetition
 * measures the limit and then the kernel, and shares are medians of the per-repetition ratios, because speed drifts.
 *
 *   bench_kernels [--types LIST] [--filter TEXT] [--isa NAME] [--threads N] [--reps N] [--tokens N] [--mib N]
 *                 [--clock wall|cpu]
 *
 * The ratio is to one thread of the plain C reference. --types keeps types, as in q4_0,q8_0; --filter keeps kernels
 * whose name contains TEXT; --tokens runs batches of that size instead of 1, 4, 16 and 512. Up to 32 tokens the weights
 * come from memory, and what is reported is how fast they are read. */
#include "base/clock.h"
#include "base/thread_pool.h"
#include "gguf/tensor_type.h"
#include "kernel/limit_loops.h"
#include "kernel/matmul_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct options {
    const char *filter, *isa, *types;
    uint32_t threads, reps, tokens;
    bool cpu_time;
    size_t mib;
};

struct shape {
    uint32_t n_in, n_out, n_tokens;
};

enum { REPS_MAX = 200, THREADS_MAX = 64, STREAMED_TOKENS = 32 };

struct bench {
    struct options opt;
    struct ew_thread_pool *pool;
    struct ew_kernels kernels;
    struct ew_weight weight;
    uint32_t n_tokens;
    uint8_t *memory, *packed; /* opt.mib each */
    float *x, *y;
    void *act, *scratch[THREADS_MAX];
    enum ew_peak peak;
    double peak_ops[THREADS_MAX];
};

static void *allocate(size_t size) {
    enum { HUGE_PAGE = 2 << 20 };
    size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *p = aligned_alloc(HUGE_PAGE, size);
    if (!p) {
        fprintf(stderr, "bench_kernels: %zu MiB of memory are not to be had\n", size >> 20);
        exit(EXIT_FAILURE);
    }
    madvise(p, size, MADV_HUGEPAGE);
    memset(p, 0, size);
    return p;
}

/* ---- what the members of the pool do ---- */

static size_t weight_bytes(const struct bench *b) {
    return ew_type_row_bytes(b->weight.type, b->weight.n_in) * b->weight.n_out;
}

static void member_read(const struct ew_pool_member *me, void *context) {
    struct bench *b = context;
    size_t part = weight_bytes(b) / me->count / 4096 * 4096;
    ew_limit_read((const char *)b->weight.data + me->index * part, part, b->kernels.features);
}

static void member_peak(const struct ew_pool_member *me, void *context) {
    struct bench *b = context;
    b->peak_ops[me->index] = ew_limit_peak(b->peak, b->kernels.features, 400000);
}

static void member_rows(const struct ew_pool_member *me, void *context) {
    struct bench *b = context;
    uint32_t step = ew_matmul_row_step(&b->kernels, &b->weight, b->n_tokens);
    uint32_t steps = (b->weight.n_out + step - 1) / step;
    uint32_t begin = (uint32_t)((uint64_t)steps * me->index / me->count) * step;
    uint32_t end = (uint32_t)((uint64_t)steps * (me->index + 1) / me->count) * step;
    if (end > b->weight.n_out) end = b->weight.n_out;
    for (uint32_t r = begin; r < end; r += step)
        ew_matmul_rows(&b->kernels, &b->weight, b->act, b->n_tokens, r, r + step < end ? r + step : end, false, b->y,
                       b->weight.n_out, b->scratch[me->index]);
}

static void member_prepare(const struct ew_pool_member *me, void *context) {
    struct bench *b = context;
    uint32_t begin = b->n_tokens * me->index / me->count, end = b->n_tokens * (me->index + 1) / me->count;
    ew_matmul_act_prepare(&b->kernels, ew_matmul_act_kind(&b->kernels, &b->weight, b->n_tokens), b->weight.n_in,
                          b->n_tokens, b->x, b->weight.n_in, begin, end, b->act);
}

/* Processor time is steadier than wall time where other programs compete for the cores. */
static int64_t now_ns(const struct bench *b) {
    if (!b->opt.cpu_time) return ew_clock_now_ns();
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double seconds_of(struct bench *b, ew_pool_fn *fn) {
    int64_t begin = now_ns(b);
    ew_thread_pool_run(b->pool, b->opt.threads, fn, b);
    return ew_clock_seconds(now_ns(b) - begin) / (b->opt.cpu_time ? b->opt.threads : 1);
}

/* ---- figures ---- */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, uint32_t n, double q) {
    qsort(values, n, sizeof *values, compare);
    return values[(uint32_t)(q * (n - 1) + 0.5)];
}

/* Whether a batch is so small that reading the weights is its limit. */
static bool is_streamed(uint32_t n_tokens) { return n_tokens <= STREAMED_TOKENS; }

/* One repetition: the limit, then the kernel, both in units per second. */
static void measure_once(struct bench *b, double amount, double *limit, double *speed) {
    if (is_streamed(b->n_tokens)) {
        *limit = (double)weight_bytes(b) / seconds_of(b, member_read);
    } else {
        double seconds = seconds_of(b, member_peak), ops = 0;
        for (uint32_t t = 0; t < b->opt.threads; t++) ops += b->peak_ops[t];
        *limit = ops / seconds;
    }
    *speed = amount / seconds_of(b, member_rows);
}

/* Plain C on one thread, in the unit of speeds. Some rows do: it computes more slowly than it could read. */
static double reference_speed(struct bench *b) {
    struct ew_weight w = {b->memory, b->weight.type, EW_LAYOUT_ROWS, b->weight.n_in,
                          is_streamed(b->n_tokens) ? 256 : 16};
    struct ew_kernels plain;
    ew_kernels_init(&plain, 0);
    enum ew_act_kind kind = ew_matmul_act_kind(&plain, &w, b->n_tokens);
    uint32_t step = ew_matmul_row_step(&plain, &w, b->n_tokens);
    void *act = allocate(ew_matmul_act_bytes(&plain, kind, w.n_in, b->n_tokens));
    void *scratch = allocate(ew_matmul_scratch_bytes(&plain, b->n_tokens));
    ew_matmul_act_prepare(&plain, kind, w.n_in, b->n_tokens, b->x, w.n_in, 0, b->n_tokens, act);
    int64_t begin = now_ns(b);
    for (uint32_t r = 0; r < w.n_out; r += step)
        ew_matmul_rows(&plain, &w, act, b->n_tokens, r, r + step < w.n_out ? r + step : w.n_out, false, b->y, w.n_out,
                       scratch);
    double seconds = ew_clock_seconds(now_ns(b) - begin);
    free(act);
    free(scratch);
    double bytes = (double)ew_type_row_bytes(w.type, w.n_in) * w.n_out;
    return (is_streamed(b->n_tokens) ? bytes : 2.0 * w.n_in * w.n_out * b->n_tokens) / seconds;
}

static void measure(struct bench *b, const char *name) {
    double speed[REPS_MAX], limit[REPS_MAX], share[REPS_MAX], prepare[REPS_MAX];
    double amount =
        is_streamed(b->n_tokens) ? (double)weight_bytes(b) : 2.0 * b->weight.n_in * b->weight.n_out * b->n_tokens;
    for (uint32_t i = 0; i < b->opt.reps + 1; i++) { /* the first warms up and is overwritten */
        uint32_t at = i ? i - 1 : 0;
        prepare[at] = seconds_of(b, member_prepare);
        measure_once(b, amount, &limit[at], &speed[at]);
        share[at] = limit[at] > 0 ? speed[at] / limit[at] : NAN;
        prepare[at] = prepare[at] * speed[at] / amount;
    }
    uint32_t n = b->opt.reps;
    double low = quantile(speed, n, 0.1), high = quantile(speed, n, 0.9), median = quantile(speed, n, 0.5);
    printf("%-28s %5u x %-6u %4u %8.1f %8.1f … %-8.1f %s %8.1f %6.1f %% %7.1f %6.2f %%\n", name, b->weight.n_in,
           b->weight.n_out, b->n_tokens, median * 1e-9, low * 1e-9, high * 1e-9,
           is_streamed(b->n_tokens) ? "GB/s " : "Gop/s", quantile(limit, n, 0.5) * 1e-9, 100 * quantile(share, n, 0.5),
           median / reference_speed(b), 100 * quantile(prepare, n, 0.5));
    fflush(stdout);
}

/* ---- cases ---- */

/* Every 16-bit field a modest half-precision number, every other bit pattern lively. */
static void fill(uint8_t *p, size_t n) {
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        p[i] = (uint8_t)(0x20 + (state >> 24) % 24);
    }
}

/* Whether a list of names, separated by commas, holds the type; NULL holds all. */
static bool is_wanted(const char *list, enum ew_type type) {
    char name[32];
    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',') {
        enum ew_type listed;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, ","), p);
        if (ew_type_by_name(name, &listed) && listed == type) return true;
    }
    return !list;
}

/* A few tokens read more weights than caches hold: the same rows again and again, in memory of their own. */
static void run_case(struct bench *b, enum ew_type type, enum ew_layout layout, struct shape s) {
    size_t row_bytes = ew_type_row_bytes(type, s.n_in);
    if (!is_wanted(b->opt.types, type)) return;
    if (is_streamed(s.n_tokens)) s.n_out = (uint32_t)((b->opt.mib << 20) / row_bytes / 128 * 128);
    b->weight = (struct ew_weight){b->memory, type, EW_LAYOUT_ROWS, s.n_in, s.n_out};
    b->n_tokens = s.n_tokens;
    struct ew_weight packed = {b->packed, type, layout, s.n_in, s.n_out};
    if (layout == EW_LAYOUT_R16) {
        if (!ew_matmul_find_entry(b->kernels.matmul, type, layout)) return;
        const char *name = ew_matmul_kernel_name(&b->kernels, &packed, s.n_tokens);
        if (b->opt.filter && !strstr(name, b->opt.filter)) return;
        ew_matmul_pack_rows(&b->kernels, &b->weight, 0, s.n_out, b->packed);
        b->weight = packed;
    }
    const char *name = ew_matmul_kernel_name(&b->kernels, &b->weight, s.n_tokens);
    if (!strstr(name, b->kernels.matmul->isa) || (b->opt.filter && !strstr(name, b->opt.filter))) return;
    enum ew_act_kind kind = ew_matmul_act_kind(&b->kernels, &b->weight, s.n_tokens);
    b->peak = kind == EW_ACT_Q8 ? EW_PEAK_INT8 : kind == EW_ACT_Q16 ? EW_PEAK_INT16 : EW_PEAK_F32;
    b->act = allocate(ew_matmul_act_bytes(&b->kernels, kind, s.n_in, s.n_tokens));
    b->y = allocate((size_t)s.n_out * s.n_tokens * sizeof *b->y);
    measure(b, name);
    free(b->act);
    free(b->y);
}

static void run_variant(struct bench *b, const char *isa, uint64_t needs) {
    static const enum ew_type types[] = {EW_TYPE_Q4_0,   EW_TYPE_Q8_0,  EW_TYPE_Q4_K,  EW_TYPE_Q5_K,  EW_TYPE_Q4_1,
                                         EW_TYPE_Q5_0,   EW_TYPE_Q5_1,  EW_TYPE_Q2_K,  EW_TYPE_Q3_K,  EW_TYPE_IQ4_NL,
                                         EW_TYPE_IQ4_XS, EW_TYPE_MXFP4, EW_TYPE_TQ2_0, EW_TYPE_IQ3_S, EW_TYPE_IQ2_XS,
                                         EW_TYPE_Q6_K,   EW_TYPE_F16,   EW_TYPE_BF16,  EW_TYPE_F32};
    const uint32_t batches[] = {1, 4, 16, 512}, only[] = {b->opt.tokens};
    const uint32_t *batch = b->opt.tokens ? only : batches;
    const size_t n_batches = b->opt.tokens ? 1 : sizeof batches / sizeof *batches;
    if (b->opt.isa ? strcmp(isa, b->opt.isa) != 0 : !strcmp(isa, "ref")) return;
    if ((ew_cpu_features() & needs) != needs) return;
    ew_kernels_init(&b->kernels, needs);
    for (uint32_t t = 0; t < b->opt.threads; t++) b->scratch[t] = allocate(ew_matmul_scratch_bytes(&b->kernels, 512));
    for (size_t i = 0; i < n_batches; i++)
        for (size_t type = 0; type < sizeof types / sizeof *types; type++)
            for (int layout = EW_LAYOUT_ROWS; layout <= EW_LAYOUT_R16; layout++) {
                run_case(b, types[type], layout, (struct shape){2048, 8192, batch[i]});
                run_case(b, types[type], layout, (struct shape){8192, 2048, batch[i]});
            }
    for (uint32_t t = 0; t < b->opt.threads; t++) free(b->scratch[t]);
}

static int parse(int argc, char **argv, struct options *o) {
    *o = (struct options){.threads = 1, .reps = 15, .mib = 256};
    for (int i = 1; i < argc; i += 2) {
        const char *key = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value) return -1;
        uint32_t number = (uint32_t)strtoul(value, NULL, 10);
        if (!strcmp(key, "--types"))
            o->types = value;
        else if (!strcmp(key, "--filter"))
            o->filter = value;
        else if (!strcmp(key, "--isa"))
            o->isa = value;
        else if (!strcmp(key, "--threads"))
            o->threads = number;
        else if (!strcmp(key, "--reps"))
            o->reps = number;
        else if (!strcmp(key, "--tokens"))
            o->tokens = number;
        else if (!strcmp(key, "--mib"))
            o->mib = number;
        else if (!strcmp(key, "--clock"))
            o->cpu_time = !strcmp(value, "cpu");
        else
            return -1;
    }
    bool ok = o->threads >= 1 && o->threads <= THREADS_MAX && o->reps >= 1 && o->reps <= REPS_MAX && o->mib >= 64 &&
              o->mib <= 4096 && o->tokens <= 512;
    return ok ? 0 : -1;
}

int main(int argc, char **argv) {
    struct bench b = {0};
    if (parse(argc, argv, &b.opt)) {
        fprintf(stderr, "usage: bench_kernels [--types LIST] [--filter TEXT] [--isa NAME] [--threads N] [--reps N] "
                        "[--tokens N] [--mib N] [--clock wall|cpu]\n");
        return 2;
    }
    struct ew_error err;
    if (ew_thread_pool_open(b.opt.threads, NULL, 0, &b.pool, &err) != EW_OK) {
        fprintf(stderr, "bench_kernels: no threads\n");
        return EXIT_FAILURE;
    }
    b.memory = allocate(b.opt.mib << 20);
    b.packed = allocate(b.opt.mib << 20);
    b.x = allocate((size_t)8192 * 512 * sizeof *b.x);
    fill(b.memory, b.opt.mib << 20);
    for (size_t i = 0; i < (size_t)8192 * 512; i++) b.x[i] = (float)(i % 61) * 0.03f - 0.9f;
    printf("%u thread%s, %u repetitions; weights of one token: %zu MiB\n", b.opt.threads, b.opt.threads > 1 ? "s" : "",
           b.opt.reps, b.opt.mib);
    printf("%-28s %-14s %4s %8s %19s %5s %8s %8s %7s %8s\n", "kernel", " n_in x n_out", "tok", "median",
           "10 % … 90 %  ", "", "limit", "share", "to ref", "prepare");
#define RUN(isa_, needs_) run_variant(&b, #isa_, needs_);
    EW_MATMUL_VARIANTS(RUN)
    free(b.memory);
    free(b.packed);
    free(b.x);
    ew_thread_pool_close(&b.pool);
    return 0;
}
