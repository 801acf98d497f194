/* Owns Q4_K: 8 sub-blocks of 32 nibbles, each with a 6-bit scale and a 6-bit minimum; and what Q5_K shares. */
#include "quant/affine_k.h"
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/super_search.h"

void ew_quant_search_affine_k(const float *x, const float *weight, int top, struct ew_quant_affine_k *out) {
    const struct ew_quant_affine_format affine = {.sub = 32, .top = top, .most = 63};
    struct ew_quant_affine_super found;
    ew_quant_search_affine(&affine, x, weight, &found);
    *out = (struct ew_quant_affine_k){.d = found.d, .dmin = found.dmin};
    ew_pack_scales_k4(found.scale, found.min, out->scales);
    memcpy(out->levels, found.q, sizeof out->levels);
}

void ew_quant_search_q4_k(const float *x, const float *weight, void *dst) {
    struct ew_quant_affine_k found;
    ew_quant_search_affine_k(x, weight, 15, &found);
    struct ew_block_q4_k block = {.d = found.d, .dmin = found.dmin};
    memcpy(block.scales, found.scales, sizeof block.scales);
    for (size_t p = 0; p < 4; p++)
        for (size_t l = 0; l < 32; l++)
            block.qs[32 * p + l] = (uint8_t)(found.levels[64 * p + l] | found.levels[64 * p + 32 + l] << 4);
    memcpy(dst, &block, sizeof block);
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
