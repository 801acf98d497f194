/* Owns Q4_K: 8 sub-blocks of 32 nibbles, each with a 6-bit scale and a 6-bit minimum; and the fit that Q5_K shares. */
#include "quant/affine_k.h"
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"
#include <math.h>

void ew_quant_fit_affine_k(const float *x, int top, struct ew_quant_affine_k *out) {
    struct ew_quant_affine fit[8];
    float max_scale = 0.0f, max_min = 0.0f;
    for (size_t s = 0; s < 8; s++) {
        fit[s] = ew_quant_fit_affine(x + 32 * s, 32, top, EW_OFFSET_DOWN);
        max_scale = fmaxf(max_scale, fit[s].scale);
        max_min = fmaxf(max_min, fit[s].min);
    }
    out->d = ew_f32_to_f16(max_scale / 63.0f);
    out->dmin = ew_f32_to_f16(max_min / 63.0f);
    float d = ew_f16_to_f32(out->d), dmin = ew_f16_to_f32(out->dmin);
    uint8_t scale[8], min[8];
    for (size_t s = 0; s < 8; s++) {
        scale[s] = (uint8_t)(d > 0.0f ? ew_quant_round(fit[s].scale / d, 0, 63) : 0);
        min[s] = (uint8_t)(dmin > 0.0f ? ew_quant_round(fit[s].min / dmin, 0, 63) : 0);
        float step = d * (float)scale[s], offset = dmin * (float)min[s];
        for (size_t i = 32 * s; i < 32 * s + 32; i++)
            out->levels[i] = (uint8_t)(step > 0.0f ? ew_quant_round((x[i] + offset) / step, 0, top) : 0);
    }
    ew_pack_scales_k4(scale, min, out->scales);
}

void ew_quant_encode_q4_k(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SUPER; b++) {
        struct ew_quant_affine_k fit;
        ew_quant_fit_affine_k(src + b * EW_QK_SUPER, 15, &fit);
        struct ew_block_q4_k block = {.d = fit.d, .dmin = fit.dmin};
        memcpy(block.scales, fit.scales, sizeof block.scales);
        for (size_t p = 0; p < 4; p++)
            for (size_t l = 0; l < 32; l++)
                block.qs[32 * p + l] = (uint8_t)(fit.levels[64 * p + l] | fit.levels[64 * p + 32 + l] << 4);
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

void ew_quant_unpack_affine_k(uint16_t d, uint16_t dmin, const uint8_t packed[12], struct ew_levels *out) {
    uint8_t scale[8], min[8];
    ew_unpack_scales_k4(packed, scale, min);
    for (size_t i = 0; i < EW_LEVEL_GROUPS; i++) {
        out->scale[i] = ew_f16_to_f32(d) * (float)scale[i / 2];
        out->min[i] = ew_f16_to_f32(dmin) * (float)min[i / 2];
    }
}

void ew_quant_unpack_q4_k(const void *src, struct ew_levels *out) {
    struct ew_block_q4_k block;
    memcpy(&block, src, sizeof block);
    ew_quant_unpack_affine_k(block.d, block.dmin, block.scales, out);
    for (size_t i = 0; i < EW_QK_SUPER; i++)
        out->q[i] = (int8_t)(block.qs[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15);
}
