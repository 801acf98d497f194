/* Decoders of quantized weights for AVX-512: 16 rows at a time, one zmm lane per row, 32 columns per group. Every block
 * is read as vectors of 4-byte units (units j of 16 rows), which is how the R16 layout stores it; the file's layout is
 * transposed on the way. What becomes of a group (a panel, a product) is up to `emit`, which is inlined.
 * Included by the AVX-512 kernels only. */
#ifndef EW_KERNEL_X86_DECODE_AVX512_H
#define EW_KERNEL_X86_DECODE_AVX512_H

#include "kernel/matmul_table.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EW_INLINE static inline __attribute__((always_inline))

/* Unsigned quants of 32 columns, four columns per lane and vector; weight = scale * (q - bias) - min, where the bias
 * belongs to the type. scale[1] is that of columns 16 … 31 where the type has one per 16. */
struct ew_group512 {
    __m512i q[8];
    __m512 scale[2], min;
};
typedef void ew_emit512(void *state, uint32_t group, const struct ew_group512 *w);

/* 16 rows of blocks. stride: bytes from row to row in the file's layout; 0 says R16. ahead: what to prefetch; a bit
 * further in R16, otherwise the next 16 rows, a stretch of memory as long as the part that is being read. */
struct ew_rows512 {
    const uint8_t *p;
    size_t stride;
    const uint8_t *ahead;
};
enum { AHEAD_BYTES_R16 = 4096 };

EW_INLINE __m512i load16x16(const uint8_t *p, size_t stride4) {
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + stride4)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 2 * stride4)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 3 * stride4)), 3);
}

/* Units 0 … 3 at p of 16 rows `stride` bytes apart. */
EW_INLINE void transpose_units(const uint8_t *p, size_t stride, __m512i out[4]) {
    __m512i a = load16x16(p, 4 * stride), b = load16x16(p + stride, 4 * stride);
    __m512i c = load16x16(p + 2 * stride, 4 * stride), d = load16x16(p + 3 * stride, 4 * stride);
    __m512i ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b);
    __m512i cd0 = _mm512_unpacklo_epi32(c, d), cd1 = _mm512_unpackhi_epi32(c, d);
    out[0] = _mm512_unpacklo_epi64(ab0, cd0);
    out[1] = _mm512_unpackhi_epi64(ab0, cd0);
    out[2] = _mm512_unpacklo_epi64(ab1, cd1);
    out[3] = _mm512_unpackhi_epi64(ab1, cd1);
}

/* n units (a multiple of 4) at `offset` of the file's block, at `packed` of the R16 block. */
EW_INLINE void load_units(struct ew_rows512 src, size_t offset, size_t packed, int n, __m512i *out) {
    for (int j = 0; j < n; j += 4) {
        if (src.stride) transpose_units(src.p + offset + 4 * j, src.stride, out + j);
        else
            for (int i = j; i < j + 4; i++) out[i] = _mm512_loadu_si512(src.p + packed + 64 * i);
    }
}

/* Asks early for as many bytes as 16 blocks have, because the processor's own prefetching stops at the ends of pages and
 * loses its way between 16 rows. Past the end of the weight this does nothing. */
EW_INLINE void prefetch_blocks(struct ew_rows512 *src, size_t block_bytes) {
    for (size_t i = 0; i < 16 * block_bytes; i += 64) {
        if (src->stride) _mm_prefetch((const char *)src->ahead + i, _MM_HINT_T1);
        else _mm_prefetch((const char *)src->ahead + i, _MM_HINT_T0);
    }
    src->ahead += 16 * block_bytes;
}

/* The 2 bytes at p of 8 rows. Gathering is slower. */
EW_INLINE __m128i load_u16x8(const uint8_t *p, size_t stride) {
    uint16_t u[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) memcpy(&u[r], p + r * stride, 2);
    return _mm_setr_epi16((short)u[0], (short)u[1], (short)u[2], (short)u[3], (short)u[4], (short)u[5], (short)u[6],
                          (short)u[7]);
}

/* The half-precision number at p of 16 rows. */
EW_INLINE __m512 halves_of_rows(const uint8_t *p, size_t stride) {
    __m256i low = _mm256_castsi128_si256(load_u16x8(p, stride));
    return _mm512_cvtph_ps(_mm256_inserti128_si256(low, load_u16x8(p + 8 * stride, stride), 1));
}

EW_INLINE __m512 halves(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
EW_INLINE __m512 low_halves(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }

EW_INLINE __m512i low_nibbles(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
EW_INLINE __m512i high_nibbles(__m512i v) { return low_nibbles(_mm512_srli_epi32(v, 4)); }

/* Byte s of each lane. */
EW_INLINE __m512 byte_of_lane(__m512i v, unsigned s) {
    return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(v, 8 * s), _mm512_set1_epi32(255)));
}

/* q of Q4_0 in 0 … 15, bias 8. */
EW_INLINE void decode_q4_0(struct ew_rows512 src, uint32_t n_cols, ew_emit512 *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g++, src.p += src.stride ? 18 : 18 * 16) {
        struct ew_group512 w;
        prefetch_blocks(&src, 18);
        load_units(src, 2, 32, 4, w.q);
        w.scale[0] = src.stride ? halves_of_rows(src.p, src.stride) : halves(src.p);
        for (int j = 0; j < 4; j++) {
            w.q[j + 4] = high_nibbles(w.q[j]);
            w.q[j] = low_nibbles(w.q[j]);
        }
        emit(state, g, &w);
    }
}

/* q of Q8_0 in 0 … 255, bias 128. */
EW_INLINE void decode_q8_0(struct ew_rows512 src, uint32_t n_cols, ew_emit512 *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g++, src.p += src.stride ? 34 : 34 * 16) {
        struct ew_group512 w;
        prefetch_blocks(&src, 34);
        load_units(src, 2, 32, 8, w.q);
        w.scale[0] = src.stride ? halves_of_rows(src.p, src.stride) : halves(src.p);
        for (int j = 0; j < 8; j++) w.q[j] = _mm512_xor_si512(w.q[j], _mm512_set1_epi8(-128));
        emit(state, g, &w);
    }
}

/* Scales and minima of Q4_K and Q5_K, see ew_unpack_scales_k4: byte s % 4 of scale[s / 4], min[s / 4] is that of
 * sub-block s. */
struct ew_scales512 {
    __m512 d, dmin;
    __m512i scale[2], min[2];
};

EW_INLINE struct ew_scales512 load_scales_k(struct ew_rows512 src) {
    struct ew_scales512 s;
    __m512i u[4];
    if (src.stride) {
        transpose_units(src.p, src.stride, u);
        s.d = low_halves(u[0]);
        s.dmin = low_halves(_mm512_srli_epi32(u[0], 16));
    } else {
        s.d = halves(src.p);
        s.dmin = halves(src.p + 32);
        for (int i = 1; i < 4; i++) u[i] = _mm512_loadu_si512(src.p + 64 * i);
    }
    const __m512i low6 = _mm512_set1_epi8(63), low4 = _mm512_set1_epi8(15), bits45 = _mm512_set1_epi8(48);
    s.scale[0] = _mm512_and_si512(u[1], low6);
    s.min[0] = _mm512_and_si512(u[2], low6);
    s.scale[1] = _mm512_or_si512(_mm512_and_si512(u[3], low4), _mm512_and_si512(_mm512_srli_epi32(u[1], 2), bits45));
    s.min[1] = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(u[3], 4), low4),
                               _mm512_and_si512(_mm512_srli_epi32(u[2], 2), bits45));
    return s;
}

EW_INLINE void emit_sub_block(const struct ew_scales512 *s, unsigned sub, struct ew_group512 *w, uint32_t g,
                              ew_emit512 *emit, void *state) {
    w->scale[0] = _mm512_mul_ps(s->d, byte_of_lane(s->scale[sub / 4], sub % 4));
    w->min = _mm512_mul_ps(s->dmin, byte_of_lane(s->min[sub / 4], sub % 4));
    emit(state, g + sub, w);
}

/* q of Q4_K in 0 … 15, no bias, with minima. */
EW_INLINE void decode_q4_k(struct ew_rows512 src, uint32_t n_cols, ew_emit512 *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 144 : 144 * 16) {
        prefetch_blocks(&src, 144);
        struct ew_scales512 s = load_scales_k(src);
#pragma GCC unroll 4
        for (unsigned pair = 0; pair < 4; pair++) {
            struct ew_group512 w;
            __m512i raw[8];
            load_units(src, 16 + 32 * pair, 256 + 512 * pair, 8, raw);
            for (int j = 0; j < 8; j++) w.q[j] = low_nibbles(raw[j]);
            emit_sub_block(&s, 2 * pair, &w, g, emit, state);
            for (int j = 0; j < 8; j++) w.q[j] = high_nibbles(raw[j]);
            emit_sub_block(&s, 2 * pair + 1, &w, g, emit, state);
        }
    }
}

/* nibbles | (bit `sub` of each byte of high) << 4 */
EW_INLINE __m512i with_fifth_bit(__m512i nibbles, __m512i high, unsigned sub) {
    __m512i at4 = sub < 4 ? _mm512_slli_epi32(high, 4 - sub) : _mm512_srli_epi32(high, sub - 4);
    return _mm512_ternarylogic_epi32(nibbles, at4, _mm512_set1_epi8(16), 0xf8); /* a | (b & c) */
}

/* q of Q5_K in 0 … 31, no bias, with minima. */
EW_INLINE void decode_q5_k(struct ew_rows512 src, uint32_t n_cols, ew_emit512 *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 176 : 176 * 16) {
        prefetch_blocks(&src, 176);
        struct ew_scales512 s = load_scales_k(src);
        __m512i high[8];
        load_units(src, 16, 256, 8, high);
#pragma GCC unroll 4
        for (unsigned pair = 0; pair < 4; pair++) {
            struct ew_group512 w;
            __m512i raw[8];
            load_units(src, 48 + 32 * pair, 768 + 512 * pair, 8, raw);
            for (int j = 0; j < 8; j++) w.q[j] = with_fifth_bit(low_nibbles(raw[j]), high[j], 2 * pair);
            emit_sub_block(&s, 2 * pair, &w, g, emit, state);
            for (int j = 0; j < 8; j++) w.q[j] = with_fifth_bit(high_nibbles(raw[j]), high[j], 2 * pair + 1);
            emit_sub_block(&s, 2 * pair + 1, &w, g, emit, state);
        }
    }
}

EW_INLINE __m512 signed_byte_of_lane(__m512i v, unsigned s) {
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 24 - 8 * s), 24));
}

/* nibbles | (bits 2k, 2k + 1 of each byte of high) << 4 */
EW_INLINE __m512i with_high_bits(__m512i nibbles, __m512i high, unsigned k) {
    __m512i at4 = k < 2 ? _mm512_slli_epi32(high, 4 - 2 * k) : _mm512_srli_epi32(high, 2 * k - 4);
    return _mm512_ternarylogic_epi32(nibbles, at4, _mm512_set1_epi8(48), 0xf8);
}

/* One half (128 columns) of a Q6_K block. */
EW_INLINE void decode_half_q6_k(struct ew_rows512 src, unsigned half, __m512 d, const __m512i scales[4], uint32_t g,
                                ew_emit512 *emit, void *state) {
    __m512i high[8];
    load_units(src, 128 + 32 * half, 288 + 512 * half, 8, high);
#pragma GCC unroll 4
    for (unsigned k = 0; k < 4; k++) {
        struct ew_group512 w;
        load_units(src, 64 * half + 32 * (k % 2), 1312 + 1024 * half + 512 * (k % 2), 8, w.q);
        for (int j = 0; j < 8; j++)
            w.q[j] = with_high_bits(k < 2 ? low_nibbles(w.q[j]) : high_nibbles(w.q[j]), high[j], k);
        unsigned s = 2 * k;
        w.scale[0] = _mm512_mul_ps(d, signed_byte_of_lane(scales[2 * half + s / 4], s % 4));
        w.scale[1] = _mm512_mul_ps(d, signed_byte_of_lane(scales[2 * half + s / 4], s % 4 + 1));
        emit(state, g + 4 * half + k, &w);
    }
}

/* q of Q6_K in 0 … 63, bias 32, a scale per 16 columns. */
EW_INLINE void decode_q6_k(struct ew_rows512 src, uint32_t n_cols, ew_emit512 *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 210 : 210 * 16) {
        prefetch_blocks(&src, 210);
        __m512i scales[4];
        load_units(src, 192, 32, 4, scales);
        __m512 d = src.stride ? halves_of_rows(src.p + 208, src.stride) : halves(src.p);
        decode_half_q6_k(src, 0, d, scales, g, emit, state);
        decode_half_q6_k(src, 1, d, scales, g, emit, state);
    }
}

/* ---- where the rows of a weight are ---- */

typedef void ew_decode512(struct ew_rows512 src, uint32_t n_cols, ew_emit512 *emit, void *state);

/* 16 rows from `row` on at column `col`; a partial set of rows in the file's layout is copied to tail first. */
enum { TAIL_ROW_BYTES = EW_ACT_Q8_COLS / 32 * 34, TAIL_BYTES = 16 * TAIL_ROW_BYTES };

EW_INLINE struct ew_rows512 rows_at(const struct ew_weight *w, uint32_t type, enum ew_layout layout, uint32_t row,
                                    uint32_t n_rows, uint32_t col, uint32_t n_cols, uint8_t tail[TAIL_BYTES]) {
    uint32_t block_elems = type == EW_TYPE_Q4_0 || type == EW_TYPE_Q8_0 ? 32 : 256;
    uint32_t block_bytes = type == EW_TYPE_Q4_0   ? 18
                           : type == EW_TYPE_Q8_0 ? 34
                           : type == EW_TYPE_Q4_K ? 144
                           : type == EW_TYPE_Q5_K ? 176
                                                  : 210;
    size_t row_bytes = (size_t)w->n_in / block_elems * block_bytes;
    size_t offset = (size_t)col / block_elems * block_bytes;
    const uint8_t *data = (const uint8_t *)w->data + row * row_bytes;
    const uint8_t *part = data + 16 * offset;
    if (layout == EW_LAYOUT_R16) return (struct ew_rows512){part, 0, part + AHEAD_BYTES_R16};
    if (n_rows >= 16) return (struct ew_rows512){data + offset, row_bytes, part + 16 * row_bytes};
    size_t bytes = n_cols / block_elems * block_bytes;
    for (uint32_t r = 0; r < 16; r++)
        memcpy(tail + r * TAIL_ROW_BYTES, data + (r < n_rows ? r : 0) * row_bytes + offset, bytes);
    return (struct ew_rows512){tail, TAIL_ROW_BYTES, tail};
}

EW_INLINE __mmask16 lanes_below(uint32_t n) { return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1); }

EW_INLINE __m512i broadcast_bytes(const int8_t *p) {
    int v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

#endif
