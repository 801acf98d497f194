/* Matrix-vector products of quantized weights, for any lanes_….h: weights are multiplied as they are decoded, for one
 * token or for a few that meet the decoded group one after the other. Floats are added in the same order for each of
 * them, however many there are, and in the order of the tile kernels. EW_ISA names the variant. Many tokens:
 * quant_gemm_body.h. */
#ifndef EW_ISA
#error "include after a lanes_….h, with EW_ISA defined"
#endif

#include "kernel/x86/decode_body.h"
#include "kernel/x86/quant_gemv.h"

enum { TOKENS = EW_GEMV_TOKENS, SETS = 16 / LANES };

struct gemv_state {
    vfloat acc[TOKENS];
    const struct ew_act_q8 *x; /* record of the first token for the current columns; those of the others follow */
    int n_tokens, bias_shift;  /* bias = 128 >> bias_shift */
};

EW_INLINE vint dot_columns(vint sum, const struct ew_group *w, const int8_t *x, int begin, int end) {
#pragma GCC unroll 4
    for (int j = begin; j < end; j += 2)
        sum = v_dot_pair(sum, w->q[j], broadcast_bytes(x + 4 * j), w->q[j + 1], broadcast_bytes(x + 4 * j + 4));
    return sum;
}

EW_INLINE vint dot_signed_columns(const struct ew_group *w, const int8_t *x) {
    vint sum = v_zero();
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) sum = v_dot_signed(sum, w->q[j], broadcast_bytes(x + 4 * j));
    return sum;
}

EW_INLINE void add_scaled(vfloat *acc, const struct ew_act_q8 *x, vint sum, uint32_t g, const struct ew_group *w) {
    *acc = vf_fma(v_to_float(sum), vf_mul(w->scale[0], vf_set(x->d[g])), *acc);
}

EW_INLINE vint biased_start(const int32_t *sum, int bias_shift) {
    return v_shift_right_signed(v_set_32(*sum), (unsigned)bias_shift);
}

EW_INLINE void emit_gemv(void *state, uint32_t g, const struct ew_group *w) {
    struct gemv_state *s = state;
    const struct ew_act_q8 *x = s->x;
    for (int t = 0; t < s->n_tokens; t++, x++) {
        vint sum = biased_start(&x->sum32[g], s->bias_shift);
        add_scaled(&s->acc[t], x, dot_columns(sum, w, x->q + g * EW_ACT_GROUP, 0, 8), g, w);
    }
}

EW_INLINE void emit_gemv_q8(void *state, uint32_t g, const struct ew_group *w) {
    struct gemv_state *s = state;
    const struct ew_act_q8 *x = s->x;
    if (WIDE_BYTES) {
        emit_gemv(state, g, w);
        return;
    }
    for (int t = 0; t < s->n_tokens; t++, x++)
        add_scaled(&s->acc[t], x, dot_signed_columns(w, x->q + g * EW_ACT_GROUP), g, w);
}

EW_INLINE void emit_gemv_min(void *state, uint32_t g, const struct ew_group *w) {
    struct gemv_state *s = state;
    const struct ew_act_q8 *x = s->x;
    for (int t = 0; t < s->n_tokens; t++, x++) {
        vfloat acc = s->acc[t];
        add_scaled(&acc, x, dot_columns(v_zero(), w, x->q + g * EW_ACT_GROUP, 0, 8), g, w);
        s->acc[t] = vf_fnma(w->min[0], vf_set(x->ds[g]), acc);
    }
}

/* One scale, a minimum per 16 columns. */
EW_INLINE void emit_gemv_min_16(void *state, uint32_t g, const struct ew_group *w) {
    struct gemv_state *s = state;
    const struct ew_act_q8 *x = s->x;
    for (int t = 0; t < s->n_tokens; t++, x++) {
        const float part = x->d[g] / 128; /* of sums that are -128 Σ q */
        vfloat acc = s->acc[t];
        add_scaled(&acc, x, dot_columns(v_zero(), w, x->q + g * EW_ACT_GROUP, 0, 8), g, w);
        acc = vf_fma(w->min[0], vf_set(part * (float)x->sum16[2 * g]), acc);
        s->acc[t] = vf_fma(w->min[1], vf_set(part * (float)x->sum16[2 * g + 1]), acc);
    }
}

EW_INLINE void emit_gemv_16(void *state, uint32_t g, const struct ew_group *w) {
    struct gemv_state *s = state;
    const struct ew_act_q8 *x = s->x;
    for (int t = 0; t < s->n_tokens; t++, x++) {
        vint low = biased_start(&x->sum16[2 * g], s->bias_shift);
        vint high = biased_start(&x->sum16[2 * g + 1], s->bias_shift);
        low = dot_columns(low, w, x->q + g * EW_ACT_GROUP, 0, 4);
        high = dot_columns(high, w, x->q + g * EW_ACT_GROUP, 4, 8);
        vfloat sum = vf_mul(v_to_float(low), w->scale[0]);
        sum = vf_fma(v_to_float(high), w->scale[1], sum);
        s->acc[t] = vf_fma(sum, vf_set(x->d[g]), s->acc[t]);
    }
}

/* 16 rows. n_tokens is a constant 1, whose sums then stay in registers, or any number up to TOKENS. */
EW_INLINE void gemv_16_rows(const struct ew_gemv_args *a, struct ew_place at, ew_decode *decode, ew_emit *emit,
                            int bias_shift, int n_tokens) {
    uint8_t tail[TAIL_BYTES];
    struct gemv_state s[SETS];
    for (uint32_t h = 0; h < SETS; h++) {
        const uint32_t first = h * LANES, n = at.n_rows > first ? at.n_rows - first : 0;
        s[h].x = a->act;
        s[h].n_tokens = n_tokens;
        s[h].bias_shift = bias_shift;
#pragma GCC unroll 1
        for (int t = 0; t < n_tokens; t++)
            s[h].acc[t] = a->accumulate ? vf_load_first(a->y + (size_t)t * a->y_stride + at.row + first, n) : vf_zero();
    }
    for (at.col = 0; at.col < a->w->n_in; at.col += EW_ACT_Q8_COLS) {
        at.n_cols = a->w->n_in - at.col < EW_ACT_Q8_COLS ? a->w->n_in - at.col : EW_ACT_Q8_COLS;
        for (uint32_t h = 0; h < SETS; h++) {
            at.lane = h * LANES;
            decode(rows_at(a->w, at, tail), at.n_cols, emit, &s[h]);
            s[h].x += n_tokens;
        }
    }
    for (uint32_t h = 0; h < SETS; h++) {
        const uint32_t first = h * LANES, n = at.n_rows > first ? at.n_rows - first : 0;
#pragma GCC unroll 1
        for (int t = 0; t < n_tokens; t++)
            vf_store_first(a->y + (size_t)t * a->y_stride + at.row + first, n, s[h].acc[t]);
    }
}

EW_INLINE void gemv_rows(const struct ew_gemv_args *a, uint32_t type, enum ew_layout layout, ew_decode *decode,
                         ew_emit *emit, int bias_shift, int n_tokens) {
    for (uint32_t row = a->row_begin; row < a->row_end; row += 16) {
        struct ew_place at = {.type = type, .layout = layout, .row = row, .n_rows = a->row_end - row};
        gemv_16_rows(a, at, decode, emit, bias_shift, n_tokens);
    }
}

#define GEMV_OF(name_, isa_, type_, layout_, decode_, emit_, shift_)                                                   \
    void ew_gemv_##name_##_q8_##isa_(const struct ew_gemv_args *a) {                                                   \
        if (a->n_tokens == 1)                                                                                          \
            gemv_rows(a, type_, layout_, decode_, emit_, shift_, 1);                                                   \
        else                                                                                                           \
            gemv_rows(a, type_, layout_, decode_, emit_, shift_, (int)a->n_tokens);                                    \
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
