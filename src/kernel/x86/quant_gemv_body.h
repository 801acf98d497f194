/* Matrix-vector products of quantized weights, for any lanes_….h: weights are multiplied as they are decoded, for one
 * token or for four that share the decoding. Each token's floats are added in the same order, however many tokens there
 * are, and in the order of the tile kernels. EW_ISA names the variant. Many tokens: quant_gemm_body.h. */
#ifndef EW_ISA
#error "include after a lanes_….h, with EW_ISA defined"
#endif

#include "kernel/x86/decode_body.h"
#include "kernel/x86/quant_gemv.h"

/* Tokens that meet a decoded group at once: their sums stay in registers and grow side by side. */
enum { PASS_TOKENS = 4, SETS = 16 / LANES };

struct gemv_state {
    vfloat acc[PASS_TOKENS];
    const struct ew_act_q8 *x[PASS_TOKENS]; /* records of the current columns */
    int n_tokens, bias_shift;               /* n_tokens: a constant; bias = 128 >> bias_shift */
};

/* sum[t] += columns [4 begin, 4 end) of a group, for n tokens. */
EW_INLINE void dot_columns(vint *sum, const struct ew_group *w, const struct ew_act_q8 *const *x, uint32_t g, int begin,
                           int end, int n) {
#pragma GCC unroll 4
    for (int j = begin; j < end; j += 2) {
#pragma GCC unroll 4
        for (int t = 0; t < n; t++) {
            const int8_t *q = x[t]->q + g * EW_ACT_GROUP + 4 * j;
            sum[t] = v_dot_pair(sum[t], w->q[j], broadcast_bytes(q), w->q[j + 1], broadcast_bytes(q + 4));
        }
    }
}

EW_INLINE vint dot_signed_columns(const struct ew_group *w, const int8_t *x) {
    vint sum = v_zero();
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) sum = v_dot_signed(sum, w->q[j], broadcast_bytes(x + 4 * j));
    return sum;
}

EW_INLINE vfloat add_scaled(vfloat acc, const struct ew_act_q8 *x, vint sum, uint32_t g, const struct ew_group *w) {
    return vf_fma(v_to_float(sum), vf_mul(w->scale[0], vf_set(x->d[g])), acc);
}

EW_INLINE vint biased_start(const int32_t *sum, int bias_shift) {
    return v_shift_right_signed(v_set_32(*sum), (unsigned)bias_shift);
}

EW_INLINE void add_biased(vfloat *acc, const struct ew_act_q8 *const *x, uint32_t g, const struct ew_group *w,
                          int bias_shift, int n) {
    vint sum[PASS_TOKENS];
#pragma GCC unroll 4
    for (int t = 0; t < n; t++) sum[t] = biased_start(&x[t]->sum32[g], bias_shift);
    dot_columns(sum, w, x, g, 0, 8, n);
#pragma GCC unroll 4
    for (int t = 0; t < n; t++) acc[t] = add_scaled(acc[t], x[t], sum[t], g, w);
}

EW_INLINE void add_q8(vfloat *acc, const struct ew_act_q8 *const *x, uint32_t g, const struct ew_group *w,
                      int bias_shift, int n) {
    if (WIDE_BYTES)
        add_biased(acc, x, g, w, bias_shift, n);
    else
        for (int t = 0; t < n; t++)
            acc[t] = add_scaled(acc[t], x[t], dot_signed_columns(w, x[t]->q + g * EW_ACT_GROUP), g, w);
}

/* What quants without a bias add, minima apart. */
EW_INLINE void add_unbiased(vfloat *acc, const struct ew_act_q8 *const *x, uint32_t g, const struct ew_group *w,
                            int n) {
    vint sum[PASS_TOKENS];
#pragma GCC unroll 4
    for (int t = 0; t < n; t++) sum[t] = v_zero();
    dot_columns(sum, w, x, g, 0, 8, n);
#pragma GCC unroll 4
    for (int t = 0; t < n; t++) acc[t] = add_scaled(acc[t], x[t], sum[t], g, w);
}

EW_INLINE void add_with_min(vfloat *acc, const struct ew_act_q8 *const *x, uint32_t g, const struct ew_group *w,
                            int bias_shift, int n) {
    (void)bias_shift;
    add_unbiased(acc, x, g, w, n);
#pragma GCC unroll 4
    for (int t = 0; t < n; t++) acc[t] = vf_fnma(w->min[0], vf_set(x[t]->ds[g]), acc[t]);
}

/* One scale, a minimum per 16 columns. */
EW_INLINE void add_with_min_16(vfloat *acc, const struct ew_act_q8 *const *x, uint32_t g, const struct ew_group *w,
                               int bias_shift, int n) {
    (void)bias_shift;
    add_unbiased(acc, x, g, w, n);
#pragma GCC unroll 4
    for (int t = 0; t < n; t++) {
        const float part = x[t]->d[g] / 128; /* of sums that are -128 Σ q */
        acc[t] = vf_fma(w->min[0], vf_set(part * (float)x[t]->sum16[2 * g]), acc[t]);
        acc[t] = vf_fma(w->min[1], vf_set(part * (float)x[t]->sum16[2 * g + 1]), acc[t]);
    }
}

EW_INLINE void add_16(vfloat *acc, const struct ew_act_q8 *const *x, uint32_t g, const struct ew_group *w,
                      int bias_shift, int n) {
    vint low[PASS_TOKENS], high[PASS_TOKENS];
#pragma GCC unroll 4
    for (int t = 0; t < n; t++) {
        low[t] = biased_start(&x[t]->sum16[2 * g], bias_shift);
        high[t] = biased_start(&x[t]->sum16[2 * g + 1], bias_shift);
    }
    dot_columns(low, w, x, g, 0, 4, n);
    dot_columns(high, w, x, g, 4, 8, n);
#pragma GCC unroll 4
    for (int t = 0; t < n; t++) {
        vfloat sum = vf_fma(v_to_float(high[t]), w->scale[1], vf_mul(v_to_float(low[t]), w->scale[0]));
        acc[t] = vf_fma(sum, vf_set(x[t]->d[g]), acc[t]);
    }
}

#define EMIT(name_, add_)                                                                                              \
    EW_INLINE void name_(void *state, uint32_t g, const struct ew_group *w) {                                          \
        struct gemv_state *s = state;                                                                                  \
        add_(s->acc, s->x, g, w, s->bias_shift, s->n_tokens);                                                          \
    }
EMIT(emit_gemv, add_biased)
EMIT(emit_gemv_q8, add_q8)
EMIT(emit_gemv_min, add_with_min)
EMIT(emit_gemv_min_16, add_with_min_16)
EMIT(emit_gemv_16, add_16)

/* One record of columns of LANES rows for n_tokens (a constant) tokens, of which n_real are wanted: the others repeat
 * the last. x: its record; the next tokens follow. */
EW_INLINE void gemv_pass(struct ew_rows rows, uint32_t n_cols, ew_decode *decode, ew_emit *emit, int bias_shift,
                         int n_tokens, uint32_t n_real, const struct ew_act_q8 *x, vfloat *sums) {
    struct gemv_state s = {.n_tokens = n_tokens, .bias_shift = bias_shift};
#pragma GCC unroll 4
    for (uint32_t t = 0; t < (uint32_t)n_tokens; t++) {
        uint32_t real = t < n_real ? t : n_real - 1;
        s.x[t] = x + real;
        s.acc[t] = sums[real];
    }
    decode(rows, n_cols, emit, &s);
    for (uint32_t t = 0; t < n_real; t++) sums[t] = s.acc[t];
}

/* 16 rows. Tokens beyond the first pass find a record's weights in the first-level cache and decode them again. */
EW_INLINE void gemv_16_rows(const struct ew_gemv_args *a, struct ew_place at, ew_decode *decode, ew_emit *emit,
                            int bias_shift) {
    uint8_t tail[TAIL_BYTES];
    vfloat sums[SETS][EW_GEMV_TOKENS];
    const struct ew_act_q8 *x = a->act;
    const uint32_t n_tokens = a->n_tokens;
    uint32_t n_rows[SETS];
    for (uint32_t h = 0; h < SETS; h++) {
        n_rows[h] = at.n_rows > h * LANES ? at.n_rows - h * LANES : 0;
        for (uint32_t t = 0; t < n_tokens; t++)
            sums[h][t] =
                a->accumulate ? vf_load_first(a->y + t * a->y_stride + at.row + h * LANES, n_rows[h]) : vf_zero();
    }
    for (at.col = 0; at.col < a->w->n_in; at.col += EW_ACT_Q8_COLS, x += n_tokens) {
        at.n_cols = a->w->n_in - at.col < EW_ACT_Q8_COLS ? a->w->n_in - at.col : EW_ACT_Q8_COLS;
        for (uint32_t t = 0; t < n_tokens; t += PASS_TOKENS) {
            const uint32_t n = n_tokens - t < PASS_TOKENS ? n_tokens - t : PASS_TOKENS;
            for (uint32_t h = 0; h < SETS; h++) {
                at.lane = h * LANES;
                struct ew_rows rows = rows_at(a->w, at, tail);
                if (t > 0) rows.ahead = NULL;
                if (n == 1)
                    gemv_pass(rows, at.n_cols, decode, emit, bias_shift, 1, 1, x + t, sums[h] + t);
                else
                    gemv_pass(rows, at.n_cols, decode, emit, bias_shift, PASS_TOKENS, n, x + t, sums[h] + t);
            }
        }
    }
    for (uint32_t h = 0; h < SETS; h++)
        for (uint32_t t = 0; t < n_tokens; t++)
            vf_store_first(a->y + t * a->y_stride + at.row + h * LANES, n_rows[h], sums[h][t]);
}

EW_INLINE void gemv_rows(const struct ew_gemv_args *a, uint32_t type, enum ew_layout layout, ew_decode *decode,
                         ew_emit *emit, int bias_shift) {
    for (uint32_t row = a->row_begin; row < a->row_end; row += 16) {
        struct ew_place at = {.type = type, .layout = layout, .row = row, .n_rows = a->row_end - row};
        gemv_16_rows(a, at, decode, emit, bias_shift);
    }
}

#define GEMV_OF(name_, isa_, type_, layout_, decode_, emit_, shift_)                                                   \
    void ew_gemv_##name_##_q8_##isa_(const struct ew_gemv_args *a) {                                                   \
        gemv_rows(a, type_, layout_, decode_, emit_, shift_);                                                          \
    }
#define GEMV_BOTH(name_, isa_, type_, decode_, emit_, shift_)                                                          \
    GEMV_OF(name_, isa_, type_, EW_LAYOUT_ROWS, decode_, emit_, shift_)                                                \
    GEMV_OF(name_##_r16, isa_, type_, EW_LAYOUT_R16, decode_, emit_, shift_)
#define GEMV_ALL(isa_)                                                                                                 \
    GEMV_BOTH(q4_0, isa_, EW_TYPE_Q4_0, decode_q4_0, emit_gemv, 4)                                                     \
    GEMV_BOTH(q4_1, isa_, EW_TYPE_Q4_1, decode_q4_1, emit_gemv_min, 0)                                                 \
    GEMV_BOTH(q5_0, isa_, EW_TYPE_Q5_0, decode_q5_0, emit_gemv, 3)                                                     \
    GEMV_BOTH(q5_1, isa_, EW_TYPE_Q5_1, decode_q5_1, emit_gemv_min, 0)                                                 \
    GEMV_BOTH(iq4_nl, isa_, EW_TYPE_IQ4_NL, decode_iq4_nl, emit_gemv_q8, 0)                                            \
    GEMV_BOTH(q2_k, isa_, EW_TYPE_Q2_K, decode_q2_k, emit_gemv_min_16, 0)                                              \
    GEMV_BOTH(q3_k, isa_, EW_TYPE_Q3_K, decode_q3_k, emit_gemv_16, 5)                                                  \
    GEMV_BOTH(iq4_xs, isa_, EW_TYPE_IQ4_XS, decode_iq4_xs, emit_gemv_q8, 0)                                            \
    GEMV_BOTH(q8_0, isa_, EW_TYPE_Q8_0, decode_q8_0, emit_gemv_q8, 0)                                                  \
    GEMV_BOTH(q4_k, isa_, EW_TYPE_Q4_K, decode_q4_k, emit_gemv_min, 0)                                                 \
    GEMV_BOTH(q5_k, isa_, EW_TYPE_Q5_K, decode_q5_k, emit_gemv_min, 0)                                                 \
    GEMV_BOTH(q6_k, isa_, EW_TYPE_Q6_K, decode_q6_k, emit_gemv_16, 2)

#define GEMV_ALL_OF(isa_) GEMV_ALL(isa_)
GEMV_ALL_OF(EW_ISA)
