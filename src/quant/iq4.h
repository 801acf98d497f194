/* What IQ4_NL and IQ4_XS share: sixteen values that lie closer together near zero, where most weights are. */
#ifndef EW_QUANT_IQ4_H
#define EW_QUANT_IQ4_H

#include <stddef.h>
#include <stdint.h>

/* Source: the published table of ggml (ggml-common.h: kvalues_iq4nl), which is the format. */
static const int8_t ew_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* The scale (either sign) at which x[i] ~ scale * values leaves the least squared error among those tried; 0 when all
 * x are 0. */
float ew_quant_fit_iq4(const float *x, size_t n);

/* Squared error of n values at a scale; the numbers of the nearest values go to q. */
float ew_quant_round_iq4(const float *x, size_t n, float scale, uint8_t *q);

#endif
