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
