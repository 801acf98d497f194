/* Owns activations of every kind and the products of F32, F16 and BF16 weights for NEON as every ARMv8.0 has it. */
#include "kernel/arm/matmul_neon_float.h"
#include "kernel/act_q8.h"

#include "gguf/tensor_type.h"

#include <arm_neon.h>
#include <assert.h>
#include <string.h>

enum { ROWS = EW_PANEL_ROWS_F32_NEON, TILE_TOKENS = 4 };

/* ---- activations ---- */

static inline float32x4_t max4(const float32x4_t v[8]) {
    float32x4_t a = vmaxnmq_f32(vabsq_f32(v[0]), vabsq_f32(v[1])), b = vmaxnmq_f32(vabsq_f32(v[2]), vabsq_f32(v[3]));
    float32x4_t c = vmaxnmq_f32(vabsq_f32(v[4]), vabsq_f32(v[5])), d = vmaxnmq_f32(vabsq_f32(v[6]), vabsq_f32(v[7]));
    return vmaxnmq_f32(vmaxnmq_f32(a, b), vmaxnmq_f32(c, d));
}

static inline int16x8_t round_to_s16(float32x4_t a, float32x4_t b, float inverse) {
    int32x4_t ia = vcvtnq_s32_f32(vmulq_n_f32(a, inverse)), ib = vcvtnq_s32_f32(vmulq_n_f32(b, inverse));
    return vmaxq_s16(vcombine_s16(vqmovn_s32(ia), vqmovn_s32(ib)), vdupq_n_s16(-127));
}

static void quantize_group(const float *x, struct ew_act_q8 *rec, uint32_t g) {
    float32x4_t v[8];
    for (int i = 0; i < 8; i++) v[i] = vld1q_f32(x + 4 * i);
    float amax = vmaxvq_f32(max4(v));
    float inverse = amax > 0 ? 127.0f / amax : 0;
    int8x16_t q[2];
    for (int i = 0; i < 2; i++) {
        int16x8_t low = round_to_s16(v[4 * i], v[4 * i + 1], inverse);
        int16x8_t high = round_to_s16(v[4 * i + 2], v[4 * i + 3], inverse);
        q[i] = vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
        vst1q_s8(rec->q + g * EW_ACT_GROUP + 16 * i, q[i]);
    }
    int sum[2] = {vaddlvq_s8(q[0]), vaddlvq_s8(q[1])};
    ew_act_q8_finish_group(rec, g, amax, sum[0], sum[1]);
}

void ew_act_prepare_q8_neon(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                            uint32_t token_end, void *act) {
    ew_act_q8_prepare(n_in, n_tokens, x, x_stride, token_begin, token_end, act, quantize_group);
}

void ew_act_prepare_f32_neon(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                             uint32_t token_end, void *act) {
    struct ew_act_f32 *out = act;
    for (uint32_t t = token_begin; t < token_end; t++) {
        for (uint32_t i = 0; i < n_in; i += EW_ACT_F32_COLS) {
            uint32_t n = n_in - i < EW_ACT_F32_COLS ? n_in - i : EW_ACT_F32_COLS;
            memcpy(out[(size_t)(i / EW_ACT_F32_COLS) * n_tokens + t].x, x + t * x_stride + i, n * sizeof *x);
        }
    }
}

/* ---- weights ---- */

/* Four weights of a row, wherever they lie. */
typedef float32x4_t load4_fn(const uint8_t *p);

static inline float32x4_t load4_f32(const uint8_t *p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
static inline float32x4_t load4_f16(const uint8_t *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
static inline float32x4_t load4_bf16(const uint8_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

/* Panel: [n_cols][16 rows]. Rows beyond n_rows repeat the last one; their results are not stored. */
static inline __attribute__((always_inline)) void unpack_float(const struct ew_weight *w, uint32_t row, uint32_t n_rows,
                                                               uint32_t col, uint32_t n_cols, float *panel, size_t size,
                                                               load4_fn *load4) {
    size_t row_bytes = w->n_in * size;
    const uint8_t *first = (const uint8_t *)w->data + row * row_bytes + col * size;
    for (uint32_t r = 0; r < n_rows; r += 4) {
        const uint8_t *p[4];
        for (uint32_t i = 0; i < 4; i++) p[i] = first + (r + i < n_rows ? r + i : n_rows - 1) * row_bytes;
        for (uint32_t c = 0; c < n_cols; c += 4) {
            float32x4_t a = load4(p[0] + c * size), b = load4(p[1] + c * size);
            float32x4_t d = load4(p[2] + c * size), e = load4(p[3] + c * size);
            float64x2_t ab0 = vreinterpretq_f64_f32(vtrn1q_f32(a, b)), ab1 = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
            float64x2_t de0 = vreinterpretq_f64_f32(vtrn1q_f32(d, e)), de1 = vreinterpretq_f64_f32(vtrn2q_f32(d, e));
            float *to = panel + (size_t)c * ROWS + r;
            vst1q_f32(to, vreinterpretq_f32_f64(vtrn1q_f64(ab0, de0)));
            vst1q_f32(to + ROWS, vreinterpretq_f32_f64(vtrn1q_f64(ab1, de1)));
            vst1q_f32(to + 2 * ROWS, vreinterpretq_f32_f64(vtrn2q_f64(ab0, de0)));
            vst1q_f32(to + 3 * ROWS, vreinterpretq_f32_f64(vtrn2q_f64(ab1, de1)));
        }
    }
}

static_assert(ROWS * EW_ACT_F32_COLS * sizeof(float) <= EW_PANEL_BYTES, "panel fits");

void ew_unpack_float_neon(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                          void *panel) {
    switch (w->type) {
    case EW_TYPE_F32: unpack_float(w, row, n_rows, col, n_cols, panel, 4, load4_f32); break;
    case EW_TYPE_F16: unpack_float(w, row, n_rows, col, n_cols, panel, 2, load4_f16); break;
    default: unpack_float(w, row, n_rows, col, n_cols, panel, 2, load4_bf16); break;
    }
}

/* ---- products ---- */

#define COLUMN_STEP(lane_)                                                                                             \
    _Pragma("GCC unroll 4") for (int r = 0; r < 4; r++) {                                                              \
        float32x4_t w = vld1q_f32(panel + (c + (lane_)) * ROWS + 4 * r);                                               \
        _Pragma("GCC unroll 4") for (int t = 0; t < TILE_TOKENS; t++) sum[t][r] =                                      \
            vfmaq_laneq_f32(sum[t][r], w, v[t], lane_);                                                                \
    }

/* 16 rows x 4 tokens in registers: unrolled by order, and summed apart from y, which gcc would keep in memory. */
static inline void tile_f32_block(const float *panel, uint32_t n_cols, const float *const x[TILE_TOKENS],
                                  float32x4_t y[TILE_TOKENS][4]) {
    float32x4_t sum[TILE_TOKENS][4] = {{vdupq_n_f32(0)}};
    for (size_t c = 0; c < n_cols; c += 4) {
        float32x4_t v[TILE_TOKENS];
#pragma GCC unroll 4
        for (int t = 0; t < TILE_TOKENS; t++) v[t] = vld1q_f32(x[t] + c);
        COLUMN_STEP(0)
        COLUMN_STEP(1)
        COLUMN_STEP(2)
        COLUMN_STEP(3)
    }
    memcpy(y, sum, sizeof sum);
}
#undef COLUMN_STEP

void ew_tile_f32_neon(const struct ew_tile_args *a) {
    const struct ew_act_f32 *act = a->act;
    for (uint32_t token = 0; token < a->n_tokens; token += TILE_TOKENS) {
        const float *x[TILE_TOKENS]; /* the last block repeats its last token */
        uint32_t n = a->n_tokens - token < TILE_TOKENS ? a->n_tokens - token : TILE_TOKENS;
        for (uint32_t t = 0; t < TILE_TOKENS; t++) x[t] = act[token + (t < n ? t : n - 1)].x;
        float32x4_t y[TILE_TOKENS][4];
        tile_f32_block(a->panel, a->n_cols, x, y);
        for (uint32_t t = 0; t < n; t++) {
            const float *in = a->in ? a->in + (token + t) * a->in_stride : NULL;
            float *out = a->out + (token + t) * a->out_stride, value[ROWS];
            for (int r = 0; r < 4; r++) vst1q_f32(value + 4 * r, y[t][r]);
            for (uint32_t r = 0; r < a->n_rows; r++) out[r] = in ? in[r] + value[r] : value[r];
        }
    }
}

/* Four rows at once share the loads of the activations; the last rows repeat the last one. n_tokens is a constant 1,
 * whose sums stay in registers, or any number, each of which is summed in the same order. */
static inline __attribute__((always_inline)) void gemv_float_tokens(const struct ew_gemv_args *a, size_t size,
                                                                    load4_fn *load4, uint32_t n_tokens) {
    const struct ew_weight *w = a->w;
    size_t row_bytes = w->n_in * size;
    for (uint32_t row = a->row_begin; row < a->row_end; row += 4) {
        uint32_t n = a->row_end - row < 4 ? a->row_end - row : 4;
        const uint8_t *p[4];
        float32x4_t sum[EW_GEMV_TOKENS][4];
        for (uint32_t i = 0; i < 4; i++) p[i] = (const uint8_t *)w->data + (row + (i < n ? i : n - 1)) * row_bytes;
        for (uint32_t t = 0; t < n_tokens; t++)
            for (int i = 0; i < 4; i++) sum[t][i] = vdupq_n_f32(0);
        for (uint32_t c = 0; c < w->n_in; c += 4) {
            const struct ew_act_f32 *rec = (const struct ew_act_f32 *)a->act + c / EW_ACT_F32_COLS * n_tokens;
            float32x4_t q[4];
            for (int i = 0; i < 4; i++) q[i] = load4(p[i] + c * size);
            for (uint32_t t = 0; t < n_tokens; t++) {
                float32x4_t x = vld1q_f32(rec[t].x + c % EW_ACT_F32_COLS);
                for (int i = 0; i < 4; i++) sum[t][i] = vfmaq_f32(sum[t][i], q[i], x);
            }
        }
        for (uint32_t t = 0; t < n_tokens; t++)
            for (uint32_t i = 0; i < n; i++) {
                float *y = a->y + t * a->y_stride + row + i;
                *y = (a->accumulate ? *y : 0) + vaddvq_f32(sum[t][i]);
            }
    }
}

static inline __attribute__((always_inline)) void gemv_float(const struct ew_gemv_args *a, size_t size,
                                                             load4_fn *load4) {
    if (a->n_tokens == 1)
        gemv_float_tokens(a, size, load4, 1);
    else
        gemv_float_tokens(a, size, load4, a->n_tokens);
}

void ew_gemv_f32_neon(const struct ew_gemv_args *a) { gemv_float(a, 4, load4_f32); }
void ew_gemv_f16_neon(const struct ew_gemv_args *a) { gemv_float(a, 2, load4_f16); }
void ew_gemv_bf16_neon(const struct ew_gemv_args *a) { gemv_float(a, 2, load4_bf16); }
