/* The integer primitives of matmul_body.h by the dot-product instruction, one per 16 products. For the variants that
 * have it; included after arm_neon.h.
 *
 * Sums that end as floats start at 1.5 · 2^23: a float of that size counts in ones, so the integer sum is a float where
 * it stands, and a subtraction (two per cycle on a Cortex-A76) replaces the conversion (one in two cycles). Exact for
 * sums below 2^22; 32 columns reach 2^19. */
#ifndef EW_KERNEL_ARM_MATMUL_DOTS_SDOT_H
#define EW_KERNEL_ARM_MATMUL_DOTS_SDOT_H

/* Σ over 4 columns for each of 4 rows. */
typedef int32x4_t dots;
enum { TILE_TOKENS = 4 };

static const float dots_origin = 0x1.8p23f;
static const int32_t dots_origin_bits[4] = {0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000};

static inline dots dots_start(int32_t start) { return vdupq_n_s32(start); }
static inline int32x4_t dots_sum(dots s) { return s; }

static inline dots dots_start_f32(int32_t start) { return vdupq_n_s32(start + dots_origin_bits[0]); }
static inline float32x4_t dots_sum_f32(dots s) { return vsubq_f32(vreinterpretq_f32_s32(s), vdupq_n_f32(dots_origin)); }

/* Loads once more what a register may hold already: a compiler would copy that register, in a slot of the vector pipes,
 * which are what the tile kernels wait for; their loads leave slots unused. */
static inline float32x4_t load_again(const void *p) {
    float32x4_t v;
    __asm__ volatile("ldr %q0, %1" : "=w"(v) : "m"(*(const float32x4_t *)p));
    return v;
}

static inline dots dots_start_scaled(void) { return vreinterpretq_s32_f32(load_again(dots_origin_bits)); }
static inline float32x4_t dots_scaled(dots s, float32x4_t scale, const float *lift) {
    return vfmaq_f32(load_again(lift), vreinterpretq_f32_s32(s), scale);
}

static inline dots dots_step(dots s, int8x16_t w, int8x16_t a, int u) {
    switch (u) { /* constant at every call, as the instruction wants it */
    case 0: return vdotq_laneq_s32(s, w, a, 0);
    case 1: return vdotq_laneq_s32(s, w, a, 1);
    case 2: return vdotq_laneq_s32(s, w, a, 2);
    default: return vdotq_laneq_s32(s, w, a, 3);
    }
}
static inline dots dots_step_wide(dots s, int8x16_t w, int8x16_t a, int u) { return dots_step(s, w, a, u); }

static inline int32x4_t line_dot(int32x4_t s, int8x16_t w, int8x16_t a) { return vdotq_s32(s, w, a); }

#endif
