/* Owns the matrix-vector products of quantized weights for AVX-512 with VNNI: weights are multiplied as they are decoded,
 * for one token or for a few that share the decoding. Decoding is in decode_avx512.h, many tokens in
 * matmul_avx512vnni.c. */
#include "kernel/x86/gemv_avx512vnni.h"

#include "kernel/x86/decode_avx512.h"

enum { TOKENS = EW_GEMV_TOKENS_AVX512VNNI };

struct gemv_state {
    __m512 acc[TOKENS];
    const struct ew_act_q8 *x[TOKENS]; /* records of the current columns */
    int n_tokens, bias_shift;          /* bias = 128 >> bias_shift */
};

EW_INLINE __m512i dot_columns(__m512i sum, const struct ew_group512 *w, const int8_t *x, int begin, int end) {
#pragma GCC unroll 8
    for (int j = begin; j < end; j++) sum = _mm512_dpbusd_epi32(sum, w->q[j], broadcast_bytes(x + 4 * j));
    return sum;
}

EW_INLINE void emit_gemv(void *state, uint32_t g, const struct ew_group512 *w) {
    struct gemv_state *s = state;
#pragma GCC unroll 4
    for (int t = 0; t < s->n_tokens; t++) {
        const struct ew_act_q8 *x = s->x[t];
        __m512i sum = _mm512_set1_epi32(x->sum32[g] >> s->bias_shift);
        sum = dot_columns(sum, w, x->q + g * EW_ACT_GROUP, 0, 8);
        __m512 both = _mm512_mul_ps(w->scale[0], _mm512_set1_ps(x->d[g]));
        s->acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), both, s->acc[t]);
    }
}

EW_INLINE void emit_gemv_min(void *state, uint32_t g, const struct ew_group512 *w) {
    struct gemv_state *s = state;
#pragma GCC unroll 4
    for (int t = 0; t < s->n_tokens; t++) {
        const struct ew_act_q8 *x = s->x[t];
        __m512i sum = dot_columns(_mm512_setzero_si512(), w, x->q + g * EW_ACT_GROUP, 0, 8);
        __m512 both = _mm512_mul_ps(w->scale[0], _mm512_set1_ps(x->d[g]));
        s->acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), both, s->acc[t]);
        s->acc[t] = _mm512_fnmadd_ps(w->min, _mm512_set1_ps(x->ds[g]), s->acc[t]);
    }
}

EW_INLINE void emit_gemv_16(void *state, uint32_t g, const struct ew_group512 *w) {
    struct gemv_state *s = state;
#pragma GCC unroll 4
    for (int t = 0; t < s->n_tokens; t++) {
        const struct ew_act_q8 *x = s->x[t];
        __m512i low = _mm512_set1_epi32(x->sum16[2 * g] >> s->bias_shift);
        __m512i high = _mm512_set1_epi32(x->sum16[2 * g + 1] >> s->bias_shift);
        low = dot_columns(low, w, x->q + g * EW_ACT_GROUP, 0, 4);
        high = dot_columns(high, w, x->q + g * EW_ACT_GROUP, 4, 8);
        __m512 sum = _mm512_mul_ps(_mm512_cvtepi32_ps(low), w->scale[0]);
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), w->scale[1], sum);
        s->acc[t] = _mm512_fmadd_ps(sum, _mm512_set1_ps(x->d[g]), s->acc[t]);
    }
}

EW_INLINE void gemv_rows(const struct ew_gemv_args *a, uint32_t type, enum ew_layout layout, ew_decode512 *decode,
                         ew_emit512 *emit, int bias_shift, int n_tokens) {
    uint8_t tail[TAIL_BYTES];
    const uint32_t n_real = n_tokens == 1 ? 1 : a->n_tokens;
    for (uint32_t row = a->row_begin; row < a->row_end; row += 16) {
        __mmask16 mask = lanes_below(a->row_end - row);
        struct gemv_state s = {.n_tokens = n_tokens, .bias_shift = bias_shift};
        float *y[TOKENS];
        for (uint32_t t = 0; t < (uint32_t)n_tokens; t++) {
            uint32_t real = t < n_real ? t : n_real - 1;
            s.x[t] = (const struct ew_act_q8 *)a->act + real;
            y[t] = a->y + real * a->y_stride + row;
            s.acc[t] = a->accumulate ? _mm512_maskz_loadu_ps(mask, y[t]) : _mm512_setzero_ps();
        }
        for (uint32_t col = 0; col < a->w->n_in; col += EW_ACT_Q8_COLS) {
            uint32_t n_cols = a->w->n_in - col < EW_ACT_Q8_COLS ? a->w->n_in - col : EW_ACT_Q8_COLS;
            struct ew_rows512 src = rows_at(a->w, type, layout, row, a->row_end - row, col, n_cols, tail);
            decode(src, n_cols, emit, &s);
            for (int t = 0; t < n_tokens; t++) s.x[t] += n_real;
        }
        for (int t = 0; t < n_tokens; t++) _mm512_mask_storeu_ps(y[t], mask, s.acc[t]);
    }
}

/* One token, or several: missing ones repeat the last. */
#define GEMV(name_, type_, layout_, decode_, suffix_, shift_)                                                          \
    void ew_gemv_##name_##_q8_avx512vnni(const struct ew_gemv_args *a) {                                               \
        if (a->n_tokens == 1) gemv_rows(a, type_, layout_, decode_, emit_gemv##suffix_, shift_, 1);                    \
        else gemv_rows(a, type_, layout_, decode_, emit_gemv##suffix_, shift_, TOKENS);                                \
    }
#define GEMV_BOTH(name_, type_, decode_, suffix_, shift_)                                                              \
    GEMV(name_, type_, EW_LAYOUT_ROWS, decode_, suffix_, shift_)                                                       \
    GEMV(name_##_r16, type_, EW_LAYOUT_R16, decode_, suffix_, shift_)

GEMV_BOTH(q4_0, EW_TYPE_Q4_0, decode_q4_0, , 4)
GEMV_BOTH(q8_0, EW_TYPE_Q8_0, decode_q8_0, , 0)
GEMV_BOTH(q4_k, EW_TYPE_Q4_K, decode_q4_k, _min, 0)
GEMV_BOTH(q5_k, EW_TYPE_Q5_K, decode_q5_k, _min, 0)
GEMV_BOTH(q6_k, EW_TYPE_Q6_K, decode_q6_k, _16, 2)
