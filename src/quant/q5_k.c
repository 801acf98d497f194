/* Owns Q5_K: Q4_K with a fifth bit per value. */
#include "quant/affine_k.h"
#include "quant/formats.h"
#include "quant/half.h"

void ew_quant_search_q5_k(const float *x, const float *weight, void *dst) {
    struct ew_quant_affine_k found;
    ew_quant_search_affine_k(x, weight, 31, &found);
    struct ew_block_q5_k block = {.d = found.d, .dmin = found.dmin};
    memcpy(block.scales, found.scales, sizeof block.scales);
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        size_t s = i / 32, l = i % 32;
        block.qs[32 * (s / 2) + l] |= (uint8_t)((found.levels[i] & 15) << (4 * (s % 2)));
        block.qh[l] |= (uint8_t)(found.levels[i] >> 4 << s);
    }
    memcpy(dst, &block, sizeof block);
}

void ew_quant_unpack_q5_k(const void *src, struct ew_levels *out) {
    struct ew_block_q5_k block;
    memcpy(&block, src, sizeof block);
    ew_quant_unpack_affine_k(block.d, block.dmin, block.scales, out);
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        size_t s = i / 32, l = i % 32;
        int low = block.qs[32 * (s / 2) + l] >> (4 * (s % 2)) & 15;
        out->q[i] = (int8_t)(low | (block.qh[l] >> s & 1) << 4);
    }
}
