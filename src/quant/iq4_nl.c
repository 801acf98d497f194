/* Owns IQ4_NL: 32 nibbles that choose among sixteen values, and one scale; and the fit that IQ4_XS shares. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq4.h"
#include <math.h>

/* The number of the value nearest to x: how many middles between neighbours lie below. */
static unsigned nearest(float x) {
    unsigned at = 0;
    for (unsigned step = 8; step; step /= 2) {
        unsigned up = at + step;
        if (x > 0.5f * (float)(ew_iq4_values[up - 1] + ew_iq4_values[up])) at = up;
    }
    return at;
}

float ew_quant_round_iq4(const float *x, size_t n, float scale, uint8_t *q) {
    float inverse = scale != 0.0f ? 1.0f / scale : 0.0f, sum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        q[i] = (uint8_t)nearest(x[i] * inverse);
        float e = scale * (float)ew_iq4_values[q[i]] - x[i];
        sum += e * e;
    }
    return sum;
}

/* Where the value of largest magnitude may come to lie: around either end of the sixteen. */
enum { TRIES_EACH_SIDE = 12 };

float ew_quant_fit_iq4(const float *x, size_t n) {
    float peak = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(peak)) peak = x[i];
    if (!(fabsf(peak) > 0.0f)) return 0.0f;
    float best_scale = peak / (float)ew_iq4_values[0], best_gain = -1.0f;
    for (int t = -TRIES_EACH_SIDE; t <= TRIES_EACH_SIDE; t++) {
        for (int end = 0; end < 16; end += 15) {
            float inverse = (float)(ew_iq4_values[end] + t) / peak;
            float sum_xq = 0.0f, sum_qq = 0.0f;
            for (size_t i = 0; i < n; i++) {
                float q = (float)ew_iq4_values[nearest(x[i] * inverse)];
                sum_xq += x[i] * q;
                sum_qq += q * q;
            }
            /* As in ew_quant_fit_scale: the error is sum_xx - sum_xq^2 / sum_qq. */
            if (sum_xq * sum_xq <= best_gain * sum_qq) continue;
            best_gain = sum_xq * sum_xq / sum_qq;
            best_scale = sum_xq / sum_qq;
        }
    }
    return best_scale;
}

void ew_quant_encode_iq4_nl(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SMALL; b++, src += EW_QK_SMALL) {
        struct ew_block_iq4_nl block = {.d = ew_f32_to_f16(ew_quant_fit_iq4(src, EW_QK_SMALL))};
        uint8_t q[EW_QK_SMALL];
        ew_quant_round_iq4(src, EW_QK_SMALL, ew_f16_to_f32(block.d), q);
        for (size_t i = 0; i < 16; i++) block.qs[i] = (uint8_t)(q[i] | q[i + 16] << 4);
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

void ew_quant_unpack_iq4_nl(const void *src, struct ew_levels *out) {
    struct ew_block_iq4_nl block;
    memcpy(&block, src, sizeof block);
    ew_levels_set_values(out->q, block.qs, ew_iq4_values);
    ew_levels_set_scale(out, EW_QK_SMALL, ew_f16_to_f32(block.d));
}
