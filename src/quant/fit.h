/* Least-squares fits of integer grids to a few values: what the encoders of several formats share. All of them minimise
 * Σ weight[i] * error[i]²; weights are positive and their mean is about 1 (quantize.c sees to that). */
#ifndef EW_QUANT_FIT_H
#define EW_QUANT_FIT_H

#include <stddef.h>
#include <stdint.h>

/* The scale s (either sign) for which x[i] ~ s * q[i], q in -half..half - 1, leaves the least error among the grids
 * tried. 0 when all x are 0. */
float ew_quant_fit_scale(const float *x, const float *weight, size_t n, int half);

/* The weighted error of n values at a step of either sign; the levels that leave it, -half..half - 1, go to q. */
float ew_quant_round_scaled(const float *x, const float *weight, size_t n, int half, float step, int8_t *q);

struct ew_quant_affine {
    float scale, min; /* scale >= 0 */
};
/* Whether a format's minimum can only lower the grid (min >= 0), or move it either way. */
enum ew_offset { EW_OFFSET_DOWN, EW_OFFSET_ANY };

/* The same for x[i] ~ scale * q[i] - min, q in 0..top; n is at most 32. */
struct ew_quant_affine ew_quant_fit_affine(const float *x, const float *weight, size_t n, int top,
                                           enum ew_offset offset);

/* A block of 32 with an f16 scale and an f16 offset: x[i] ~ d * q[i] + m, q in 0..top. */
void ew_quant_encode_offset(const float *x, const float *weight, int top, uint16_t *d, uint16_t *m, int q[32]);

/* The value of largest magnitude, with its sign; and that of largest sqrt(weight) * magnitude, which a grid should
 * reach even where it cuts off the other. The same one where all weights are equal. */
struct ew_quant_peaks {
    float plain, weighted;
};
struct ew_quant_peaks ew_quant_find_peaks(const float *x, const float *weight, size_t n);

/* round(x) to nearest, within low..high; low for NaN. */
int ew_quant_round(float x, int low, int high);

#endif
