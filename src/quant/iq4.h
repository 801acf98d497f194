/* What IQ4_NL and IQ4_XS share: sixteen values that lie closer together near zero, where most weights are. */
#ifndef EW_QUANT_IQ4_H
#define EW_QUANT_IQ4_H

#include <stddef.h>
#include <stdint.h>

/* Source: the published table of ggml (ggml-common.h: kvalues_iq4nl), which is the format. */
static const int8_t ew_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* The scale (either sign) at which x[i] ~ scale * values leaves the least weighted error (quant/fit.h) among those
 * tried; 0 when all x are 0. */
float ew_quant_fit_iq4(const float *x, const float *weight, size_t n);

/* Weighted squared error of n values at a scale; the nearest of the sixteen go to value. */
float ew_quant_round_iq4(const float *x, const float *weight, size_t n, float scale, int8_t *value);

/* 32 of the sixteen values as nibbles. */
void ew_quant_pack_iq4(const int8_t value[32], uint8_t qs[16]);

#endif
