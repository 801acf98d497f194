/* Least-squares fits of integer grids to a few values: what the encoders of several formats share. */
#ifndef EW_QUANT_FIT_H
#define EW_QUANT_FIT_H

#include <stddef.h>
#include <stdint.h>

/* The scale s (either sign) for which x[i] ~ s * q[i], q in -half..half - 1, leaves the least squared error among the
 * grids tried. 0 when all x are 0. */
float ew_quant_fit_scale(const float *x, size_t n, int half);

struct ew_quant_affine {
    float scale, min; /* scale >= 0 */
};
/* Whether a format's minimum can only lower the grid (min >= 0), or move it either way. */
enum ew_offset { EW_OFFSET_DOWN, EW_OFFSET_ANY };

/* The same for x[i] ~ scale * q[i] - min, q in 0..top; n is at most 32. */
struct ew_quant_affine ew_quant_fit_affine(const float *x, size_t n, int top, enum ew_offset offset);

/* A block of 32 with an f16 scale and an f16 offset: x[i] ~ d * q[i] + m, q in 0..top. */
void ew_quant_encode_offset(const float *x, int top, uint16_t *d, uint16_t *m, int q[32]);

/* round(x) to nearest, within low..high; low for NaN. */
int ew_quant_round(float x, int low, int high);

#endif
