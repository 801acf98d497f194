/* The search for the scales of super-blocks: each sub-block has a small whole number as its scale, which multiplies one
 * float for all 256 values. Rounding those numbers costs nearly as much as rounding the values, so the search goes
 * around: numbers for a given float, levels for given numbers, the float that fits both best; as long as it helps.
 * Errors are weighted as in quant/fit.h. Source: coordinate descent on the formats' own definitions. */
#ifndef EW_QUANT_SUPER_SEARCH_H
#define EW_QUANT_SUPER_SEARCH_H

#include "quant/levels.h"

/* x[i] ~ d * scale[i / sub] * q[i] */
struct ew_quant_scaled_format {
    size_t sub;      /* values of a sub-block: 16 or 32 */
    int least, most; /* of scale; -least is the larger magnitude */
    /* The step that suits n values best, of either sign. */
    float (*fit)(const float *x, const float *weight, size_t n);
    /* The error of n values at a step; out: the q that leave it, multiples of the step. */
    float (*round)(const float *x, const float *weight, size_t n, float step, int8_t *q);
};

struct ew_quant_scaled {
    uint16_t d; /* f16 */
    int8_t scale[EW_LEVEL_GROUPS];
    int8_t q[EW_QK_SUPER];
};

void ew_quant_search_scaled(const struct ew_quant_scaled_format *format, const float *x, const float *weight,
                            struct ew_quant_scaled *out);

/* x[i] ~ d * scale[i / sub] * q[i] - dmin * min[i / sub] */
struct ew_quant_affine_format {
    size_t sub;
    int top;  /* q is 0..top */
    int most; /* scale and min are 0..most */
};

struct ew_quant_affine_super {
    uint16_t d, dmin; /* f16 */
    uint8_t scale[EW_LEVEL_GROUPS], min[EW_LEVEL_GROUPS];
    uint8_t q[EW_QK_SUPER];
};

void ew_quant_search_affine(const struct ew_quant_affine_format *format, const float *x, const float *weight,
                            struct ew_quant_affine_super *out);

#endif
