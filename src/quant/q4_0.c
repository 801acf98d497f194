/* Owns Q4_0: 32 nibbles around 8 and one scale. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"

void ew_quant_search_q4_0(const float *x, const float *weight, void *dst) {
    struct ew_block_q4_0 block = {.d = ew_f32_to_f16(ew_quant_fit_scale(x, weight, EW_QK_SMALL, 8))};
    float d = ew_f16_to_f32(block.d); /* levels are chosen for the scale that is stored */
    float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    for (size_t i = 0; i < 16; i++) {
        int low = ew_quant_round(x[i] * inverse, -8, 7) + 8;
        int high = ew_quant_round(x[i + 16] * inverse, -8, 7) + 8;
        block.qs[i] = (uint8_t)(low | high << 4);
    }
    memcpy(dst, &block, sizeof block);
}

void ew_quant_unpack_q4_0(const void *src, struct ew_levels *out) {
    struct ew_block_q4_0 block;
    memcpy(&block, src, sizeof block);
    ew_levels_set_nibbles(out->q, block.qs, 8);
    ew_levels_set_scale(out, EW_QK_SMALL, ew_f16_to_f32(block.d));
}
