/* Least-squares fits of integer grids to a few values: what the encoders of several formats share. */
#ifndef EW_QUANT_FIT_H
#define EW_QUANT_FIT_H

#include <stddef.h>

/* The scale s (either sign) for which x[i] ~ s * q[i], q in -half..half - 1, leaves the least squared error among the
 * grids tried. 0 when all x are 0. */
float ew_quant_fit_scale(const float *x, size_t n, int half);

struct ew_quant_affine {
    float scale, min; /* both >= 0 */
};

/* The same for x[i] ~ scale * q[i] - min, q in 0..top. */
struct ew_quant_affine ew_quant_fit_affine(const float *x, size_t n, int top);

/* round(x) to nearest, within low..high; low for NaN. */
int ew_quant_round(float x, int low, int high);

#endif
