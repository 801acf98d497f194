/* Owns Q3_K: 16 sub-blocks of 16 three-bit values around 4, each with a 6-bit scale around 32. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"
#include <math.h>

enum { SUBS = 16, SUB = 16 };

/* Squared error of a sub-block at a step; its values (0..7) go to q. */
static float quantize_sub(const float *x, float step, uint8_t q[SUB]) {
    float inverse = step != 0.0f ? 1.0f / step : 0.0f, sum = 0.0f;
    for (size_t i = 0; i < SUB; i++) {
        int level = ew_quant_round(x[i] * inverse, -4, 3);
        float e = step * (float)level - x[i];
        sum += e * e;
        q[i] = (uint8_t)(level + 4);
    }
    return sum;
}

static void encode_block(const float *x, struct ew_block_q3_k *block) {
    float fit[SUBS], extreme = 0.0f;
    for (size_t s = 0; s < SUBS; s++) {
        fit[s] = ew_quant_fit_scale(x + SUB * s, SUB, 4);
        if (fabsf(fit[s]) > fabsf(extreme)) extreme = fit[s];
    }
    *block = (struct ew_block_q3_k){.d = ew_f32_to_f16(-extreme / 32.0f)}; /* the extreme takes -32 */
    float d = ew_f16_to_f32(block->d);
    uint8_t scales[SUBS], q[EW_QK_SUPER];
    for (size_t s = 0; s < SUBS; s++) {
        int nearest = d != 0.0f ? ew_quant_round(fit[s] / d, -32, 31) : 0;
        float best = quantize_sub(x + SUB * s, d * (float)nearest, q + SUB * s);
        scales[s] = (uint8_t)(nearest + 32);
        for (int scale = nearest - 1; scale <= nearest + 1; scale += 2) {
            uint8_t tried[SUB];
            float error = quantize_sub(x + SUB * s, d * (float)scale, tried);
            if (!(error < best) || scale < -32 || scale > 31) continue;
            best = error;
            scales[s] = (uint8_t)(scale + 32);
            memcpy(q + SUB * s, tried, sizeof tried);
        }
    }
    ew_pack_scales_q3_k(scales, block->scales);
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        size_t half = i / 128, k = i % 128 / 32, l = i % 32;
        block->qs[32 * half + l] |= (uint8_t)((q[i] & 3) << (2 * k));
        block->hmask[l] |= (uint8_t)(q[i] >> 2 << (4 * half + k));
    }
}

void ew_quant_encode_q3_k(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SUPER; b++) {
        struct ew_block_q3_k block;
        encode_block(src + b * EW_QK_SUPER, &block);
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

void ew_quant_unpack_q3_k(const void *src, struct ew_levels *out) {
    struct ew_block_q3_k block;
    uint8_t scale[SUBS];
    memcpy(&block, src, sizeof block);
    ew_unpack_scales_q3_k(block.scales, scale);
    for (size_t s = 0; s < SUBS; s++) {
        out->scale[s] = ew_f16_to_f32(block.d) * (float)(scale[s] - 32);
        out->min[s] = 0;
    }
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        size_t half = i / 128, k = i % 128 / 32, l = i % 32;
        int low = block.qs[32 * half + l] >> (2 * k) & 3, high = block.hmask[l] >> (4 * half + k) & 1;
        out->q[i] = (int8_t)((low | high << 2) - 4);
    }
}
