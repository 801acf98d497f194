/* The vector operations that the shared kernel bodies are written in, for AVX2 (and AVX-VNNI, which only changes the
 * product of bytes): 8 lanes, one weight row each. Twin of lanes_avx512.h. */
#ifndef EW_KERNEL_X86_LANES_AVX2_H
#define EW_KERNEL_X86_LANES_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EW_INLINE static inline __attribute__((always_inline))

typedef __m256i vint;
typedef __m256 vfloat;
/* Lanes; token and row vectors of a tile; whether products of unsigned bytes up to 255 are exact. */
#ifdef __AVXVNNI__
enum { LANES = 8, TILE_TOKENS = 4, TILE_VECTORS = 2, WIDE_BYTES = 1 };
#else
enum { LANES = 8, TILE_TOKENS = 3, TILE_VECTORS = 2, WIDE_BYTES = 0 };
#endif

EW_INLINE vint v_load(const void *p) { return _mm256_loadu_si256(p); }
EW_INLINE void v_store(void *p, vint v) { _mm256_storeu_si256(p, v); }
EW_INLINE vint v_zero(void) { return _mm256_setzero_si256(); }
EW_INLINE vint v_set_32(int x) { return _mm256_set1_epi32(x); }
EW_INLINE vint v_set_8(int x) { return _mm256_set1_epi8((char)x); }
EW_INLINE vint v_and(vint a, vint b) { return _mm256_and_si256(a, b); }
EW_INLINE vint v_or(vint a, vint b) { return _mm256_or_si256(a, b); }
EW_INLINE vint v_xor(vint a, vint b) { return _mm256_xor_si256(a, b); }
EW_INLINE vint v_or_and(vint a, vint b, vint c) { return v_or(a, v_and(b, c)); }
EW_INLINE vint v_add_8(vint a, vint b) { return _mm256_add_epi8(a, b); }
EW_INLINE vint v_mul_32(vint a, vint b) { return _mm256_mullo_epi32(a, b); }
EW_INLINE vint v_sub_32(vint a, vint b) { return _mm256_sub_epi32(a, b); }
EW_INLINE vint v_max_32(vint a, vint b) { return _mm256_max_epi32(a, b); }
EW_INLINE vint v_max_unsigned_16(vint a, vint b) { return _mm256_max_epu16(a, b); }
/* Byte i of table for every i below 16 in index, within 16 bytes. */
EW_INLINE vint v_lookup(vint table, vint index) { return _mm256_shuffle_epi8(table, index); }
EW_INLINE vint v_repeat_16(const void *p) { return _mm256_broadcastsi128_si256(_mm_loadu_si128(p)); }
/* What byte 0 of its lane is among 16 bytes. */
EW_INLINE vint v_bytes_of_lanes(void) { return v_repeat_16((const int[4]){0, 0x04040404, 0x08080808, 0x0c0c0c0c}); }
/* Byte b of each lane in all four. */
EW_INLINE vint v_repeat_byte(vint v, int b) { return v_lookup(v, v_or(v_bytes_of_lanes(), v_set_8(b))); }
/* q | add in the bytes where bits & mask is not 0. */
EW_INLINE vint v_or_where(vint q, vint bits, vint mask, vint add) {
    vint none = _mm256_cmpeq_epi8(v_and(bits, mask), v_zero());
    return v_or(q, _mm256_andnot_si256(none, add));
}
/* Shifts are of 32-bit lanes. */
EW_INLINE vint v_shift_left(vint a, unsigned n) { return _mm256_slli_epi32(a, (int)n); }
EW_INLINE vint v_shift_right(vint a, unsigned n) { return _mm256_srli_epi32(a, (int)n); }
EW_INLINE vint v_shift_right_signed(vint a, unsigned n) { return _mm256_srai_epi32(a, (int)n); }
EW_INLINE vfloat v_to_float(vint a) { return _mm256_cvtepi32_ps(a); }
EW_INLINE vint v_round(vfloat a) { return _mm256_cvtps_epi32(a); } /* to nearest, ties to even */
EW_INLINE vint v_bits_of(vfloat a) { return _mm256_castps_si256(a); }
EW_INLINE vfloat v_of_bits(vint a) { return _mm256_castsi256_ps(a); }

EW_INLINE vfloat vf_load(const float *p) { return _mm256_loadu_ps(p); }
EW_INLINE void vf_store(float *p, vfloat v) { _mm256_storeu_ps(p, v); }
EW_INLINE vfloat vf_zero(void) { return _mm256_setzero_ps(); }
EW_INLINE vfloat vf_set(float x) { return _mm256_set1_ps(x); }
EW_INLINE vfloat vf_mul(vfloat a, vfloat b) { return _mm256_mul_ps(a, b); }
EW_INLINE vfloat vf_fma(vfloat a, vfloat b, vfloat c) { return _mm256_fmadd_ps(a, b, c); }   /* a b + c */
EW_INLINE vfloat vf_fnma(vfloat a, vfloat b, vfloat c) { return _mm256_fnmadd_ps(a, b, c); } /* c - a b */
EW_INLINE float vf_sum(vfloat a) {
    __m128 v = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}

/* The first n lanes only (n may be larger than LANES); the others are 0, or left alone. */
EW_INLINE vint first_lanes(uint32_t n) {
    const vint lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > 8 ? 8 : (int)n), lane);
}
EW_INLINE vfloat vf_load_first(const float *p, uint32_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
EW_INLINE void vf_store_first(float *p, uint32_t n, vfloat v) { _mm256_maskstore_ps(p, first_lanes(n), v); }

EW_INLINE vfloat vf_load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }
EW_INLINE vfloat vf_load_bf16(const void *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
/* The half-precision number in the lower half of each lane. */
EW_INLINE vfloat v_low_f16(vint v) {
    v = v_and(v, v_set_32(0xffff));
    __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return _mm256_cvtph_ps(packed);
}

/* sum + a, here and now: gcc would gather the products of a whole group before it adds them, and has to put nearly all
 * of them into memory meanwhile. */
EW_INLINE vint v_sum_in_order(vint sum, vint a) {
    sum = _mm256_add_epi32(sum, a);
    __asm__("" : "+x"(sum));
    return sum;
}

/* sum + q0 · x0 + q1 · x1 per lane of four unsigned times four signed bytes. Without VNNI, pairs add up in 16 bits,
 * where q <= 63 cannot overflow: 4 * 63 * 127 = 32004. */
EW_INLINE vint v_dot_pair(vint sum, vint q0, vint x0, vint q1, vint x1) {
#ifdef __AVXVNNI__
    return _mm256_dpbusd_avx_epi32(_mm256_dpbusd_avx_epi32(sum, q0, x0), q1, x1);
#else
    vint pairs = _mm256_add_epi16(_mm256_maddubs_epi16(q0, x0), _mm256_maddubs_epi16(q1, x1));
    return v_sum_in_order(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}
/* The same for signed q, one vector: |q| · (x with q's sign) is below 2 * 128 * 127 = 32512 in 16 bits. */
EW_INLINE vint v_dot_signed(vint sum, vint q, vint x) {
    vint pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
    return v_sum_in_order(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* sum + w · x per lane of two signed 16-bit numbers. */
EW_INLINE vint v_dot_words(vint sum, vint w, vint x) {
#ifdef __AVXVNNI__
    return _mm256_dpwssd_avx_epi32(sum, w, x);
#else
    return v_sum_in_order(sum, _mm256_madd_epi16(w, x));
#endif
}

EW_INLINE vint v_load_16x2(const uint8_t *p, size_t stride4) {
    vint v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return _mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)(p + stride4)), 1);
}

/* The 4-byte units 0 … 3 at p of LANES rows `stride` bytes apart, one vector per unit. */
EW_INLINE void v_transpose_units(const uint8_t *p, size_t stride, vint out[4]) {
    vint a = v_load_16x2(p, 4 * stride), b = v_load_16x2(p + stride, 4 * stride);
    vint c = v_load_16x2(p + 2 * stride, 4 * stride), d = v_load_16x2(p + 3 * stride, 4 * stride);
    vint ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
    vint cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
    out[0] = _mm256_unpacklo_epi64(ab0, cd0);
    out[1] = _mm256_unpackhi_epi64(ab0, cd0);
    out[2] = _mm256_unpacklo_epi64(ab1, cd1);
    out[3] = _mm256_unpackhi_epi64(ab1, cd1);
}

/* The 2 bytes at p of 8 rows. */
EW_INLINE __m128i load_u16x8(const uint8_t *p, size_t stride) {
    uint16_t u[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) memcpy(&u[r], p + r * stride, 2);
    return _mm_setr_epi16((short)u[0], (short)u[1], (short)u[2], (short)u[3], (short)u[4], (short)u[5], (short)u[6],
                          (short)u[7]);
}

/* The half-precision number at p of LANES rows. */
EW_INLINE vfloat v_f16_of_rows(const uint8_t *p, size_t stride) { return _mm256_cvtph_ps(load_u16x8(p, stride)); }

#endif
