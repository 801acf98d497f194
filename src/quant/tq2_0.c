/* Owns TQ2_0: 256 values of -1, 0 and 1 in two bits each and one scale; and the fit that TQ1_0 shares. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/ternary.h"
#include <math.h>
#include <stdlib.h>

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* When the k largest magnitudes become ±d and the others 0, d is their mean and the error falls by (sum of them)² / k:
 * the best k is found by trying all. */
uint16_t ew_quant_fit_ternary(const float *x, uint8_t q[256]) {
    float magnitude[EW_QK_SUPER];
    for (size_t i = 0; i < EW_QK_SUPER; i++) magnitude[i] = fmaxf(fabsf(x[i]), 0.0f); /* 0 for a NaN: it has no order */
    qsort(magnitude, EW_QK_SUPER, sizeof *magnitude, descending);
    double sum = 0, best_gain = 0, best_scale = 0;
    for (size_t k = 0; k < EW_QK_SUPER; k++) {
        sum += (double)magnitude[k];
        double gain = sum * sum / (double)(k + 1);
        if (!(gain > best_gain)) continue;
        best_gain = gain;
        best_scale = sum / (double)(k + 1);
    }
    uint16_t d = ew_f32_to_f16((float)best_scale);
    float middle = 0.5f * ew_f16_to_f32(d);
    for (size_t i = 0; i < EW_QK_SUPER; i++) q[i] = (uint8_t)(x[i] > middle ? 2 : x[i] < -middle ? 0 : 1);
    return d;
}

void ew_quant_encode_tq2_0(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SUPER; b++) {
        struct ew_block_tq2_0 block = {0};
        uint8_t q[EW_QK_SUPER];
        block.d = ew_quant_fit_ternary(src + b * EW_QK_SUPER, q);
        for (size_t i = 0; i < EW_QK_SUPER; i++)
            block.qs[i / 128 * 32 + i % 32] |= (uint8_t)(q[i] << (i % 128 / 32 * 2));
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

void ew_quant_unpack_tq2_0(const void *src, struct ew_levels *out) {
    struct ew_block_tq2_0 block;
    memcpy(&block, src, sizeof block);
    ew_levels_set_scale(out, EW_QK_SUPER, ew_f16_to_f32(block.d));
    for (size_t run = 0; run < 8; run++) /* of 32 elements: a loop that compilers turn into vectors */
        for (size_t i = 0; i < 32; i++)
            out->q[32 * run + i] = (int8_t)((block.qs[run / 4 * 32 + i] >> (run % 4 * 2) & 3) - 1);
}
