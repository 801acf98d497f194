/* The integer matrix products of one ARM variant. Its translation unit defines NAME(text), which appends the variant's
 * name, and these primitives, includes a panel form (matmul_tile_quads.h or matmul_tile_pairs.h), and then this file.
 *
 *   dots                           sums of products of 4 rows, each over 4 columns at a time
 *   dots_start(start)              start: added to all four sums
 *   dots_step(s, w, a, u)          4 rows x 4 columns of w times 4u … 4u + 3 of the 16 activations a. |w| <= 63 for
 * four steps, |w| <= 32 for eight, between a start and its sum dots_step_wide(s, w, a, u)     the same for any w, any
 * number of times; u even and odd in turns dots_sum(s)                    int32x4_t, one lane per row dots_start_f32,
 * dots_sum_f32   a start and its sum as float32x4_t, exact dots_start_scaled()            starts a sum for dots_scaled
 * or dots_sum_f32 dots_scaled(s, scale, lift)    the sum times scale; lift: four values of the panel, -dots_origin *
 * scale line_dot(s, w, a)              16 columns of one row, summed into the four lanes of s
 *
 * Which kernels serve which type is in the table at the end. */
#ifndef EW_KERNEL_ARM_MATMUL_BODY_H
#define EW_KERNEL_ARM_MATMUL_BODY_H

#include "gguf/tensor_type.h"
#include "quant/iq4.h"
#include "quant/levels.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static inline float32x4_t load_halves(const void *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline int8x16_t low_nibbles(uint8x16_t w) { return vreinterpretq_s8_u8(vandq_u8(w, vdupq_n_u8(15))); }
static inline int8x16_t high_nibbles(uint8x16_t w) { return vreinterpretq_s8_u8(vshrq_n_u8(w, 4)); }

/* Puts in the bits of high that mask selects, after moving them left by shift (right where negative); low has none. */
static inline int8x16_t with_bits(int8x16_t low, uint8x16_t high, int shift, uint8_t mask) {
    uint8x16_t moved = shift ? vshlq_u8(high, vdupq_n_s8((int8_t)shift)) : high;
    return vreinterpretq_s8_u8(vbslq_u8(vdupq_n_u8(mask), moved, vreinterpretq_u8_s8(low)));
}

/* Table look-ups that bring byte i of each 32-bit lane to the lane's lowest or highest byte, the rest zero. */
static const uint8_t pick_low[4][16] = {{0, 99, 99, 99, 4, 99, 99, 99, 8, 99, 99, 99, 12, 99, 99, 99},
                                        {1, 99, 99, 99, 5, 99, 99, 99, 9, 99, 99, 99, 13, 99, 99, 99},
                                        {2, 99, 99, 99, 6, 99, 99, 99, 10, 99, 99, 99, 14, 99, 99, 99},
                                        {3, 99, 99, 99, 7, 99, 99, 99, 11, 99, 99, 99, 15, 99, 99, 99}};

/* 4 rows x 16 columns: wi has columns 4i … 4i + 3. */
static inline dots dots_quad(dots s, int8x16_t w0, int8x16_t w1, int8x16_t w2, int8x16_t w3, int8x16_t a) {
    return dots_step(dots_step(dots_step(dots_step(s, w0, a, 0), w1, a, 1), w2, a, 2), w3, a, 3);
}
static inline dots dots_quad_wide(dots s, int8x16_t w0, int8x16_t w1, int8x16_t w2, int8x16_t w3, int8x16_t a) {
    s = dots_step_wide(dots_step_wide(s, w0, a, 0), w1, a, 1);
    return dots_step_wide(dots_step_wide(s, w2, a, 2), w3, a, 3);
}

static inline float32x4_t unsigned_scale(uint8x16_t bytes, int i) {
    return vcvtq_f32_u32(vreinterpretq_u32_u8(vqtbl1q_u8(bytes, vld1q_u8(pick_low[i]))));
}
static inline int32x4_t signed_scale(uint8x16_t bytes, int i) {
    int32x4_t v = vreinterpretq_s32_u8(bytes);
    return vshrq_n_s32(vshlq_s32(v, vdupq_n_s32(24 - 8 * i)), 24);
}

/* The 6-bit scales and minima of Q4_K and Q5_K for 4 rows: 32-bit lane = row, byte = sub-block; [0]: 0…3, [1]: 4…7. */
struct k_scales {
    uint8x16_t scale[2], min[2];
};

static inline struct k_scales load_k_scales(const uint8_t *p) { /* three units of 16 rows x 4 bytes */
    uint8x16_t u0 = vld1q_u8(p), u1 = vld1q_u8(p + 64), u2 = vld1q_u8(p + 128);
    uint8x16_t low = vdupq_n_u8(63), top = vdupq_n_u8(0x30);
    return (struct k_scales){
        {vandq_u8(u0, low), vorrq_u8(vandq_u8(u2, vdupq_n_u8(15)), vandq_u8(vshrq_n_u8(u0, 2), top))},
        {vandq_u8(u1, low), vorrq_u8(vshrq_n_u8(u2, 4), vandq_u8(vshrq_n_u8(u1, 2), top))}};
}

#include "kernel/arm/matmul_gemv_r16.h"
#include "kernel/arm/matmul_gemv_rows.h"
#include "kernel/arm/matmul_levels.h"
#include "kernel/arm/matmul_panel.h"

/* Preferred: fewer instructions per weight than rows, by count; not yet timed on a board. */
#define R16_ENTRY(type_, tile_)                                                                                        \
    {                                                                                                                  \
        .gemm_name = NAME("gemm_" #type_ "_r16"), .gemv_name = NAME("gemv_" #type_ "_r16"), .act = EW_ACT_Q8,          \
        .preferred = true, .gemv_tokens = EW_GEMV_TOKENS, .panel_rows = PANEL_ROWS, .gemv = gemv_r16_##type_,          \
        .unpack = unpack_##type_, .tile = tile_                                                                        \
    }
#define ROWS_ENTRY(type_, tile_)                                                                                       \
    {                                                                                                                  \
        .gemm_name = NAME("gemm_" #type_), .gemv_name = NAME("gemv_" #type_), .act = EW_ACT_Q8,                        \
        .gemv_tokens = EW_GEMV_TOKENS, .panel_rows = PANEL_ROWS, .gemv = gemv_rows_##type_, .unpack = unpack_##type_,  \
        .tile = tile_                                                                                                  \
    }
/* In the file's layout a matrix-vector product of their own and panels through levels, in R16 panels only. */
#define LEVELS_ROWS_ENTRY(type_, tile_)                                                                                \
    {                                                                                                                  \
        .gemm_name = NAME("gemm_" #type_), .gemv_name = NAME("gemv_" #type_), .act = EW_ACT_Q8,                        \
        .gemv_tokens = EW_GEMV_TOKENS, .panel_rows = PANEL_ROWS, .gemv = gemv_rows_##type_, .unpack = unpack_levels,   \
        .tile = tile_                                                                                                  \
    }
#define LEVELS_R16_ENTRY(type_, tile_)                                                                                 \
    {                                                                                                                  \
        .gemm_name = NAME("gemm_" #type_ "_r16"), .act = EW_ACT_Q8, .panel_rows = PANEL_ROWS, .unpack = unpack_levels, \
        .tile = tile_                                                                                                  \
    }
#define LEVELS_ENTRY(type_, tile_)                                                                                     \
    {                                                                                                                  \
        .gemm_name = NAME("gemm_" #type_), .gemv_name = NAME("gemv_" #type_), .act = EW_ACT_Q8,                        \
        .gemv_tokens = EW_GEMV_TOKENS, .panel_rows = PANEL_ROWS, .gemv = gemv_levels, .unpack = unpack_levels,         \
        .tile = tile_                                                                                                  \
    }
#define LEVELS_ENTRIES(ENTRY_)                                                                                         \
    [EW_TYPE_Q4_1] = ENTRY_(q4_1, tile_min), [EW_TYPE_Q5_0] = ENTRY_(q5_0, tile_small),                                \
    [EW_TYPE_Q5_1] = ENTRY_(q5_1, tile_min), [EW_TYPE_Q2_K] = ENTRY_(q2_k, tile_half_min),                             \
    [EW_TYPE_Q3_K] = ENTRY_(q3_k, tile_half), [EW_TYPE_IQ4_NL] = ENTRY_(iq4_nl, tile_wide),                            \
    [EW_TYPE_IQ4_XS] = ENTRY_(iq4_xs, tile_wide)
#define OTHER_ENTRIES                                                                                                  \
    [EW_TYPE_IQ2_XXS] = LEVELS_ENTRY(iq2_xxs, tile_wide), [EW_TYPE_IQ2_XS] = LEVELS_ENTRY(iq2_xs, tile_half),          \
    [EW_TYPE_IQ2_S] = LEVELS_ENTRY(iq2_s, tile_half), [EW_TYPE_IQ3_XXS] = LEVELS_ENTRY(iq3_xxs, tile_wide),            \
    [EW_TYPE_IQ3_S] = LEVELS_ENTRY(iq3_s, tile_small), [EW_TYPE_IQ1_S] = LEVELS_ENTRY(iq1_s, tile_small),              \
    [EW_TYPE_IQ1_M] = LEVELS_ENTRY(iq1_m, tile_half), [EW_TYPE_TQ1_0] = LEVELS_ENTRY(tq1_0, tile_small),               \
    [EW_TYPE_TQ2_0] = LEVELS_ENTRY(tq2_0, tile_small), [EW_TYPE_MXFP4] = LEVELS_ENTRY(mxfp4, tile_small)
#define INTEGER_ENTRIES(ENTRY_)                                                                                        \
    [EW_TYPE_Q4_0] = ENTRY_(q4_0, tile_small), [EW_TYPE_Q8_0] = ENTRY_(q8_0, tile_wide),                               \
    [EW_TYPE_Q4_K] = ENTRY_(q4_k, tile_min), [EW_TYPE_Q5_K] = ENTRY_(q5_k, tile_min),                                  \
    [EW_TYPE_Q6_K] = ENTRY_(q6_k, tile_half)
#ifndef FLOAT_ENTRIES
#define FLOAT_ENTRIES
#endif
#define MATMUL_BODY_ENTRIES                                                                                            \
    {                                                                                                                  \
        [EW_LAYOUT_ROWS] = {INTEGER_ENTRIES(ROWS_ENTRY), LEVELS_ENTRIES(LEVELS_ROWS_ENTRY), OTHER_ENTRIES,             \
                            FLOAT_ENTRIES},                                                                            \
        [EW_LAYOUT_R16] = {                                                                                            \
            INTEGER_ENTRIES(R16_ENTRY),                                                                                \
            LEVELS_ENTRIES(LEVELS_R16_ENTRY)                                                                           \
        }                                                                                                              \
    }

#endif
