/* What TQ1_0 and TQ2_0 share: the scale of values that are only -1, 0 and 1. */
#ifndef EW_QUANT_TERNARY_H
#define EW_QUANT_TERNARY_H

#include <stddef.h>
#include <stdint.h>

/* The scale d >= 0 for which x[256] ~ d * (q - 1), q in 0..2, leaves the least squared error, as f16, with the q for
 * it. Weights that are ternary already come back unchanged but for the rounding of d. */
uint16_t ew_quant_fit_ternary(const float *x, uint8_t q[256]);

#endif
