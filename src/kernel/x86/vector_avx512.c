/* Vector kernels for AVX-512 (F, BW, DQ, VL): the primitives; the kernels are in kernel/vector_body.h. */
#include "kernel/vector_variants.h"

#include <assert.h>
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef __m512 vf;
enum { VF_N = 16, VF_REGISTERS = 32 };

static inline __mmask16 first_lanes(size_t n) { return (__mmask16)((1u << n) - 1); }

static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
static inline vf vf_load_some(const float *p, size_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
static inline void vf_store_some(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

static inline vf vf_load_half(const ew_f16 *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p)); }
static inline vf vf_load_half_some(const ew_f16 *p, size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}
static inline void vf_store_half(ew_f16 *p, vf v) {
    _mm256_storeu_si256((void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline vf vf_load_bytes(const int8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)));
}
static inline void vf_convert8(const ew_f16 *from, float *to) {
    _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128((const void *)from)));
}

static inline void vf_load_pairs(const float *p, vf *even, vf *odd) {
    const __m512i pick = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    vf a = vf_load(p), b = vf_load(p + VF_N);
    *even = _mm512_permutex2var_ps(a, pick, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(pick, _mm512_set1_epi32(1)), b);
}
static inline void vf_store_pairs(float *p, vf even, vf odd) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    vf_store(p, _mm512_permutex2var_ps(even, low, odd));
    vf_store(p + VF_N, _mm512_permutex2var_ps(even, _mm512_add_epi32(low, _mm512_set1_epi32(8)), odd));
}

static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_round(vf v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_scale(vf v, vf n) { return _mm512_scalef_ps(v, n); }
static inline vf vf_or_below(vf v, vf x, vf limit) {
    return _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), _mm512_cmp_ps_mask(x, limit, _CMP_LE_OQ), v);
}

static inline float vf_sum(vf v) { return _mm512_reduce_add_ps(v); }
static inline float vf_top(vf v) { return _mm512_reduce_max_ps(v); }

/* Folds 128-bit lanes until lane i holds four partial sums of vector i, then folds within lanes. */
static inline void vf_sum4(vf a, vf b, vf c, vf d, float *p) {
    vf ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    vf cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    vf s = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    s = _mm512_add_ps(s, _mm512_permute_ps(s, 0x4e));
    s = _mm512_add_ps(s, _mm512_permute_ps(s, 0xb1));
    const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm_storeu_ps(p, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, s)));
}

/* Pairs of rows, pairs of pairs, then the 128-bit lanes of four such: lane 4 i + j of a row goes to vector 4 i + j. */
static inline void vf_transpose(vf v[VF_N]) {
    vf pair[VF_N], four[VF_N];
#pragma GCC unroll 8
    for (int i = 0; i < VF_N; i += 2) {
        pair[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        pair[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < VF_N; i += 4) {
        __m512d a = _mm512_castps_pd(pair[i]), b = _mm512_castps_pd(pair[i + 1]);
        __m512d c = _mm512_castps_pd(pair[i + 2]), d = _mm512_castps_pd(pair[i + 3]);
        four[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        four[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        four[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        four[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        vf low = _mm512_shuffle_f32x4(four[j], four[4 + j], 0x44),
           low2 = _mm512_shuffle_f32x4(four[8 + j], four[12 + j], 0x44);
        vf high = _mm512_shuffle_f32x4(four[j], four[4 + j], 0xee),
           high2 = _mm512_shuffle_f32x4(four[8 + j], four[12 + j], 0xee);
        v[j] = _mm512_shuffle_f32x4(low, low2, 0x88);
        v[4 + j] = _mm512_shuffle_f32x4(low, low2, 0xdd);
        v[8 + j] = _mm512_shuffle_f32x4(high, high2, 0x88);
        v[12 + j] = _mm512_shuffle_f32x4(high, high2, 0xdd);
    }
}

#include "kernel/vector_body.h"

EW_VECTOR_DEFINE_INSTALL(avx512)
