/* Matrix products for ARMv8.2 with dot products (Cortex-A55, A76 and later: Raspberry Pi 5, Jetson Orin): the integer
 * primitive, one instruction per 16 products; the kernels are in matmul_body.h. */
#include "kernel/matmul_table.h"

#include <arm_neon.h>

/* Σ over 4 columns for each of 4 rows. */
typedef int32x4_t dots;

static inline dots dots_start(int32_t start) { return vdupq_n_s32(start); }
static inline int32x4_t dots_sum(dots s) { return s; }

static inline dots dots_quad(dots s, int8x16_t w0, int8x16_t w1, int8x16_t w2, int8x16_t w3, int8x16_t a) {
    s = vdotq_laneq_s32(s, w0, a, 0);
    s = vdotq_laneq_s32(s, w1, a, 1);
    s = vdotq_laneq_s32(s, w2, a, 2);
    return vdotq_laneq_s32(s, w3, a, 3);
}
static inline dots dots_quad_wide(dots s, int8x16_t w0, int8x16_t w1, int8x16_t w2, int8x16_t w3, int8x16_t a) {
    return dots_quad(s, w0, w1, w2, w3, a);
}

static inline int32x4_t line_dot(int32x4_t s, int8x16_t w, int8x16_t a) { return vdotq_s32(s, w, a); }

#define NAME(text) text "_dotprod"
#include "kernel/arm/matmul_body.h"

const struct ew_matmul_kernels ew_matmul_dotprod = {
    .isa = "dotprod",
    .base = &ew_matmul_neon,
    .entry = MATMUL_BODY_ENTRIES,
};
