/* Matrix products for NEON as every ARMv8.0 has it (Cortex-A53, A72: Raspberry Pi 3 and 4): the integer primitive; the
 * kernels are in matmul_body.h, those for float weights and the activations in matmul_neon_float.c.
 *
 * Without dot-product instructions 8-bit products are summed in 16 bits for as long as they fit: weights of at most 6
 * bits times ±127 for a whole group of 32 columns (8 · 32 · 127 < 2^15), 8-bit weights for two columns of four. */
#include "kernel/arm/matmul_neon_float.h"
#include "kernel/matmul_table.h"

#include <arm_neon.h>
#include <stdbool.h>

/* Sums of 4 rows: lanes of low are rows 0 and 1, of high rows 2 and 3, four columns each. */
typedef struct {
    int16x8_t low, high;
    int32x4_t low_wide, high_wide, start;
    bool has_narrow, has_wide; /* constants once compiled: what is still zero takes no instruction */
} dots;
enum { TILE_TOKENS = 2 }; /* a sum takes two registers */

static inline dots dots_start(int32_t start) { return (dots){.start = vdupq_n_s32(start)}; }
static inline dots dots_widen(dots s) {
    s.low_wide = s.has_wide ? vpadalq_s16(s.low_wide, s.low) : vpaddlq_s16(s.low);
    s.high_wide = s.has_wide ? vpadalq_s16(s.high_wide, s.high) : vpaddlq_s16(s.high);
    s.has_wide = true;
    s.has_narrow = false;
    return s;
}
static inline int32x4_t dots_sum(dots s) {
    if (s.has_narrow) s = dots_widen(s);
    return vaddq_s32(vpaddq_s32(s.low_wide, s.high_wide), s.start);
}

/* Conversions are as fast as other operations where this variant runs, so sums need no origin to spare them. */
static const float dots_origin = 0;
static inline dots dots_start_f32(int32_t start) { return dots_start(start); }
static inline float32x4_t dots_sum_f32(dots s) { return vcvtq_f32_s32(dots_sum(s)); }
static inline dots dots_start_scaled(void) { return dots_start(0); }
static inline float32x4_t dots_scaled(dots s, float32x4_t scale, const float *lift) {
    (void)lift;
    return vmulq_f32(dots_sum_f32(s), scale);
}

static inline int8x16_t four_times(int8x16_t a, int u) { /* columns 4u … 4u + 3 */
    int32x4_t v = vreinterpretq_s32_s8(a);
    switch (u) { /* constant at every call */
    case 0: return vreinterpretq_s8_s32(vdupq_laneq_s32(v, 0));
    case 1: return vreinterpretq_s8_s32(vdupq_laneq_s32(v, 1));
    case 2: return vreinterpretq_s8_s32(vdupq_laneq_s32(v, 2));
    default: return vreinterpretq_s8_s32(vdupq_laneq_s32(v, 3));
    }
}
static inline dots dots_step(dots s, int8x16_t w, int8x16_t a, int u) {
    int8x16_t x = four_times(a, u);
    s.low = s.has_narrow ? vmlal_s8(s.low, vget_low_s8(w), vget_low_s8(x)) : vmull_s8(vget_low_s8(w), vget_low_s8(x));
    s.high = s.has_narrow ? vmlal_high_s8(s.high, w, x) : vmull_high_s8(w, x);
    s.has_narrow = true;
    return s;
}
static inline dots dots_step_wide(dots s, int8x16_t w, int8x16_t a, int u) {
    s = dots_step(s, w, a, u);
    return u % 2 ? dots_widen(s) : s;
}

static inline int32x4_t line_dot(int32x4_t s, int8x16_t w, int8x16_t a) {
    return vpadalq_s16(s, vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(a)), w, a));
}

#define NAME(text) text "_neon"
#include "kernel/arm/matmul_tile_quads.h"

#include "kernel/arm/matmul_body.h"

const struct ew_matmul_kernels ew_matmul_neon = {
    .isa = "neon",
    .base = &ew_matmul_ref,
    .act_prepare = {[EW_ACT_Q8] = ew_act_prepare_q8_neon, [EW_ACT_F32] = ew_act_prepare_f32_neon},
    .pack_strip = ew_pack_strip_neon,
    .entry = MATMUL_BODY_ENTRIES,
};
