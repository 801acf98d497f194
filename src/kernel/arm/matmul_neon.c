/* Matrix products for NEON as every ARMv8.0 has it (Cortex-A53, A72: Raspberry Pi 3 and 4): the integer primitive; the
 * kernels are in matmul_body.h, those for float weights and the activations in matmul_neon_float.c.
 *
 * Without dot-product instructions 8-bit products are summed in 16 bits for as long as they fit: weights of at most 6
 * bits times ±127 for a whole group of 32 columns (8 · 32 · 127 < 2^15), 8-bit weights for two columns of four. */
#include "kernel/arm/matmul_neon_float.h"
#include "kernel/matmul_table.h"

#include <arm_neon.h>

/* Sums of 4 rows: lanes of low are rows 0 and 1, of high rows 2 and 3, four columns each. */
typedef struct {
    int16x8_t low, high;
    int32x4_t low_wide, high_wide, start;
} dots;

static inline dots dots_start(int32_t start) {
    return (dots){vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(start)};
}
static inline dots dots_widen(dots s) {
    s.low_wide = vpadalq_s16(s.low_wide, s.low);
    s.high_wide = vpadalq_s16(s.high_wide, s.high);
    s.low = s.high = vdupq_n_s16(0);
    return s;
}
static inline int32x4_t dots_sum(dots s) {
    s = dots_widen(s);
    return vaddq_s32(vpaddq_s32(s.low_wide, s.high_wide), s.start);
}

#define QUAD_STEP(w_, lane_)                                                                                           \
    do {                                                                                                               \
        int8x16_t x_ = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(a), lane_));                          \
        s.low = vmlal_s8(s.low, vget_low_s8(w_), vget_low_s8(x_));                                                     \
        s.high = vmlal_high_s8(s.high, w_, x_);                                                                        \
    } while (0)

static inline dots dots_quad(dots s, int8x16_t w0, int8x16_t w1, int8x16_t w2, int8x16_t w3, int8x16_t a) {
    QUAD_STEP(w0, 0);
    QUAD_STEP(w1, 1);
    QUAD_STEP(w2, 2);
    QUAD_STEP(w3, 3);
    return s;
}
static inline dots dots_quad_wide(dots s, int8x16_t w0, int8x16_t w1, int8x16_t w2, int8x16_t w3, int8x16_t a) {
    QUAD_STEP(w0, 0);
    QUAD_STEP(w1, 1);
    s = dots_widen(s);
    QUAD_STEP(w2, 2);
    QUAD_STEP(w3, 3);
    return dots_widen(s);
}
#undef QUAD_STEP

static inline int32x4_t line_dot(int32x4_t s, int8x16_t w, int8x16_t a) {
    return vpadalq_s16(s, vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(a)), w, a));
}

#define NAME(text) text "_neon"
#include "kernel/arm/matmul_body.h"

const struct ew_matmul_kernels ew_matmul_neon = {
    .isa = "neon",
    .base = &ew_matmul_ref,
    .act_prepare = {[EW_ACT_Q8] = ew_act_prepare_q8_neon, [EW_ACT_F32] = ew_act_prepare_f32_neon},
    .pack_strip = ew_pack_strip_neon,
    .entry = MATMUL_BODY_ENTRIES,
};
