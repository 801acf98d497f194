/* The bytes of quantized blocks, as GGUF files hold them: one struct per format, no padding, little-endian.
 * x[i] is element i of a block; f16 fields are raw bits (quant/half.h converts). A file's tensor data is aligned to
 * its alignment key (32 by default), but rows of 2-byte aligned blocks need not be: load through memcpy or unaligned
 * vector loads. Source: GGUF specification, ggml block formats. */
#ifndef EW_QUANT_BLOCKS_H
#define EW_QUANT_BLOCKS_H

#include <assert.h>
#include <stdint.h>

enum { EW_QK_SMALL = 32, EW_QK_SUPER = 256 };

/* x[i] = d * qs[i]. */
struct ew_block_q8_0 {
    uint16_t d; /* f16 */
    int8_t qs[32];
};
static_assert(sizeof(struct ew_block_q8_0) == 34, "Q8_0 is 34 bytes");

/* x[i] = d * (q - 8); q of x[0..15] are the low nibbles of qs[0..15], of x[16..31] the high nibbles. */
struct ew_block_q4_0 {
    uint16_t d; /* f16 */
    uint8_t qs[16];
};
static_assert(sizeof(struct ew_block_q4_0) == 18, "Q4_0 is 18 bytes");

/* x[i] = d * q + m; nibbles as in Q4_0. */
struct ew_block_q4_1 {
    uint16_t d, m; /* f16 */
    uint8_t qs[16];
};
static_assert(sizeof(struct ew_block_q4_1) == 20, "Q4_1 is 20 bytes");

/* x[i] = d * (q - 16), q in 0..31: nibbles as in Q4_0, bit i of qh is the fifth bit of element i. */
struct ew_block_q5_0 {
    uint16_t d; /* f16 */
    uint8_t qh[4];
    uint8_t qs[16];
};
static_assert(sizeof(struct ew_block_q5_0) == 22, "Q5_0 is 22 bytes");

/* x[i] = d * q + m, q in 0..31 as in Q5_0. */
struct ew_block_q5_1 {
    uint16_t d, m; /* f16 */
    uint8_t qh[4];
    uint8_t qs[16];
};
static_assert(sizeof(struct ew_block_q5_1) == 24, "Q5_1 is 24 bytes");

/* x[i] = d * ew_iq4_values[q] (quant/iq4.h); nibbles q as in Q4_0. */
struct ew_block_iq4_nl {
    uint16_t d; /* f16 */
    uint8_t qs[16];
};
static_assert(sizeof(struct ew_block_iq4_nl) == 18, "IQ4_NL is 18 bytes");

/* x[i] = 2^(e - 128) * ew_mxfp4_values[q] (quant/mxfp4.h); nibbles q as in Q4_0. Source: OCP Microscaling Formats 1.0,
 * MXFP4, whose values are half of these. */
struct ew_block_mxfp4 {
    uint8_t e;
    uint8_t qs[16];
};
static_assert(sizeof(struct ew_block_mxfp4) == 17, "MXFP4 is 17 bytes");

/* 16 sub-blocks s of 16: x = d * (scales[s] & 15) * q - dmin * (scales[s] >> 4), q in 0..3.
 * Element 128h + 32k + l (h 0..1, k 0..3, l 0..31) has its two bits at bits 2k of qs[32h + l]. */
struct ew_block_q2_k {
    uint8_t scales[16];
    uint8_t qs[64];
    uint16_t d, dmin; /* f16 */
};
static_assert(sizeof(struct ew_block_q2_k) == 84, "Q2_K is 84 bytes");

/* 16 sub-blocks s of 16: x = d * (scale[s] - 32) * (q - 4), q in 0..7: two low bits as in Q2_K, bit 4h + k of hmask[l]
 * is the third bit of element 128h + 32k + l. Scales are 6 bits each, packed in scales[12] (ew_unpack_scales_q3_k). */
struct ew_block_q3_k {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12];
    uint16_t d; /* f16 */
};
static_assert(sizeof(struct ew_block_q3_k) == 110, "Q3_K is 110 bytes");

/* 8 sub-blocks s of 32: x = d * scale[s] * q - dmin * min[s], q in 0..15.
 * Scales and minima are 6 bits each, packed in scales[12] (ew_unpack_scales_k4).
 * qs[32 * p + l]: low nibble is element l of sub-block 2p, high nibble element l of sub-block 2p + 1. */
struct ew_block_q4_k {
    uint16_t d;    /* f16: scale of the scales */
    uint16_t dmin; /* f16: scale of the minima */
    uint8_t scales[12];
    uint8_t qs[128];
};
static_assert(sizeof(struct ew_block_q4_k) == 144, "Q4_K is 144 bytes");

/* As Q4_K with q in 0..31: bit s of qh[l] is the fifth bit of element l of sub-block s. */
struct ew_block_q5_k {
    uint16_t d;
    uint16_t dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
};
static_assert(sizeof(struct ew_block_q5_k) == 176, "Q5_K is 176 bytes");

/* 16 sub-blocks s of 16: x = d * scales[s] * (q - 32), q in 0..63.
 * Each half h (0, 1) of 128 elements has ql[64h..], qh[32h..], scales[8h..]; with l in 0..31, k in 0..3, element
 * 128h + 32k + l has low four bits in nibble (k / 2) of ql[64h + 32 * (k % 2) + l] and high two bits in bits
 * 2k, 2k + 1 of qh[32h + l]. */
struct ew_block_q6_k {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    uint16_t d; /* f16 */
};
static_assert(sizeof(struct ew_block_q6_k) == 210, "Q6_K is 210 bytes");

/* 8 sub-blocks s of 32: x = d * (scale[s] - 32) * ew_iq4_values[q] (quant/iq4.h). Low four bits of scale[s] are nibble
 * s % 2 of scales_l[s / 2], its upper two bits 2s of scales_h. Nibbles of qs[16s..] as in Q4_0. */
struct ew_block_iq4_xs {
    uint16_t d; /* f16 */
    uint16_t scales_h;
    uint8_t scales_l[4];
    uint8_t qs[128];
};
static_assert(sizeof(struct ew_block_iq4_xs) == 136, "IQ4_XS is 136 bytes");

/* ---- codebooks: a number stands for a point of 8 or 4 values (quant/iq_grids.h) ----
 * Signs: bit j of a sign byte negates value j. Where only seven bits are stored, the eighth makes their number even. */

/* 8 sub-blocks of 32: x = d * (s + 1/2) / 4 * point. qs[8g..]: four point numbers, then a little-endian word of four
 * times seven sign bits and, on top, the four bits of s. */
struct ew_block_iq2_xxs {
    uint16_t d; /* f16 */
    uint8_t qs[64];
};
static_assert(sizeof(struct ew_block_iq2_xxs) == 66, "IQ2_XXS is 66 bytes");

/* 16 sub-blocks s of 16: x = d * (nibble s of scales + 1/2) / 4 * point. qs[p]: point number (9 bits), seven sign
 * bits. */
struct ew_block_iq2_xs {
    uint16_t d; /* f16 */
    uint16_t qs[32];
    uint8_t scales[8];
};
static_assert(sizeof(struct ew_block_iq2_xs) == 74, "IQ2_XS is 74 bytes");

/* As IQ2_XS with all sign bits: low byte of the number of point p in qs[p], its upper two bits at 2 * (p % 4) of
 * qh[p / 4]. */
struct ew_block_iq2_s {
    uint16_t d; /* f16 */
    uint8_t qs[32];
    uint8_t signs[32];
    uint8_t qh[8];
    uint8_t scales[8];
};
static_assert(sizeof(struct ew_block_iq2_s) == 82, "IQ2_S is 82 bytes");

/* 8 sub-blocks g of 32: x = d * (s + 1/2) / 2 * point, points of four values; signs and s in words[g] as in IQ2_XXS. */
struct ew_block_iq3_xxs {
    uint16_t d; /* f16 */
    uint8_t qs[64];
    uint8_t words[32];
};
static_assert(sizeof(struct ew_block_iq3_xxs) == 98, "IQ3_XXS is 98 bytes");

/* 8 sub-blocks g of 32: x = d * (1 + 2 * nibble g of scales) * point, points of four values: low byte of the number of
 * point p in qs[p], its ninth bit at p % 8 of qh[p / 8]. */
struct ew_block_iq3_s {
    uint16_t d; /* f16 */
    uint8_t qs[64];
    uint8_t qh[8];
    uint8_t signs[32];
    uint8_t scales[4];
};
static_assert(sizeof(struct ew_block_iq3_s) == 110, "IQ3_S is 110 bytes");

/* 8 sub-blocks g of 32: x = d * (2s + 1) * (point ± 1/8). qh[g]: the upper three bits of four point numbers, the three
 * bits of s, and the bit that says minus. */
struct ew_block_iq1_s {
    uint16_t d; /* f16 */
    uint8_t qs[32];
    uint16_t qh[8];
};
static_assert(sizeof(struct ew_block_iq1_s) == 50, "IQ1_S is 50 bytes");

/* 16 sub-blocks s of 16: x = d * (2 * scale[s] + 1) * (point ± 1/8). Nibble p of qh: the upper three bits of the number
 * of point p, then the bit that says minus. scales: four words of four 3-bit scales and four bits of d, which is f16.
 */
struct ew_block_iq1_m {
    uint8_t qs[32];
    uint8_t qh[16];
    uint16_t scales[4];
};
static_assert(sizeof(struct ew_block_iq1_m) == 56, "IQ1_M is 56 bytes");

/* ---- ternary ---- */

/* x = d * (digit - 1). A byte b holds five digits of base 3, the first on top: digit n is 3 * (3^n b mod 256) / 256.
 * Bytes 0..31 hold elements 32n + m, bytes 32..47 elements 160 + 16n + m, bytes 48..51 elements 240 + 4n + m (n < 4).
 */
struct ew_block_tq1_0 {
    uint8_t qs[52];
    uint16_t d; /* f16 */
};
static_assert(sizeof(struct ew_block_tq1_0) == 54, "TQ1_0 is 54 bytes");

/* x = d * (q - 1); bits as in Q2_K. */
struct ew_block_tq2_0 {
    uint8_t qs[64];
    uint16_t d; /* f16 */
};
static_assert(sizeof(struct ew_block_tq2_0) == 66, "TQ2_0 is 66 bytes");

/* ---- packed fields ---- */

/* The sixteen 6-bit scales of Q3_K: low nibbles of bytes 0..7 are those of scales 0..7, high nibbles of 8..15; bits
 * 2 * (s / 4) of byte 8 + s % 4 are the upper two of scale s. */
static inline void ew_unpack_scales_q3_k(const uint8_t packed[12], uint8_t scale[16]) {
    for (int s = 0; s < 16; s++)
        scale[s] = (uint8_t)((packed[s % 8] >> (s / 8 * 4) & 15) | (packed[8 + s % 4] >> (s / 4 * 2) & 3) << 4);
}

static inline void ew_pack_scales_q3_k(const uint8_t scale[16], uint8_t packed[12]) {
    for (int i = 0; i < 8; i++) packed[i] = (uint8_t)((scale[i] & 15) | (scale[i + 8] & 15) << 4);
    for (int i = 0; i < 4; i++)
        packed[8 + i] =
            (uint8_t)(scale[i] >> 4 | scale[i + 4] >> 4 << 2 | scale[i + 8] >> 4 << 4 | scale[i + 12] >> 4 << 6);
}

/* Five bits per value, as Q5_0 and Q5_1 have them; zero is what means 0. */
static inline void ew_unpack_five_bits(const uint8_t qh[4], const uint8_t qs[16], int zero, int8_t q[32]) {
    for (int i = 0; i < 32; i++) {
        int low = qs[i % 16] >> (i / 16 * 4) & 15, high = qh[i / 8] >> (i % 8) & 1;
        q[i] = (int8_t)((low | high << 4) - zero);
    }
}

static inline void ew_pack_five_bits(const int q[32], uint8_t qh[4], uint8_t qs[16]) {
    for (int i = 0; i < 32; i++) {
        qs[i % 16] |= (uint8_t)((q[i] & 15) << (i / 16 * 4));
        qh[i / 8] |= (uint8_t)(q[i] >> 4 << (i % 8));
    }
}

/* The eight 6-bit scales and minima of Q4_K and Q5_K. Bytes 0..3 hold scales 0..3 and bytes 4..7 minima 0..3 in their
 * low six bits; bytes 8..11 hold the low nibbles of scales 4..7 (low) and minima 4..7 (high), whose upper two bits are
 * the upper two of bytes 0..3 (scales) and 4..7 (minima). */
static inline void ew_unpack_scales_k4(const uint8_t packed[12], uint8_t scale[8], uint8_t min[8]) {
    for (int s = 0; s < 4; s++) {
        scale[s] = packed[s] & 63;
        min[s] = packed[s + 4] & 63;
        scale[s + 4] = (uint8_t)((packed[s + 8] & 15) | (packed[s] >> 6 << 4));
        min[s + 4] = (uint8_t)(packed[s + 8] >> 4 | (packed[s + 4] >> 6 << 4));
    }
}

static inline void ew_pack_scales_k4(const uint8_t scale[8], const uint8_t min[8], uint8_t packed[12]) {
    for (int s = 0; s < 4; s++) {
        packed[s] = (uint8_t)(scale[s] | (scale[s + 4] >> 4 << 6));
        packed[s + 4] = (uint8_t)(min[s] | (min[s + 4] >> 4 << 6));
        packed[s + 8] = (uint8_t)((scale[s + 4] & 15) | (min[s + 4] & 15) << 4);
    }
}

#endif
