/* Checks every matrix-product variant that this processor can run: prepared activations against the definition,
 * packing, and products — exactly where small integers and power-of-two scales make every order of summation exact,
 * otherwise against a double reference within c · ε · Σ|a·b|. Weights end where an unreadable page begins. A few tokens
 * at once must get what each of them gets alone, to the bit. */
#include "check_kernel.h"
#include "gguf/tensor_type.h"
#include "kernel/matmul_table.h"
#include "quant/blocks.h"
#include "quant/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Products sum at most a few hundred group terms, each rounded a few times: errors grow like the square root
 * of that. */
static const double BOUND_C = 16, EPSILON = 0x1p-24;

static const enum ew_type types[] = {EW_TYPE_F32,     EW_TYPE_F16,    EW_TYPE_BF16,  EW_TYPE_Q8_0,    EW_TYPE_Q4_0,
                                     EW_TYPE_Q4_K,    EW_TYPE_Q5_K,   EW_TYPE_Q6_K,  EW_TYPE_Q4_1,    EW_TYPE_Q5_0,
                                     EW_TYPE_Q5_1,    EW_TYPE_Q2_K,   EW_TYPE_Q3_K,  EW_TYPE_IQ4_NL,  EW_TYPE_IQ4_XS,
                                     EW_TYPE_MXFP4,   EW_TYPE_TQ1_0,  EW_TYPE_TQ2_0, EW_TYPE_IQ1_S,   EW_TYPE_IQ1_M,
                                     EW_TYPE_IQ2_XXS, EW_TYPE_IQ2_XS, EW_TYPE_IQ2_S, EW_TYPE_IQ3_XXS, EW_TYPE_IQ3_S};
enum { N_TYPES = sizeof types / sizeof *types };

struct shape {
    uint32_t n_in, n_out, n_tokens;
};

struct problem {
    struct ew_weight rows;
    double *w;       /* decoded */
    double *largest; /* [n_out][n_in / 32]: the largest |w| of each group */
    float *x;        /* misaligned by 4 bytes */
    struct ew_check_buffer weight_memory, x_memory;
    size_t x_stride;
    struct shape s;
    uint32_t first_token; /* of the products that it is part of */
};

static void *allocate(size_t size) {
    void *p = malloc(size ? size : 1);
    if (!p) abort();
    return p;
}

/* ---- making problems ---- */

static void put_half(void *block, size_t offset, float value) {
    uint16_t h = ew_f32_to_f16(value);
    memcpy((char *)block + offset, &h, sizeof h);
}

static float random_scale(struct ew_check_rng *rng, bool exact) {
    if (exact) return ldexpf(1, ew_check_integer(rng, -3, -1));
    return ew_check_uniform(rng, -0.02f, 0.02f);
}

/* Where a block's f16 scale is; the second, where there is one, follows it. */
static size_t scale_offset(enum ew_type type) {
    switch (type) {
    case EW_TYPE_Q2_K: return offsetof(struct ew_block_q2_k, d);
    case EW_TYPE_Q3_K: return offsetof(struct ew_block_q3_k, d);
    case EW_TYPE_Q6_K: return offsetof(struct ew_block_q6_k, d);
    case EW_TYPE_TQ1_0: return offsetof(struct ew_block_tq1_0, d);
    case EW_TYPE_TQ2_0: return offsetof(struct ew_block_tq2_0, d);
    default: return 0;
    }
}

/* Spreads an f16 over the upper nibbles of the scales, as IQ1_M has it. */
static void put_half_iq1_m(struct ew_block_iq1_m *block, float value) {
    uint16_t h = ew_f32_to_f16(value);
    for (int i = 0; i < 4; i++) block->scales[i] = (uint16_t)((block->scales[i] & 0xfff) | (h >> (4 * i) & 15) << 12);
}

static void make_block(struct ew_check_rng *rng, enum ew_type type, void *block, bool exact) {
    ew_check_fill_bytes(rng, block, ew_type_traits(type)->block_bytes);
    float first = random_scale(rng, exact), second = random_scale(rng, exact);
    switch (type) {
    case EW_TYPE_MXFP4: *(uint8_t *)block = (uint8_t)ew_check_integer(rng, exact ? 126 : 118, exact ? 128 : 123); break;
    case EW_TYPE_IQ1_M: put_half_iq1_m(block, first); break;
    case EW_TYPE_Q4_1:
    case EW_TYPE_Q5_1:
    case EW_TYPE_Q2_K:
    case EW_TYPE_Q4_K:
    case EW_TYPE_Q5_K: put_half(block, scale_offset(type) + 2, second); /* fall through */
    default: put_half(block, scale_offset(type), first); break;
    }
}

/* Here and there a group of zeros, and one of numbers that are subnormal halves, or next to nothing. */
static float scale_of_group(enum ew_type type, size_t g) {
    if (g % 7 == 5) return 0;
    return g % 7 == 3 ? type == EW_TYPE_F16 ? 0x1p-20f : 1e-30f : 1;
}

static void make_float_row(struct ew_check_rng *rng, enum ew_type type, size_t n, char *row, bool exact) {
    for (size_t i = 0; i < n; i++) {
        float v = exact ? (float)ew_check_integer(rng, -16, 16) / 8
                        : ew_check_uniform(rng, -1, 1) * scale_of_group(type, i / 32);
        uint16_t h = type == EW_TYPE_F16 ? ew_f32_to_f16(v) : ew_f32_to_bf16(v);
        if (type == EW_TYPE_F32)
            memcpy(row + 4 * i, &v, 4);
        else
            memcpy(row + 2 * i, &h, 2);
    }
}

/* In exact problems each group of 32 has the largest integer (so the scale is 1, in 8 bits or, for floats, in 16) and
 * otherwise small ones. */
static void make_x(struct ew_check_rng *rng, struct problem *p, bool exact) {
    const float largest = ew_type_traits(p->rows.type)->block_elems == 1 ? 32767 : 127;
    for (uint32_t t = 0; t < p->s.n_tokens; t++) {
        float *x = p->x + t * p->x_stride;
        if (!exact) {
            ew_check_fill_uniform(rng, x, p->s.n_in, -2, 2);
            continue;
        }
        ew_check_fill_integers(rng, x, p->s.n_in, -2, 2);
        for (uint32_t g = 0; g < p->s.n_in; g += 32)
            x[g + (uint32_t)ew_check_integer(rng, 0, 31)] = (ew_check_random(rng) & 1) ? largest : -largest;
    }
}

static void decode_row(struct problem *p, enum ew_type type, const char *row, uint32_t r) {
    float *w = allocate(p->s.n_in * sizeof *w);
    if (ew_dequantize_row(type, row, p->s.n_in, w, NULL) != EW_OK) abort();
    double *to = p->w + (size_t)r * p->s.n_in, *largest = p->largest + (size_t)r * p->s.n_in / 32;
    for (uint32_t g = 0; g < p->s.n_in; g += 32) {
        largest[g / 32] = 0;
        for (uint32_t i = g; i < g + 32; i++) {
            to[i] = (double)w[i];
            largest[g / 32] = fmax(largest[g / 32], fabs(to[i]));
        }
    }
    free(w);
}

/* Float weights in 16-bit integers, from the words of struct ew_act_q16: the least power of two that takes the largest
 * of 32 below 2^14 is the step, or 2^-60. */
static double *round_to_words(const double *w, size_t n) {
    double *seen = allocate(n * sizeof *seen);
    for (size_t g = 0; g < n; g += 32) {
        double largest = 0;
        int exponent;
        for (size_t i = g; i < g + 32; i++) largest = fmax(largest, fabs(w[i]));
        frexp(fmax(largest, 0x1p-47), &exponent);
        double step = ldexp(1, exponent - 14);
        for (size_t i = g; i < g + 32; i++) seen[i] = nearbyint(w[i] / step) * step;
    }
    return seen;
}

static struct problem make_problem(enum ew_type type, struct shape s, bool exact, uint64_t seed) {
    struct ew_check_rng rng = {seed};
    struct problem p = {.s = s, .x_stride = s.n_in + 5};
    size_t row_bytes = ew_type_row_bytes(type, s.n_in);
    const struct ew_type_traits *traits = ew_type_traits(type);
    p.weight_memory = ew_check_alloc_at_end(s.n_out * row_bytes);
    char *data = p.weight_memory.data;
    p.w = allocate(s.n_out * (size_t)s.n_in * sizeof *p.w);
    p.largest = allocate(s.n_out * (size_t)s.n_in / 32 * sizeof *p.largest);
    for (uint32_t r = 0; r < s.n_out; r++) {
        char *row = data + r * row_bytes;
        if (traits->block_elems == 1)
            make_float_row(&rng, type, s.n_in, row, exact);
        else
            for (size_t b = 0; b < row_bytes; b += traits->block_bytes) make_block(&rng, type, row + b, exact);
        decode_row(&p, type, row, r);
    }
    p.rows = (struct ew_weight){data, type, EW_LAYOUT_ROWS, s.n_in, s.n_out};
    p.x_memory = ew_check_alloc(s.n_tokens * p.x_stride * sizeof *p.x, 4);
    p.x = p.x_memory.data;
    make_x(&rng, &p, exact);
    return p;
}

static void free_problem(struct problem *p) {
    ew_check_free(&p->weight_memory);
    free(p->w);
    free(p->largest);
    ew_check_free(&p->x_memory);
}

static void *pack(const struct ew_kernels *k, const struct ew_weight *rows, struct ew_weight *packed) {
    size_t size = ew_matmul_packed_bytes(rows->type, rows->n_in, rows->n_out);
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!memory) abort();
    uint32_t middle = rows->n_out / 32 * 16;
    ew_matmul_pack_rows(k, rows, middle, rows->n_out, memory);
    ew_matmul_pack_rows(k, rows, 0, middle, memory);
    *packed = *rows;
    packed->layout = EW_LAYOUT_R16;
    packed->data = memory;
    return memory;
}

/* ---- packing ---- */

/* The order of bytes that docs/formats.md describes, written down once more: unit by unit, the 16 rows side by side. */
static void check_packed_bytes(const struct ew_weight *rows, const uint8_t *packed, const char *what) {
    size_t block_bytes = ew_type_traits(rows->type)->block_bytes, row_bytes = ew_type_row_bytes(rows->type, rows->n_in);
    size_t n_strips = (rows->n_out + 15) / 16, wrong = 0;
    for (size_t at = 0; at < n_strips * 16 * row_bytes; at += 16 * block_bytes) {
        const uint8_t *set = packed + at;
        for (const struct ew_pack_field *f = ew_matmul_pack_fields(rows->type); f->count;
             set += 16u * f->unit * f->count, f++)
            for (size_t i = 0; i < 16u * f->unit * f->count; i++) {
                size_t unit = i / f->unit / 16, r = i / f->unit % 16;
                size_t row = at / (16 * row_bytes) * 16 + r, block = at % (16 * row_bytes) / 16;
                size_t from = row * row_bytes + block + f->offset + unit * f->unit + i % f->unit;
                wrong += set[i] != (row < rows->n_out ? ((const uint8_t *)rows->data)[from] : 0);
            }
    }
    ew_check_true(wrong == 0, what);
}

/* Rows end where an unreadable page begins; guard bytes follow what is packed. */
static void check_packing(const struct ew_kernels *k, enum ew_type type, uint32_t n_in, uint32_t n_out) {
    if (!ew_matmul_pack_fields(type)) return;
    struct problem p = make_problem(type, (struct shape){n_in, n_out, 1}, false, n_in + n_out + (uint64_t)type);
    struct ew_check_buffer packed = ew_check_alloc(ew_matmul_packed_bytes(type, n_in, n_out), 0);
    char what[96];
    snprintf(what, sizeof what, "packing %s %s n_in=%u n_out=%u", ew_type_traits(type)->name, k->matmul->isa, n_in,
             n_out);
    ew_matmul_pack_rows(k, &p.rows, 0, n_out, packed.data);
    check_packed_bytes(&p.rows, packed.data, what);
    ew_check_guards(&packed, what);
    ew_check_free(&packed);
    free_problem(&p);
}

/* ---- activations ---- */

/* Value i of token t as the product will see it. */
static float prepared_value(const void *act, enum ew_act_kind kind, uint32_t n_tokens, uint32_t t, uint32_t i) {
    if (kind == EW_ACT_Q8) {
        const struct ew_act_q8 *rec = (const struct ew_act_q8 *)act + (size_t)(i / EW_ACT_Q8_COLS) * n_tokens + t;
        i %= EW_ACT_Q8_COLS;
        return rec->d[i / 32] * (float)rec->q[i];
    }
    if (kind == EW_ACT_Q16) {
        const struct ew_act_q16 *rec = (const struct ew_act_q16 *)act + (size_t)(i / EW_ACT_Q16_COLS) * n_tokens + t;
        i %= EW_ACT_Q16_COLS;
        return rec->d[i / 32] * (float)rec->q[i];
    }
    const struct ew_act_f32 *rec = (const struct ew_act_f32 *)act + (size_t)(i / EW_ACT_F32_COLS) * n_tokens + t;
    return rec->x[i % EW_ACT_F32_COLS];
}

static void check_group(const float *x, const struct ew_act_q8 *rec, uint32_t g, const char *what) {
    double amax = 0;
    int sum[2] = {0, 0};
    for (uint32_t i = 0; i < 32; i++) {
        amax = fmax(amax, fabs((double)x[i]));
        sum[i / 16] += rec->q[g * 32 + i];
    }
    ew_check_near(rec->d[g], amax / 127, amax / 127 * 0x1p-23, what, g);
    for (uint32_t i = 0; i < 32; i++)
        ew_check_near(rec->d[g] * (float)rec->q[g * 32 + i], (double)x[i], amax / 127 * 0.50001, what, g * 32 + i);
    ew_check_true(rec->sum16[2 * g] == -128 * sum[0] && rec->sum16[2 * g + 1] == -128 * sum[1], what);
    ew_check_true(rec->sum32[g] == -128 * (sum[0] + sum[1]), what);
    ew_check_near(rec->ds[g], (double)rec->d[g] * (sum[0] + sum[1]), fabs((double)rec->ds[g]) * 0x1p-23, what, g);
}

/* The step of 32 activations in 16 bits. */
static double words_step(const float *x) {
    double largest = 0, total = 0;
    for (uint32_t i = 0; i < 32; i++) {
        largest = fmax(largest, fabs((double)x[i]));
        total += fabs((double)x[i]);
    }
    return fmax(0x1p-60, fmax(largest / 32767, total / 131000));
}

static void check_group_16(const float *x, const struct ew_act_q16 *rec, uint32_t g, const char *what) {
    double step = words_step(x);
    int total = 0;
    ew_check_near(rec->d[g], step, step * 0x1p-21, what, g);
    for (uint32_t i = 0; i < 32; i++) {
        int q = rec->q[g * 32 + i];
        total += abs(q);
        ew_check_true(q >= -32767 && q <= 32767, what);
        ew_check_near(rec->d[g] * (float)q, (double)x[i], step * 0.502 + fabs((double)x[i]) * 0x1p-23, what,
                      g * 32 + i);
    }
    ew_check_true(total <= 131000 + 16 + 1, what); /* 1: the total is a sum in f32 */
}

/* Random activations of one kind, prepared in two parts. */
static struct ew_check_buffer prepare_activations(const struct ew_kernels *k, enum ew_act_kind kind, uint32_t n_in,
                                                  uint32_t n_tokens, const float *values, size_t stride) {
    struct ew_check_buffer act = ew_check_alloc(ew_matmul_act_bytes(k, kind, n_in, n_tokens), 0);
    uint32_t middle = n_tokens / 2;
    ew_matmul_act_prepare(k, kind, n_in, n_tokens, values, stride, middle, n_tokens, act.data);
    ew_matmul_act_prepare(k, kind, n_in, n_tokens, values, stride, 0, middle, act.data);
    ew_check_true(act.size % 64 == 0, "prepared activations are a multiple of 64 bytes");
    return act;
}

static void check_activations(const struct ew_kernels *k, uint32_t n_in, uint32_t n_tokens) {
    struct ew_check_rng rng = {n_in * 131 + n_tokens};
    char what[96];
    snprintf(what, sizeof what, "activations %s n_in=%u tokens=%u", k->matmul->isa, n_in, n_tokens);
    size_t stride = n_in + 3;
    struct ew_check_buffer x = ew_check_alloc(stride * n_tokens * sizeof(float), 4);
    float *values = x.data;
    for (uint32_t t = 0; t < n_tokens; t++) ew_check_fill_uniform(&rng, values + t * stride, n_in, -1, 1);
    memset(values, 0, 32 * sizeof *values);                                  /* a group of zeros */
    for (int i = 0; i < 32; i++) values[i + (n_in > 32 ? 32 : 0)] *= 1e-30f; /* and a tiny one */
    struct ew_check_buffer bytes = prepare_activations(k, EW_ACT_Q8, n_in, n_tokens, values, stride);
    struct ew_check_buffer words = prepare_activations(k, EW_ACT_Q16, n_in, n_tokens, values, stride);
    const struct ew_act_q8 *rec = bytes.data;
    const struct ew_act_q16 *rec_16 = words.data;
    for (uint32_t t = 0; t < n_tokens; t++)
        for (uint32_t i = 0; i < n_in; i += 32) {
            const float *group = values + t * stride + i;
            check_group(group, &rec[(size_t)(i / EW_ACT_Q8_COLS) * n_tokens + t], i % EW_ACT_Q8_COLS / 32, what);
            check_group_16(group, &rec_16[(size_t)(i / EW_ACT_Q16_COLS) * n_tokens + t], i % EW_ACT_Q16_COLS / 32,
                           what);
        }
    ew_check_guards(&bytes, what);
    ew_check_guards(&words, what);
    ew_check_free(&x);
    ew_check_free(&bytes);
    ew_check_free(&words);
}

/* ---- products ---- */

struct product {
    struct ew_check_buffer y, act, scratch;
    size_t y_stride;
    enum ew_act_kind kind;
};

static float start_value(const struct problem *p, uint32_t t, uint32_t r) {
    return (float)((p->first_token + t + r) % 7);
}

/* y starts with start values when accumulating; gaps between rows keep the pattern. */
static struct product run_product(const struct ew_kernels *k, const struct ew_weight *w, const struct problem *p,
                                  bool accumulate) {
    struct product out = {.y_stride = p->s.n_out + 3, .kind = ew_matmul_act_kind(k, w, p->s.n_tokens)};
    uint32_t n_tokens = p->s.n_tokens;
    out.y = ew_check_alloc(((n_tokens - 1) * out.y_stride + p->s.n_out) * sizeof(float), 12);
    out.act = ew_check_alloc(ew_matmul_act_bytes(k, out.kind, p->s.n_in, n_tokens), 0);
    out.scratch = ew_check_alloc(ew_matmul_scratch_bytes(k, n_tokens), 0);
    float *y = out.y.data;
    for (uint32_t t = 0; t < n_tokens && accumulate; t++)
        for (uint32_t r = 0; r < p->s.n_out; r++) y[t * out.y_stride + r] = start_value(p, t, r);
    ew_matmul_act_prepare(k, out.kind, p->s.n_in, n_tokens, p->x, p->x_stride, 0, n_tokens, out.act.data);
    uint32_t step = ew_matmul_row_step(k, w, n_tokens);
    uint32_t middle = p->s.n_out / 2 / step * step;
    ew_matmul_rows(k, w, out.act.data, n_tokens, middle, p->s.n_out, accumulate, y, out.y_stride, out.scratch.data);
    if (middle) ew_matmul_rows(k, w, out.act.data, n_tokens, 0, middle, accumulate, y, out.y_stride, out.scratch.data);
    return out;
}

/* The activations of a token as the product will see them, and Σ|x| of each group: made once for all rows, for
 * emulators are slow at arithmetic. */
struct token {
    double *x, *total;
};

static void prepare_token(const struct product *out, const struct problem *p, uint32_t t, struct token *a) {
    for (uint32_t i = 0; i < p->s.n_in; i++) {
        a->x[i] = (double)prepared_value(out->act.data, out->kind, p->s.n_tokens, t, i);
        a->total[i / 32] = (i % 32 ? a->total[i / 32] : 0) + fabs(a->x[i]);
    }
}

static void free_product(struct product *out) {
    ew_check_free(&out->y);
    ew_check_free(&out->act);
    ew_check_free(&out->scratch);
}

/* Want and Σ|a·b| of one output. Formats with a minimum compute w as a difference of larger terms, so a weight counts
 * with twice the largest of its group. */
static double exact_dot(const struct problem *p, const struct token *a, uint32_t r, double *magnitude) {
    const double *w = p->w + (size_t)r * p->s.n_in, *largest = p->largest + (size_t)r * p->s.n_in / 32;
    double sum = 0;
    for (uint32_t i = 0; i < p->s.n_in; i++) sum += w[i] * a->x[i];
    *magnitude = 0;
    for (uint32_t g = 0; g < p->s.n_in / 32; g++) *magnitude += 2 * largest[g] * a->total[g];
    return sum;
}

/* What rounding both sides to words may do to an output at most: half a step of each against all of the other. The step
 * of weights is up to 2^-13 of the largest of a group. */
static double words_bound(const double *w, const float *x, uint32_t n_in) {
    double bound = 0;
    for (uint32_t g = 0; g < n_in; g += 32) {
        double largest_w = 0x1p-47, total_w = 0, total_x = 0;
        for (uint32_t i = g; i < g + 32; i++) {
            largest_w = fmax(largest_w, fabs(w[i]));
            total_w += fabs(w[i]);
            total_x += fabs((double)x[i]);
        }
        double half_w = largest_w / 8192 / 2, half_x = words_step(x + g) * 0.502;
        bound += half_w * total_x + half_x * total_w + 32 * half_w * half_x;
    }
    return bound;
}

/* Outputs of words against the product of the very weights and activations. */
static void check_words(const struct problem *p, const struct product *out, bool accumulate, const char *what) {
    const float *y = out->y.data;
    for (uint32_t t = 0; t < p->s.n_tokens; t++)
        for (uint32_t r = 0; r < p->s.n_out; r++) {
            const double *w = p->w + (size_t)r * p->s.n_in;
            const float *x = p->x + t * p->x_stride;
            double want = accumulate ? (t + r) % 7 : 0, magnitude = 7;
            for (uint32_t i = 0; i < p->s.n_in; i++) {
                want += w[i] * (double)x[i];
                magnitude += fabs(w[i] * (double)x[i]);
            }
            double bound = words_bound(w, x, p->s.n_in) + BOUND_C * EPSILON * magnitude;
            ew_check_near(y[t * out->y_stride + r], want, bound, what, t * (size_t)p->s.n_out + r);
        }
}

static void check_product(const struct ew_kernels *k, const struct ew_weight *w, const struct problem *p,
                          bool accumulate, bool exact) {
    struct product out = run_product(k, w, p, accumulate);
    char what[160];
    snprintf(what, sizeof what, "%s %s%s%s n_in=%u n_out=%u tokens=%u", ew_matmul_kernel_name(k, w, p->s.n_tokens),
             k->matmul->isa, exact ? " exact" : "", accumulate ? " accumulate" : "", p->s.n_in, p->s.n_out,
             p->s.n_tokens);
    const float *y = out.y.data;
    struct token *a = &(struct token){allocate(p->s.n_in * sizeof(double)), allocate(p->s.n_in / 32 * sizeof(double))};
    struct problem seen = *p; /* what kernels multiply */
    if (out.kind == EW_ACT_Q16) seen.w = round_to_words(p->w, p->s.n_out * (size_t)p->s.n_in);
    for (uint32_t t = 0; t < p->s.n_tokens; t++) {
        prepare_token(&out, p, t, a);
        for (uint32_t r = 0; r < p->s.n_out; r++) {
            double magnitude, want = exact_dot(&seen, a, r, &magnitude);
            if (accumulate) want += (double)start_value(p, t, r);
            double bound = exact ? 0 : BOUND_C * EPSILON * (magnitude + 7);
            ew_check_near(y[t * out.y_stride + r], want, bound, what, t * (size_t)p->s.n_out + r);
        }
        uint32_t pattern;
        for (uint32_t r = p->s.n_out; r < out.y_stride && t + 1 < p->s.n_tokens; r++) {
            memcpy(&pattern, &y[t * out.y_stride + r], sizeof pattern);
            ew_check_true(pattern == 0xa5a5a5a5u, what);
        }
    }
    if (out.kind == EW_ACT_Q16) check_words(p, &out, accumulate, what);
    ew_check_guards(&out.y, what);
    ew_check_guards(&out.scratch, what);
    free(a->x);
    free(a->total);
    if (seen.w != p->w) free(seen.w);
    free_product(&out);
}

/* What speculation relies on: a token's results do not tell how many others were computed with it. */
static void check_exact_tokens(const struct ew_kernels *k, const struct ew_weight *w, const struct problem *p,
                               bool accumulate) {
    const size_t row = p->s.n_out * sizeof(float);
    char what[160];
    snprintf(what, sizeof what, "%s %s%s as one token, n_in=%u n_out=%u tokens=%u",
             ew_matmul_kernel_name(k, w, p->s.n_tokens), k->matmul->isa, accumulate ? " accumulate" : "", p->s.n_in,
             p->s.n_out, p->s.n_tokens);
    ew_check_true(ew_matmul_exact_tokens(k, w) >= EW_GEMV_TOKENS, what);
    if (p->s.n_tokens > ew_matmul_exact_tokens(k, w)) return;
    struct product all = run_product(k, w, p, accumulate);
    for (uint32_t t = 0; t < p->s.n_tokens; t++) {
        struct problem alone = *p;
        alone.s.n_tokens = 1;
        alone.x += t * p->x_stride;
        alone.first_token = t;
        struct product one = run_product(k, w, &alone, accumulate);
        ew_check_true(!memcmp((const float *)all.y.data + t * all.y_stride, one.y.data, row), what);
        free_product(&one);
    }
    free_product(&all);
}

static void check_few_tokens(const struct ew_kernels *k, enum ew_type type, uint32_t n_in) {
    static const uint32_t counts[] = {2, 3, 5, EW_GEMV_TOKENS, 41};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct problem p = make_problem(type, (struct shape){n_in, 39, counts[i]}, false, counts[i] * 97u + type);
        check_exact_tokens(k, &p.rows, &p, i % 2);
        if (ew_matmul_can_pack(k, type)) {
            struct ew_weight packed;
            void *memory = pack(k, &p.rows, &packed);
            check_exact_tokens(k, &packed, &p, i % 2);
            free(memory);
        }
        free_problem(&p);
    }
}

static void check_both_layouts(const struct ew_kernels *k, enum ew_type type, struct shape s, bool exact) {
    struct problem p = make_problem(type, s, exact, s.n_in * 7919u + s.n_out * 31u + s.n_tokens + (uint64_t)type);
    check_product(k, &p.rows, &p, s.n_tokens % 2, exact);
    if (ew_matmul_can_pack(k, type)) {
        struct ew_weight packed;
        void *memory = pack(k, &p.rows, &packed);
        check_product(k, &packed, &p, s.n_tokens % 2, exact);
        free(memory);
    }
    free_problem(&p);
}

static void put_float(const struct problem *p, uint32_t row, uint32_t col, float value) {
    size_t at = (size_t)row * p->s.n_in + col;
    uint16_t half = p->rows.type == EW_TYPE_F16 ? ew_f32_to_f16(value) : ew_f32_to_bf16(value);
    if (p->rows.type == EW_TYPE_F32)
        memcpy((char *)p->weight_memory.data + 4 * at, &value, 4);
    else
        memcpy((char *)p->weight_memory.data + 2 * at, &half, 2);
}

/* An infinity or a NaN on either side spoils the outputs that it takes part in, and no others. */
static void check_not_finite(const struct ew_kernels *k, enum ew_type type, uint32_t n_tokens) {
    struct problem p = make_problem(type, (struct shape){544, 37, n_tokens}, false, n_tokens * 131u + type);
    const bool several = n_tokens > 3;
    put_float(&p, 3, 40, INFINITY);
    put_float(&p, 20, 543, -INFINITY);
    put_float(&p, 36, 2, NAN);
    if (several) p.x[2 * p.x_stride + 33] = NAN;
    if (several) p.x[3 * p.x_stride + 530] = -INFINITY;
    struct product out = run_product(k, &p.rows, &p, false);
    const float *y = out.y.data;
    char what[96];
    snprintf(what, sizeof what, "%s with infinities and NaN", ew_matmul_kernel_name(k, &p.rows, n_tokens));
    for (uint32_t t = 0; t < n_tokens; t++)
        for (uint32_t r = 0; r < p.s.n_out; r++) {
            bool spoilt = r == 3 || r == 20 || r == 36 || (several && (t == 2 || t == 3));
            ew_check_true(!isfinite(y[t * out.y_stride + r]) == spoilt, what);
        }
    ew_check_guards(&out.y, what);
    free_product(&out);
    free_problem(&p);
}

/* Floats meet up to 16 tokens in one way and more in another, all remainders of tiles among them. */
static void check_float_type(const struct ew_kernels *k, enum ew_type type) {
    for (uint32_t t = 18; t <= 29; t++) {
        check_both_layouts(k, type, (struct shape){t % 3 * 512 + 32 * (t % 5 + 1), 16 + t % 4 * 15, t}, false);
        check_both_layouts(k, type, (struct shape){t % 2 * 512 + 96, 16 + t % 4 * 15, t}, true);
    }
    check_not_finite(k, type, 1);
    check_not_finite(k, type, 16);
    check_not_finite(k, type, 23);
}

/* n_in: one block, block ± 1 around the records of 256 and 512 columns, several records. */
static void check_type(const struct ew_kernels *k, enum ew_type type) {
    uint32_t unit = ew_type_traits(type)->block_elems == 256 ? 256 : 32;
    uint32_t lengths[] = {unit, 512 - unit, 512, 512 + unit, 1024 + 2 * unit};
    uint32_t rows[] = {1, 15, 16, 17, 33, 64, 100};
    for (uint32_t i = 0; i < 7; i++) check_packing(k, type, lengths[i % 5] ? lengths[i % 5] : unit, rows[i]);
    for (uint32_t t = 1; t <= 24; t++) {
        check_both_layouts(k, type, (struct shape){lengths[t % 5] ? lengths[t % 5] : unit, rows[t % 7], t}, false);
        check_both_layouts(k, type, (struct shape){lengths[t % 3] ? lengths[t % 3] : unit, rows[(t + 3) % 7], t}, true);
    }
    for (uint32_t i = 0; i < 5; i++)
        for (uint32_t j = 0; j < 7; j++) {
            check_both_layouts(k, type, (struct shape){lengths[i], rows[j], 1}, false);
            check_both_layouts(k, type, (struct shape){lengths[i], rows[j], 7}, false);
        }
    check_both_layouts(k, type, (struct shape){512 + unit, 65, 64}, false);
    check_both_layouts(k, type, (struct shape){768, 33, 512}, false);
    check_both_layouts(k, type, (struct shape){256, 17, 515}, false);
    check_few_tokens(k, type, 1024 + 2 * unit);
}

static void check_variant(const char *isa, uint64_t needs, uint32_t share, uint32_t n_shares) {
    if (!ew_check_wants(isa)) return;
    if ((ew_cpu_features() & needs) != needs) {
        printf("skipped: this processor lacks what %s needs\n", isa);
        return;
    }
    struct ew_kernels k;
    ew_kernels_init(&k, needs);
    ew_check_true(!strcmp(k.matmul->isa, isa), isa);
    check_activations(&k, 32, 1);
    check_activations(&k, 544, 3);
    check_activations(&k, 2048, 2);
    for (uint32_t i = share - 1; i < N_TYPES; i += n_shares) {
        check_type(&k, types[i]);
        if (ew_type_traits(types[i])->block_elems == 1) check_float_type(&k, types[i]);
    }
}

/* check_matmul [SHARE SHARES]: each share has some of the types, so that several cores can work. */
int main(int argc, char **argv) {
    uint32_t share = argc == 3 ? (uint32_t)atoi(argv[1]) : 1, n_shares = argc == 3 ? (uint32_t)atoi(argv[2]) : 1;
    if (share < 1 || share > n_shares) return 2;
#define CHECK(isa_, needs_) check_variant(#isa_, needs_, share, n_shares);
    EW_MATMUL_VARIANTS(CHECK)
    return ew_check_finish();
}
