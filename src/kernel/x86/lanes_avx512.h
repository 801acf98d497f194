/* The vector operations that the shared kernel bodies are written in, for AVX-512 with VNNI: 16 lanes, one weight row
 * each. lanes_avx2.h is its twin; see there for what each does where the name does not say it. */
#ifndef EW_KERNEL_X86_LANES_AVX512_H
#define EW_KERNEL_X86_LANES_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EW_INLINE static inline __attribute__((always_inline))

typedef __m512i vint;
typedef __m512 vfloat;
/* Lanes; token and row vectors of a tile; whether products of unsigned bytes up to 255 are exact. */
enum { LANES = 16, TILE_TOKENS = 6, TILE_VECTORS = 2, WIDE_BYTES = 1 };

EW_INLINE vint v_load(const void *p) { return _mm512_loadu_si512(p); }
EW_INLINE void v_store(void *p, vint v) { _mm512_storeu_si512(p, v); }
EW_INLINE vint v_zero(void) { return _mm512_setzero_si512(); }
EW_INLINE vint v_set_32(int x) { return _mm512_set1_epi32(x); }
EW_INLINE vint v_set_8(int x) { return _mm512_set1_epi8((char)x); }
EW_INLINE vint v_and(vint a, vint b) { return _mm512_and_si512(a, b); }
EW_INLINE vint v_or(vint a, vint b) { return _mm512_or_si512(a, b); }
EW_INLINE vint v_xor(vint a, vint b) { return _mm512_xor_si512(a, b); }
EW_INLINE vint v_or_and(vint a, vint b, vint c) { return _mm512_ternarylogic_epi32(a, b, c, 0xf8); }
EW_INLINE vint v_add_8(vint a, vint b) { return _mm512_add_epi8(a, b); }
EW_INLINE vint v_mul_32(vint a, vint b) { return _mm512_mullo_epi32(a, b); }
EW_INLINE vint v_sub_32(vint a, vint b) { return _mm512_sub_epi32(a, b); }
EW_INLINE vint v_max_32(vint a, vint b) { return _mm512_max_epi32(a, b); }
EW_INLINE vint v_max_unsigned_16(vint a, vint b) { return _mm512_max_epu16(a, b); }
EW_INLINE vint v_lookup(vint table, vint index) { return _mm512_shuffle_epi8(table, index); }
EW_INLINE vint v_repeat_16(const void *p) { return _mm512_broadcast_i32x4(_mm_loadu_si128(p)); }
EW_INLINE vint v_bytes_of_lanes(void) { return v_repeat_16((const int[4]){0, 0x04040404, 0x08080808, 0x0c0c0c0c}); }
EW_INLINE vint v_repeat_byte(vint v, int b) { return v_lookup(v, v_or(v_bytes_of_lanes(), v_set_8(b))); }
EW_INLINE vint v_or_where(vint q, vint bits, vint mask, vint add) {
    return _mm512_mask_add_epi8(q, _mm512_test_epi8_mask(bits, mask), q, add); /* add is a bit that q lacks */
}
EW_INLINE vint v_shift_left(vint a, unsigned n) { return _mm512_slli_epi32(a, n); }
EW_INLINE vint v_shift_right(vint a, unsigned n) { return _mm512_srli_epi32(a, n); }
EW_INLINE vint v_shift_right_signed(vint a, unsigned n) { return _mm512_srai_epi32(a, n); }
EW_INLINE vfloat v_to_float(vint a) { return _mm512_cvtepi32_ps(a); }
EW_INLINE vint v_round(vfloat a) { return _mm512_cvtps_epi32(a); }
EW_INLINE vint v_bits_of(vfloat a) { return _mm512_castps_si512(a); }
EW_INLINE vfloat v_of_bits(vint a) { return _mm512_castsi512_ps(a); }

EW_INLINE vfloat vf_load(const float *p) { return _mm512_loadu_ps(p); }
EW_INLINE void vf_store(float *p, vfloat v) { _mm512_storeu_ps(p, v); }
EW_INLINE vfloat vf_zero(void) { return _mm512_setzero_ps(); }
EW_INLINE vfloat vf_set(float x) { return _mm512_set1_ps(x); }
EW_INLINE vfloat vf_mul(vfloat a, vfloat b) { return _mm512_mul_ps(a, b); }
EW_INLINE vfloat vf_fma(vfloat a, vfloat b, vfloat c) { return _mm512_fmadd_ps(a, b, c); }
EW_INLINE vfloat vf_fnma(vfloat a, vfloat b, vfloat c) { return _mm512_fnmadd_ps(a, b, c); }
EW_INLINE float vf_sum(vfloat a) { return _mm512_reduce_add_ps(a); }

EW_INLINE __mmask16 lanes_below(uint32_t n) { return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1); }
EW_INLINE vfloat vf_load_first(const float *p, uint32_t n) { return _mm512_maskz_loadu_ps(lanes_below(n), p); }
EW_INLINE void vf_store_first(float *p, uint32_t n, vfloat v) { _mm512_mask_storeu_ps(p, lanes_below(n), v); }

EW_INLINE vfloat vf_load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
EW_INLINE vfloat vf_load_bf16(const void *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
EW_INLINE vfloat v_low_f16(vint v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }

#ifdef __AVX512VNNI__
EW_INLINE vint v_dot_pair(vint sum, vint q0, vint x0, vint q1, vint x1) {
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, q0, x0), q1, x1);
}
EW_INLINE vint v_dot_signed(vint sum, vint q, vint x) {
    (void)q;
    (void)x;
    return sum;
}
EW_INLINE vint v_dot_words(vint sum, vint w, vint x) { return _mm512_dpwssd_epi32(sum, w, x); }
#endif

EW_INLINE vint v_load_16x4(const uint8_t *p, size_t stride4) {
    vint v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + stride4)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 2 * stride4)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 3 * stride4)), 3);
}

EW_INLINE void v_transpose_units(const uint8_t *p, size_t stride, vint out[4]) {
    vint a = v_load_16x4(p, 4 * stride), b = v_load_16x4(p + stride, 4 * stride);
    vint c = v_load_16x4(p + 2 * stride, 4 * stride), d = v_load_16x4(p + 3 * stride, 4 * stride);
    vint ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b);
    vint cd0 = _mm512_unpacklo_epi32(c, d), cd1 = _mm512_unpackhi_epi32(c, d);
    out[0] = _mm512_unpacklo_epi64(ab0, cd0);
    out[1] = _mm512_unpackhi_epi64(ab0, cd0);
    out[2] = _mm512_unpacklo_epi64(ab1, cd1);
    out[3] = _mm512_unpackhi_epi64(ab1, cd1);
}

/* The 2 bytes at p of 8 rows. Gathering is slower. */
EW_INLINE __m128i load_u16x8(const uint8_t *p, size_t stride) {
    uint16_t u[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) memcpy(&u[r], p + r * stride, 2);
    return _mm_setr_epi16((short)u[0], (short)u[1], (short)u[2], (short)u[3], (short)u[4], (short)u[5], (short)u[6],
                          (short)u[7]);
}

EW_INLINE vfloat v_f16_of_rows(const uint8_t *p, size_t stride) {
    __m256i low = _mm256_castsi128_si256(load_u16x8(p, stride));
    return _mm512_cvtph_ps(_mm256_inserti128_si256(low, load_u16x8(p + 8 * stride, stride), 1));
}

#endif
