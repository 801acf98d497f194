/* Owns IQ4_NL: 32 nibbles that choose among sixteen values, and one scale; and the fit that IQ4_XS shares. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq4.h"
#include <math.h>
#include <stdbool.h>

/* The number of the value nearest to x: how many middles between neighbours lie below. */
static unsigned nearest(float x) {
    unsigned at = 0;
    for (unsigned step = 8; step; step /= 2) {
        unsigned up = at + step;
        if (x > 0.5f * (float)(ew_iq4_values[up - 1] + ew_iq4_values[up])) at = up;
    }
    return at;
}

float ew_quant_round_iq4(const float *x, const float *weight, size_t n, float scale, int8_t *value) {
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        value[i] = ew_iq4_values[nearest(x[i] * inverse)];
        float e = scale * (float)value[i] - x[i];
        sum += weight[i] * e * e;
    }
    return sum;
}

/* Where an anchor may come to lie: around either end of the sixteen. */
enum { TRIES_EACH_SIDE = 12, POLISH_ROUNDS = 2 };

struct scale_fit {
    float scale, gain;
};

/* As try_scale of quant/fit.c: the error is sum_xx - sum_xq^2 / sum_qq. */
static bool try_scale(const float *x, const float *weight, size_t n, float inverse, struct scale_fit *best) {
    float sum_xq = 0.0f, sum_qq = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float q = (float)ew_iq4_values[nearest(x[i] * inverse)], wq = weight[i] * q;
        sum_xq += wq * x[i];
        sum_qq += wq * q;
    }
    if (!(sum_xq * sum_xq > best->gain * sum_qq)) return false;
    *best = (struct scale_fit){sum_xq / sum_qq, sum_xq * sum_xq / sum_qq};
    return true;
}

static void try_anchor(const float *x, const float *weight, size_t n, float anchor, struct scale_fit *best) {
    for (int t = -TRIES_EACH_SIDE; t <= TRIES_EACH_SIDE; t++)
        for (int end = 0; end < 16; end += 15) try_scale(x, weight, n, (float)(ew_iq4_values[end] + t) / anchor, best);
}

float ew_quant_fit_iq4(const float *x, const float *weight, size_t n) {
    const struct ew_quant_peaks peaks = ew_quant_find_peaks(x, weight, n);
    if (!(fabsf(peaks.plain) > 0.0f)) return 0.0f;
    struct scale_fit best = {.scale = peaks.plain / (float)ew_iq4_values[0], .gain = -1.0f};
    try_anchor(x, weight, n, peaks.plain, &best);
    if (peaks.weighted != peaks.plain) try_anchor(x, weight, n, peaks.weighted, &best);
    for (int round = 0; round < POLISH_ROUNDS && best.scale != 0.0f; round++)
        if (!try_scale(x, weight, n, 1.0f / best.scale, &best)) break;
    return best.scale;
}

void ew_quant_pack_iq4(const int8_t value[32], uint8_t qs[16]) {
    for (size_t i = 0; i < 16; i++) qs[i] = (uint8_t)(nearest((float)value[i]) | nearest((float)value[i + 16]) << 4);
}

void ew_quant_search_iq4_nl(const float *x, const float *weight, void *dst) {
    struct ew_block_iq4_nl block = {.d = ew_f32_to_f16(ew_quant_fit_iq4(x, weight, EW_QK_SMALL))};
    int8_t value[EW_QK_SMALL];
    ew_quant_round_iq4(x, weight, EW_QK_SMALL, ew_f16_to_f32(block.d), value);
    ew_quant_pack_iq4(value, block.qs);
    memcpy(dst, &block, sizeof block);
}

void ew_quant_unpack_iq4_nl(const void *src, struct ew_levels *out) {
    struct ew_block_iq4_nl block;
    memcpy(&block, src, sizeof block);
    ew_levels_set_values(out->q, block.qs, ew_iq4_values);
    ew_levels_set_scale(out, EW_QK_SMALL, ew_f16_to_f32(block.d));
}
