/* The values of MXFP4's nibbles: sign, two bits of exponent, one of mantissa, doubled so that they are whole. */
#ifndef EW_QUANT_MXFP4_H
#define EW_QUANT_MXFP4_H

#include <stdint.h>

/* Source: OCP Microscaling Formats (MX) 1.0, FP4 E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6. */
static const int8_t ew_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

#endif
