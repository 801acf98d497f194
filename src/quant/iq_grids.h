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

/* Codes 0, 1, 2 of IQ2 points are 8, 25, 43. */
static inline void ew_iq2_point(uint16_t point, uint8_t signs, int8_t q[8]) {
    static const int8_t values[4] = {8, 25, 43, 0};
    for (int j = 0; j < 8; j++) {
        int8_t value = values[point >> (2 * j) & 3];
        q[j] = (int8_t)(signs >> j & 1 ? -value : value);
    }
}

/* Scales of IQ2_XS and IQ2_S: a nibble per 16. */
static inline void ew_iq2_set_scales(struct ew_levels *out, float d, const uint8_t nibbles[8]) {
    for (int s = 0; s < EW_LEVEL_GROUPS; s++) {
        out->scale[s] = d * (0.5f + (float)(nibbles[s / 2] >> (4 * (s % 2)) & 15)) * 0.25f;
        out->min[s] = 0;
    }
}

/* Four values of an IQ3 point; the eight codes' values are the type's own. */
static inline void ew_iq3_point(uint16_t point, const int8_t values[8], unsigned signs, int8_t q[4]) {
    for (int j = 0; j < 4; j++) {
        int8_t value = values[point >> (3 * j) & 7];
        q[j] = (int8_t)(signs >> j & 1 ? -value : value);
    }
}

/* Codes 0, 1, 2 of IQ1 points are -1, 0, 1. Eighths of the value moved by shift / 8, so that they are whole numbers. */
static inline void ew_iq1_point(uint16_t point, int shift, int8_t q[8]) {
    for (int j = 0; j < 8; j++) q[j] = (int8_t)(8 * ((point >> (2 * j) & 3) - 1) + shift);
}

#endif
