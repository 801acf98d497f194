/* Vector kernels for AVX2 with FMA and F16C: the primitives; the kernels are in kernel/vector_body.h. */
#include "kernel/vector_variants.h"

#include <assert.h>
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef __m256 vf;
enum { VF_N = 8, VF_REGISTERS = 16 };

/* Loading 8 words from tail_mask + 8 - n gives n words of ones followed by zeros. */
static const int32_t tail_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

static inline __m256i first_lanes(size_t n) { return _mm256_loadu_si256((const void *)(tail_mask + 8 - n)); }

static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
static inline vf vf_load_some(const float *p, size_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
static inline void vf_store_some(float *p, vf v, size_t n) { _mm256_maskstore_ps(p, first_lanes(n), v); }

static inline vf vf_load_half(const ew_f16 *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p)); }
static inline vf vf_load_half_some(const ew_f16 *p, size_t n) {
    ew_f16 tail[VF_N] = {0};
    memcpy(tail, p, n * sizeof *p);
    return vf_load_half(tail);
}
static inline void vf_store_half(ew_f16 *p, vf v) {
    _mm_storeu_si128((void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline vf vf_load_bytes(const int8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)));
}
static inline void vf_convert8(const ew_f16 *from, float *to) { vf_store(to, vf_load_half(from)); }

static inline void vf_load_pairs(const float *p, vf *even, vf *odd) {
    vf a = vf_load(p), b = vf_load(p + VF_N);
    vf low = _mm256_permute2f128_ps(a, b, 0x20), high = _mm256_permute2f128_ps(a, b, 0x31);
    *even = _mm256_shuffle_ps(low, high, 0x88);
    *odd = _mm256_shuffle_ps(low, high, 0xdd);
}
static inline void vf_store_pairs(float *p, vf even, vf odd) {
    vf low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    vf_store(p, _mm256_permute2f128_ps(low, high, 0x20));
    vf_store(p + VF_N, _mm256_permute2f128_ps(low, high, 0x31));
}

static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_round(vf v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_scale(vf v, vf n) { /* 2^n is a float whose exponent field is n + 127 */
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
static inline vf vf_or_below(vf v, vf x, vf limit) {
    return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), v, _mm256_cmp_ps(x, limit, _CMP_LE_OQ));
}

static inline float vf_sum(vf v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float vf_top(vf v) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
static inline void vf_sum4(vf a, vf b, vf c, vf d, float *p) {
    vf s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

/* Pairs of rows, pairs of pairs, then the 128-bit halves: lane 4 i + j of a row goes to vector 4 i + j. */
static inline void vf_transpose(vf v[VF_N]) {
    vf four[VF_N];
#pragma GCC unroll 2
    for (int i = 0; i < VF_N; i += 4) {
        vf a = _mm256_unpacklo_ps(v[i], v[i + 1]), b = _mm256_unpackhi_ps(v[i], v[i + 1]);
        vf c = _mm256_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
        four[i] = _mm256_shuffle_ps(a, c, 0x44);
        four[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        four[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        four[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        v[j] = _mm256_permute2f128_ps(four[j], four[4 + j], 0x20);
        v[4 + j] = _mm256_permute2f128_ps(four[j], four[4 + j], 0x31);
    }
}

#include "kernel/vector_body.h"

EW_VECTOR_DEFINE_INSTALL(avx2)
