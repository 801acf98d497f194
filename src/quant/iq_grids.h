/* The codebooks of the IQ1, IQ2 and IQ3 types: points of eight or four values, each value a small code. The tables are
 * in iq1_grid.c, iq2_grid.c and iq3_grid.c; the types that use them in their own files. Value 0 of a point has the
 * lowest bits. */
#ifndef EW_QUANT_IQ_GRIDS_H
#define EW_QUANT_IQ_GRIDS_H

#include "quant/levels.h"
#include <stdint.h>

extern const uint16_t ew_iq1_grid[2048];
extern const uint16_t ew_iq2_xxs_grid[256], ew_iq2_xs_grid[512], ew_iq2_s_grid[1024];
extern const uint16_t ew_iq3_xxs_grid[256], ew_iq3_s_grid[512];

/* Eight signs of which seven bits are stored: the number of minus signs is even. */
static inline uint8_t ew_iq_signs(uint32_t seven) {
    return (uint8_t)((seven & 127) | (uint32_t)__builtin_parity(seven & 127) << 7);
}

/* Points become bytes eight at a time in one 64-bit word: a loop over codes takes several times as long. Times these
 * ones, a byte is in all places. */
static const uint64_t ew_iq_ones = 0x0101010101010101u;

/* Eight 2-bit codes, one per byte. */
static inline uint64_t ew_iq_spread_pairs(uint64_t codes) {
    codes = (codes | codes << 24) & 0x000000ff000000ffu;
    codes = (codes | codes << 12) & 0x000f000f000f000fu;
    return (codes | codes << 6) & 0x0303030303030303u;
}

/* Turns the sign of the bytes that bits of signs name; no byte is 0, so that nothing carries into the next. */
static inline uint64_t ew_iq_negate(uint64_t bytes, uint64_t signs) {
    uint64_t bit = signs * ew_iq_ones & 0x8040201008040201u;
    uint64_t one = (bit + 0x7f * ew_iq_ones) >> 7 & ew_iq_ones; /* bit != 0 */
    return (bytes ^ one * 255) + one;
}

/* Codes 0, 1, 2 of IQ2 points are 8, 25, 43: 8 + 17 c + (c == 2). */
static inline void ew_iq2_point(uint16_t point, uint8_t signs, int8_t q[8]) {
    uint64_t c = ew_iq_spread_pairs(point);
    uint64_t bytes = ew_iq_negate(8 * ew_iq_ones + 17 * c + (c >> 1 & ew_iq_ones), signs);
    memcpy(q, &bytes, sizeof bytes);
}

/* Scales of IQ2_XS and IQ2_S: a nibble per 16. */
static inline void ew_iq2_set_scales(struct ew_levels *out, float d, const uint8_t nibbles[8]) {
    for (int s = 0; s < EW_LEVEL_GROUPS; s++) {
        out->scale[s] = d * (0.5f + (float)(nibbles[s / 2] >> (4 * (s % 2)) & 15)) * 0.25f;
        out->min[s] = 0;
    }
}

/* Eight 3-bit codes of two IQ3 points, one per byte. */
static inline uint64_t ew_iq3_codes(uint64_t first, uint64_t second) {
    uint64_t codes = first | second << 32;
    codes = (codes | codes << 10) & 0x003f003f003f003fu;
    return (codes | codes << 5) & 0x0707070707070707u;
}

/* Eighths of an IQ1 point, whose codes 0, 1, 2 are -1, 0, 1, moved by shift (1 or -1) eighths: whole numbers. The sum
 * is taken without the top bits, which are then put right. */
static inline void ew_iq1_point(uint16_t point, int shift, int8_t q[8]) {
    uint64_t a = ew_iq_spread_pairs(point) << 3, b = (uint64_t)(uint8_t)(shift - 8) * ew_iq_ones;
    uint64_t bytes = (a + (b & 0x7f * ew_iq_ones)) ^ (b & 0x80 * ew_iq_ones);
    memcpy(q, &bytes, sizeof bytes);
}

#endif
