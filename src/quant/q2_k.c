/* Owns Q2_K: 16 sub-blocks of 16 two-bit values, each with a 4-bit scale and a 4-bit minimum. So few bits make the
 * rounding of scales and minima cost as much as that of values: they are chosen together. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"
#include <math.h>

enum { SUBS = 16, SUB = 16, TOP = 3, MOST = 15, ROUNDS = 3 };

/* Squared error of a sub-block at a step and an offset; its levels go to q. */
static float quantize_sub(const float *x, float step, float offset, uint8_t q[SUB]) {
    float sum = 0.0f;
    for (size_t i = 0; i < SUB; i++) {
        q[i] = (uint8_t)(step > 0.0f ? ew_quant_round((x[i] + offset) / step, 0, TOP) : 0);
        float e = step * (float)q[i] - offset - x[i];
        sum += e * e;
    }
    return sum;
}

/* The scale and the minimum among the neighbours of (scale, min) that leave the least error. */
static void choose_neighbour(const float *x, float d, float dmin, int scale, int min, uint8_t *packed, uint8_t q[SUB]) {
    float best = INFINITY;
    for (int s = scale > 0 ? scale - 1 : 0; s <= scale + 1 && s <= MOST; s++) {
        for (int m = min > 0 ? min - 1 : 0; m <= min + 1 && m <= MOST; m++) {
            uint8_t tried[SUB];
            float error = quantize_sub(x, d * (float)s, dmin * (float)m, tried);
            if (!(error < best)) continue;
            best = error;
            *packed = (uint8_t)(s | m << 4);
            memcpy(q, tried, sizeof tried);
        }
    }
}

/* d and dmin that fit best what was chosen: the least-squares solution of x ~ d * (s q) - dmin * m. */
static void refit(const float *x, const uint8_t scales[SUBS], const uint8_t q[EW_QK_SUPER], float *d, float *dmin) {
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        double a = (scales[i / SUB] & 15) * q[i], b = scales[i / SUB] >> 4;
        aa += a * a;
        ab += a * b;
        bb += b * b;
        ax += a * (double)x[i];
        bx += b * (double)x[i];
    }
    double determinant = aa * bb - ab * ab;
    if (!(determinant > 0)) return;
    double fitted_d = (ax * bb - bx * ab) / determinant, fitted_dmin = (ax * ab - bx * aa) / determinant;
    if (!(fitted_d > 0) || !(fitted_dmin > 0)) return;
    *d = (float)fitted_d;
    *dmin = (float)fitted_dmin;
}

static void encode_block(const float *x, struct ew_block_q2_k *block) {
    struct ew_quant_affine fit[SUBS];
    uint8_t q[EW_QK_SUPER] = {0}; /* stays so where errors are no numbers */
    float d = 0.0f, dmin = 0.0f;
    for (size_t s = 0; s < SUBS; s++) {
        fit[s] = ew_quant_fit_affine(x + SUB * s, SUB, TOP, EW_OFFSET_DOWN);
        d = fmaxf(d, fit[s].scale / MOST);
        dmin = fmaxf(dmin, fit[s].min / MOST);
    }
    for (int round = 0; round < ROUNDS; round++) {
        block->d = ew_f32_to_f16(d);
        block->dmin = ew_f32_to_f16(dmin);
        d = ew_f16_to_f32(block->d);
        dmin = ew_f16_to_f32(block->dmin);
        for (size_t s = 0; s < SUBS; s++) {
            int scale = d > 0.0f ? ew_quant_round(fit[s].scale / d, 0, MOST) : 0;
            int min = dmin > 0.0f ? ew_quant_round(fit[s].min / dmin, 0, MOST) : 0;
            choose_neighbour(x + SUB * s, d, dmin, scale, min, &block->scales[s], q + SUB * s);
        }
        refit(x, block->scales, q, &d, &dmin);
    }
    for (size_t i = 0; i < EW_QK_SUPER; i++) block->qs[i / 128 * 32 + i % 32] |= (uint8_t)(q[i] << (i % 128 / 32 * 2));
}

void ew_quant_encode_q2_k(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SUPER; b++) {
        struct ew_block_q2_k block = {0};
        encode_block(src + b * EW_QK_SUPER, &block);
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

/* Scales times values are at most 15 * 3, so that what is left is one scale for all. */
void ew_quant_unpack_q2_k(const void *src, struct ew_levels *out) {
    struct ew_block_q2_k block;
    memcpy(&block, src, sizeof block);
    ew_levels_set_scale(out, EW_QK_SUPER, ew_f16_to_f32(block.d));
    for (size_t s = 0; s < SUBS; s++) out->min[s] = ew_f16_to_f32(block.dmin) * (float)(block.scales[s] >> 4);
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        int q = block.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        out->q[i] = (int8_t)((block.scales[i / SUB] & 15) * q);
    }
}
