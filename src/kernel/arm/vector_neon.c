/* Vector kernels for NEON as every ARMv8.0 has it: the primitives; the kernels are in kernel/vector_body.h. */
#include "kernel/vector_variants.h"

#include <arm_neon.h>
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef float32x4_t vf;
enum { VF_N = 4, VF_REGISTERS = 32 };

static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf v) { vst1q_f32(p, v); }
static inline vf vf_load_some(const float *p, size_t n) {
    float tail[VF_N] = {0};
    memcpy(tail, p, n * sizeof *p);
    return vld1q_f32(tail);
}
static inline void vf_store_some(float *p, vf v, size_t n) {
    float tail[VF_N];
    vst1q_f32(tail, v);
    memcpy(p, tail, n * sizeof *p);
}

static inline vf vf_load_half(const ew_f16 *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline vf vf_load_half_some(const ew_f16 *p, size_t n) {
    ew_f16 tail[VF_N] = {0};
    memcpy(tail, p, n * sizeof *p);
    return vf_load_half(tail);
}
static inline void vf_store_half(ew_f16 *p, vf v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
static inline vf vf_load_bytes(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8((uint32_t)four)))));
}
static inline void vf_convert8(const ew_f16 *from, float *to) {
    uint16x8_t h = vld1q_u16(from);
    vst1q_f32(to, vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(h))));
    vst1q_f32(to + 4, vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(h))));
}

static inline void vf_load_pairs(const float *p, vf *even, vf *odd) {
    float32x4x2_t v = vld2q_f32(p);
    *even = v.val[0];
    *odd = v.val[1];
}
static inline void vf_store_pairs(float *p, vf even, vf odd) {
    float32x4x2_t v = {{even, odd}};
    vst2q_f32(p, v);
}

static inline vf vf_set1(float x) { return vdupq_n_f32(x); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_max(vf a, vf b) { return vmaxq_f32(a, b); }
static inline vf vf_min(vf a, vf b) { return vminq_f32(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_round(vf v) { return vrndnq_f32(v); }
static inline vf vf_scale(vf v, vf n) { /* 2^n is a float whose exponent field is n + 127 */
    int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(v, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}
static inline vf vf_or_below(vf v, vf x, vf limit) { return vbslq_f32(vcleq_f32(x, limit), v, vdupq_n_f32(-INFINITY)); }

static inline float vf_sum(vf v) { return vaddvq_f32(v); }
static inline float vf_top(vf v) { return vmaxvq_f32(v); }
static inline void vf_sum4(vf a, vf b, vf c, vf d, float *p) {
    vst1q_f32(p, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

static inline void vf_transpose(vf v[VF_N]) {
    float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(v[0], v[1])), b = vreinterpretq_f64_f32(vtrn2q_f32(v[0], v[1]));
    float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(v[2], v[3])), d = vreinterpretq_f64_f32(vtrn2q_f32(v[2], v[3]));
    v[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
    v[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
    v[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
    v[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

#include "kernel/vector_body.h"

EW_VECTOR_DEFINE_INSTALL(neon)
