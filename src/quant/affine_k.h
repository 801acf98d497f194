/* What Q4_K and Q5_K share: they differ only in how many levels a value has. */
#ifndef EW_QUANT_AFFINE_K_H
#define EW_QUANT_AFFINE_K_H

#include "quant/levels.h"

struct ew_quant_affine_k {
    uint16_t d, dmin; /* f16 */
    uint8_t scales[12];
    uint8_t levels[EW_QK_SUPER]; /* 0..top */
};

/* Scales and minima of 6 bits for 8 sub-blocks of 32, and the levels that suit them. */
void ew_quant_search_affine_k(const float *x, const float *weight, int top, struct ew_quant_affine_k *out);

/* Scales and minima of a block's levels. */
void ew_quant_unpack_affine_k(uint16_t d, uint16_t dmin, const uint8_t packed[12], struct ew_levels *out);

#endif
