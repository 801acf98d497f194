/* A block as what kernels multiply: whole numbers with a scale and a minimum per 16 of them. One unpacker per block
 * format, exact: every format's numbers fit a signed byte, and scale and minimum are those that the format defines.
 *
 *     x[i] = scale[i / 16] * q[i] - min[i / 16]
 *
 * Blocks of fewer than 256 elements fill the front. Blocks need no alignment. */
#ifndef EW_QUANT_LEVELS_H
#define EW_QUANT_LEVELS_H

#include "quant/blocks.h"
#include <string.h>

enum { EW_LEVEL_GROUP = 16, EW_LEVEL_GROUPS = EW_QK_SUPER / EW_LEVEL_GROUP };

struct ew_levels {
    int8_t q[EW_QK_SUPER];
    float scale[EW_LEVEL_GROUPS];
    float min[EW_LEVEL_GROUPS];
};

typedef void ew_levels_fn(const void *block, struct ew_levels *out);

/* The unpacker of a type; NULL for types without blocks and those that have no decoder. */
ew_levels_fn *ew_quant_levels(uint32_t type);

/* The same scale for all n elements, and no minimum. */
static inline void ew_levels_set_scale(struct ew_levels *out, size_t n, float scale) {
    for (size_t i = 0; i < n / EW_LEVEL_GROUP; i++) {
        out->scale[i] = scale;
        out->min[i] = 0;
    }
}

/* Low nibbles are elements 0 … 15, high ones 16 … 31; zero is the nibble that means 0. */
static inline void ew_levels_set_nibbles(int8_t q[32], const uint8_t bytes[16], int zero) {
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)((bytes[i] & 15) - zero);
        q[i + 16] = (int8_t)((bytes[i] >> 4) - zero);
    }
}

/* Nibbles in the same order that choose among sixteen values. */
static inline void ew_levels_set_values(int8_t q[32], const uint8_t bytes[16], const int8_t values[16]) {
    for (int i = 0; i < 16; i++) {
        q[i] = values[bytes[i] & 15];
        q[i + 16] = values[bytes[i] >> 4];
    }
}

/* One scale for elements 32 * group … + 31, and no minimum. */
static inline void ew_levels_set_group(struct ew_levels *out, size_t group, float scale) {
    for (size_t i = 2 * group; i < 2 * group + 2; i++) {
        out->scale[i] = scale;
        out->min[i] = 0;
    }
}

#endif
