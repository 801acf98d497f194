/* Checks every variant of attention, the reference included, against a softmax in doubles: single tokens and batches,
 * groups of every size, head sizes with and without tails, caches that end exactly where their memory ends, misaligned
 * pointers, gaps between rows, masked positions with huge values, sliding windows, soft caps, and scores far beyond the
 * range of exp; keys and values in every type. What a type makes of a value is the decoder's word, not the kernel's. A
 * few tokens at once must get what each of them gets alone, to the bit, and so must chunks that are computed apart. */
#include "check_kernel.h"
#include "kernel/vector_variants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Scores carry a rounding error of about ε Σ|q·k|·scale, which softmax turns into a relative error of the weights. */
static const double BOUND_C = 8, EPSILON = 0x1p-24, SMALLEST = 0x1p-125;

struct shape {
    uint32_t head_dim, n_group, n_tokens, pos0;
    float q_size; /* 1: ordinary scores; 1e3: one position takes all the weight */
    uint32_t window;
    float soft_cap;
};

struct types {
    enum ew_type k, v;
};

static const struct types all_types[] = {
    {EW_TYPE_F16, EW_TYPE_F16},  {EW_TYPE_Q8_0, EW_TYPE_Q8_0}, {EW_TYPE_F32, EW_TYPE_F32},
    {EW_TYPE_Q8_0, EW_TYPE_F16}, {EW_TYPE_F16, EW_TYPE_Q8_0},
};

struct problem {
    struct shape s;
    uint32_t n_positions;
    size_t stride;
    struct ew_check_buffer q, k, v, out, scratch;
    float *keys, *values; /* what the bytes of k and v decode to */
};

static struct ew_check_buffer encode(enum ew_type type, float *x, size_t n, size_t misalignment) {
    struct ew_check_buffer b = ew_check_alloc(ew_type_row_bytes(type, n), misalignment);
    ew_check_true(ew_quantize_row(type, x, n, b.data, NULL) == EW_OK, "encode");
    ew_check_true(ew_dequantize_row(type, b.data, n, x, NULL) == EW_OK, "decode");
    return b;
}

static void fill(struct ew_check_rng *rng, float *x, size_t n, float size) {
    for (size_t i = 0; i < n; i++) x[i] = ew_check_uniform(rng, -size, size);
}

static struct problem make_problem(struct shape s, struct types types) {
    struct ew_check_rng rng = {s.head_dim * 31 + s.n_group * 7 + s.n_tokens * 1009 + s.pos0};
    struct problem p = {.s = s, .n_positions = s.pos0 + s.n_tokens, .stride = (size_t)s.n_group * s.head_dim + 3};
    size_t cache = (size_t)p.n_positions * s.head_dim;
    p.keys = malloc(cache * sizeof *p.keys);
    p.values = malloc(cache * sizeof *p.values);
    if (!p.keys || !p.values) abort();
    p.q = ew_check_alloc(s.n_tokens * p.stride * sizeof(float), 4);
    p.out = ew_check_alloc(((s.n_tokens - 1) * p.stride + (size_t)s.n_group * s.head_dim) * sizeof(float), 12);
    p.scratch = ew_check_alloc(ew_attention_scratch_bytes(s.head_dim, s.n_tokens * s.n_group), 0);
    ew_check_fill_uniform(&rng, p.q.data, s.n_tokens * p.stride, -s.q_size, s.q_size);
    fill(&rng, p.keys, cache, 1);
    fill(&rng, p.values, cache, 1);
    /* The last token's values are huge: they must not reach earlier tokens, not even with a tiny weight. */
    if (s.n_tokens > 1) fill(&rng, p.values + cache - s.head_dim, s.head_dim, 60000);
    /* Nor may what lies before the first token's window. */
    if (s.window && s.pos0 + 1 > s.window) fill(&rng, p.values, (size_t)(s.pos0 + 1 - s.window) * s.head_dim, 60000);
    p.k = encode(types.k, p.keys, cache, types.k == EW_TYPE_F32 ? 4 : 2);
    p.v = encode(types.v, p.values, cache, types.v == EW_TYPE_F32 ? 12 : 6);
    return p;
}

static void free_problem(struct problem *p) {
    ew_check_free(&p->q);
    ew_check_free(&p->k);
    ew_check_free(&p->v);
    ew_check_free(&p->out);
    ew_check_free(&p->scratch);
    free(p->keys);
    free(p->values);
}

/* Weights of positions [first, n) for one query; returns the largest Σ|q·k|·scale plus the soft cap. */
static double softmax_weights(const float *q, const float *k, const struct shape *s, double scale, uint32_t first,
                              uint32_t n, double *weight) {
    double max = -1e300, sum = 0, magnitude = 0, cap = (double)s->soft_cap;
    uint32_t dim = s->head_dim;
    for (uint32_t p = first; p < n; p++) {
        double dot = 0, size = 0;
        for (uint32_t d = 0; d < dim; d++) {
            double term = (double)q[d] * (double)k[(size_t)p * dim + d] * scale;
            dot += term;
            size += fabs(term);
        }
        weight[p] = cap > 0 ? cap * tanh(dot / cap) : dot;
        max = fmax(max, weight[p]);
        magnitude = fmax(magnitude, size);
    }
    for (uint32_t p = first; p < n; p++) sum += weight[p] = exp(weight[p] - max);
    for (uint32_t p = first; p < n; p++) weight[p] /= sum;
    return magnitude + cap;
}

static void check_row(const struct problem *p, uint32_t t, uint32_t g, float scale, double *weight, const char *what) {
    uint32_t dim = p->s.head_dim, n = p->s.pos0 + t + 1;
    uint32_t first = p->s.window && n > p->s.window ? n - p->s.window : 0;
    size_t at = t * p->stride + (size_t)g * dim;
    const float *out = (const float *)p->out.data + at;
    double magnitude = softmax_weights((const float *)p->q.data + at, p->keys, &p->s, (double)scale, first, n, weight);
    for (uint32_t d = 0; d < dim; d++) {
        double want = 0, size = 0, lost = 0;
        for (uint32_t i = first; i < n; i++) {
            double value = (double)p->values[(size_t)i * dim + d];
            want += weight[i] * value;
            size += weight[i] * fabs(value);
        }
        for (uint32_t i = 0; i < p->n_positions; i++) lost += SMALLEST * fabs((double)p->values[(size_t)i * dim + d]);
        /* A weight that is wrong by a factor 1 + δ moves the mean by at most 2 δ Σ w|v|. Weights below 2^-126, masked
         * ones too, may be missing or stay there: felt where all that has weight is exactly zero. */
        ew_check_near(out[d], want, BOUND_C * EPSILON * (2 + magnitude) * size + lost, what, at + d);
    }
}

static struct ew_attention_args args_of(const struct problem *p, struct types types) {
    return (struct ew_attention_args){.q = p->q.data,
                                      .q_stride = p->stride,
                                      .k = p->k.data,
                                      .v = p->v.data,
                                      .k_type = types.k,
                                      .v_type = types.v,
                                      .out = p->out.data,
                                      .out_stride = p->stride,
                                      .head_dim = p->s.head_dim,
                                      .n_group = p->s.n_group,
                                      .n_tokens = p->s.n_tokens,
                                      .pos0 = p->s.pos0,
                                      .scale = 1 / sqrtf((float)p->s.head_dim),
                                      .soft_cap = p->s.soft_cap,
                                      .window = p->s.window,
                                      .scratch = p->scratch.data};
}

/* A text that names a case. */
static const char *name_of(const struct ew_vector_kernels *v, struct shape s, struct types types) {
    static char what[160];
    snprintf(what, sizeof what, "attention %s %s/%s head_dim=%u group=%u tokens=%u pos0=%u q=%g window=%u cap=%g",
             v->isa, ew_type_traits(types.k)->name, ew_type_traits(types.v)->name, s.head_dim, s.n_group, s.n_tokens,
             s.pos0, (double)s.q_size, s.window, (double)s.soft_cap);
    return what;
}

static void check_shape(const struct ew_vector_kernels *v, struct shape s, struct types types) {
    struct problem p = make_problem(s, types);
    const char *what = name_of(v, s, types);
    struct ew_attention_args args = args_of(&p, types);
    v->attention(&args);
    double *weight = malloc(p.n_positions * sizeof *weight);
    if (!weight) abort();
    for (uint32_t t = 0; t < s.n_tokens; t++) {
        for (uint32_t g = 0; g < s.n_group; g++) check_row(&p, t, g, args.scale, weight, what);
        for (uint32_t i = s.n_group * s.head_dim; i < p.stride && t + 1 < s.n_tokens; i++) {
            uint32_t pattern;
            memcpy(&pattern, (const float *)p.out.data + t * p.stride + i, sizeof pattern);
            ew_check_true(pattern == 0xa5a5a5a5u, what);
        }
    }
    ew_check_guards(&p.out, what);
    ew_check_guards(&p.scratch, what);
    free(weight);
    free_problem(&p);
}

/* Whether rows of two outputs are the same, to the bit. */
static bool same_rows(const struct problem *p, const float *a, const float *b, uint32_t n_tokens) {
    bool same = true;
    for (uint32_t t = 0; t < n_tokens; t++)
        same &= !memcmp(a + t * p->stride, b + t * p->stride, (size_t)p->s.n_group * p->s.head_dim * sizeof *a);
    return same;
}

/* The whole against its tokens one by one, and against its chunks put together. */
static void check_exact(const struct ew_vector_kernels *v, struct shape s, struct types types) {
    struct problem p = make_problem(s, types);
    const char *what = name_of(v, s, types);
    const struct ew_attention_args whole = args_of(&p, types);
    float *other = malloc(p.out.size);
    uint32_t n_chunks = (p.n_positions - 1) / EW_ATTENTION_CHUNK + 1;
    size_t part = ew_attention_part_floats(s.head_dim) * s.n_tokens * s.n_group;
    float *parts = malloc(n_chunks * part * sizeof *parts);
    if (!other || !parts) abort();
    v->attention(&whole);
    for (uint32_t t = 0; t < s.n_tokens; t++) {
        struct ew_attention_args alone = whole;
        alone.q += t * p.stride;
        alone.out = other;
        alone.n_tokens = 1;
        alone.pos0 += t;
        v->attention(&alone);
        ew_check_true(same_rows(&p, other, whole.out + t * p.stride, 1), what);
    }
    struct ew_attention_args apart = whole;
    apart.out = other;
    for (uint32_t i = n_chunks; i-- > 0;) v->attention_chunk(&apart, i, parts + i * part);
    v->attention_merge(&apart, parts, n_chunks);
    ew_check_true(same_rows(&p, other, whole.out, s.n_tokens), what);
    ew_check_guards(&p.scratch, what);
    free(other);
    free(parts);
    free_problem(&p);
}

static const struct shape shapes[] = {
    /* one token: every group, positions around the tiles */
    {8, 1, 1, 0, 1, 0, 0},
    {64, 1, 1, 1, 4, 0, 0},
    {64, 2, 1, 3, 4, 0, 0},
    {64, 3, 1, 62, 4, 0, 0},
    {64, 4, 1, 127, 4, 0, 0},
    {64, 5, 1, 128, 4, 0, 0},
    {128, 6, 1, 129, 4, 0, 0},
    {128, 7, 1, 255, 4, 0, 0},
    {128, 8, 1, 700, 4, 0, 0},
    {72, 3, 1, 300, 4, 0, 0},
    {80, 4, 1, 63, 4, 0, 0},
    {256, 2, 1, 130, 4, 0, 0},
    {24, 8, 1, 511, 4, 0, 0},
    {32, 5, 1, 66, 4, 0, 0},
    {96, 3, 1, 191, 4, 0, 0},
    /* few tokens, and many heads of one token */
    {64, 2, 3, 126, 4, 0, 0},
    {256, 1, 8, 120, 4, 0, 0},
    {64, 9, 1, 333, 4, 0, 0},
    {40, 16, 1, 64, 4, 0, 0},
    {64, 4, 4, 100, 4, 0, 0},
    {64, 8, 16, 1015, 4, 0, 0},
    {128, 7, 1, 2500, 4, 0, 0},
    {64, 4, 16, 1020, 4, 1000, 0},
    {128, 71, 1, 65, 4, 0, 0},
    /* batches: part and whole blocks of rows and tiles of positions */
    {64, 4, 12, 0, 4, 0, 0},
    {64, 4, 13, 52, 4, 0, 0},
    {64, 3, 40, 0, 4, 0, 0},
    {128, 1, 97, 64, 4, 0, 0},
    {80, 3, 33, 10, 4, 0, 0},
    {256, 2, 50, 63, 4, 0, 0},
    {24, 1, 200, 3, 4, 0, 0},
    {64, 4, 100, 129, 4, 0, 0},
    {8, 7, 64, 64, 4, 0, 0},
    {96, 3, 33, 10, 4, 0, 0},
    /* scores in the hundreds and thousands: all weight on one position */
    {64, 4, 1, 300, 1000, 0, 0},
    {64, 4, 30, 100, 1000, 0, 0},
    {64, 4, 30, 100, 1e-6f, 0, 0},
    /* sliding windows: inside the first tile, across tiles, longer than what there is, one position only */
    {64, 2, 1, 300, 4, 8, 0},
    {64, 4, 1, 300, 4, 64, 0},
    {128, 8, 1, 300, 4, 65, 0},
    {64, 4, 1, 40, 4, 100, 0},
    {64, 2, 4, 200, 4, 1, 0},
    {64, 4, 100, 0, 4, 8, 0},
    {64, 4, 100, 250, 4, 8, 0},
    {80, 3, 200, 70, 4, 100, 0},
    {256, 1, 130, 0, 4, 64, 0},
    {24, 1, 300, 3, 4, 1, 0},
    {64, 4, 100, 250, 1000, 17, 0},
    /* soft caps: hardly felt, felt, and all scores at the cap; with windows */
    {64, 2, 1, 100, 4, 0, 50},
    {128, 8, 1, 300, 40, 0, 5},
    {64, 4, 1, 200, 1000, 0, 50},
    {64, 4, 70, 33, 4, 0, 50},
    {256, 2, 50, 63, 40, 0, 5},
    {64, 4, 70, 33, 1000, 0, 50},
    {256, 2, 100, 63, 40, 33, 5},
    {64, 3, 1, 333, 4, 33, 5},
};

/* Tiles of 64 positions and chunks of 1024 begin and end among the tokens; windows too. */
static const struct shape exact_shapes[] = {
    {64, 1, 2, 0, 4, 0, 0},        {64, 4, 5, 60, 4, 0, 0},      {64, 7, 16, 120, 4, 0, 0},
    {64, 8, 3, 1022, 4, 0, 0},     {128, 5, 16, 1015, 4, 0, 0},  {72, 3, 5, 2045, 4, 0, 0},
    {256, 2, 16, 500, 4, 0, 0},    {24, 16, 4, 1000, 4, 0, 0},   {64, 8, 16, 1100, 4, 100, 0},
    {128, 7, 9, 2100, 4, 1500, 0}, {64, 4, 16, 250, 4, 17, 5},   {64, 71, 2, 70, 4, 0, 0},
    {80, 9, 16, 33, 4, 0, 50},     {64, 8, 1, 3000, 1000, 0, 0}, {64, 6, 7, 2044, 1000, 8, 0},
    {96, 4, 16, 3070, 4, 0, 0},
};

static void check_variant(const char *isa, uint64_t needs) {
    if (!ew_check_wants(isa)) return;
    if ((ew_cpu_features() & needs) != needs) {
        printf("skipped: this processor lacks what %s needs\n", isa);
        return;
    }
    struct ew_vector_kernels v;
    ew_vector_kernels_init(&v, needs);
    ew_check_true(!strcmp(v.isa, isa), isa);
    for (size_t t = 0; t < sizeof all_types / sizeof *all_types; t++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            if (ew_attention_takes(all_types[t].k, shapes[i].head_dim) &&
                ew_attention_takes(all_types[t].v, shapes[i].head_dim))
                check_shape(&v, shapes[i], all_types[t]);
    for (size_t t = 0; t < sizeof all_types / sizeof *all_types; t++)
        for (size_t i = 0; i < sizeof exact_shapes / sizeof *exact_shapes; i++)
            if (ew_attention_takes(all_types[t].k, exact_shapes[i].head_dim) &&
                ew_attention_takes(all_types[t].v, exact_shapes[i].head_dim))
                check_exact(&v, exact_shapes[i], all_types[t]);
}

int main(void) {
    check_variant("ref", 0);
#define CHECK(isa_, needs_) check_variant(#isa_, needs_);
    EW_VECTOR_VARIANTS(CHECK)
    return ew_check_finish();
}
