/* Owns Q5_0: 32 five-bit values around 16 and one scale. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"

void ew_quant_search_q5_0(const float *x, const float *weight, void *dst) {
    struct ew_block_q5_0 block = {.d = ew_f32_to_f16(ew_quant_fit_scale(x, weight, EW_QK_SMALL, 16))};
    float d = ew_f16_to_f32(block.d);
    float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    int q[EW_QK_SMALL];
    for (size_t i = 0; i < EW_QK_SMALL; i++) q[i] = ew_quant_round(x[i] * inverse, -16, 15) + 16;
    ew_pack_five_bits(q, block.qh, block.qs);
    memcpy(dst, &block, sizeof block);
}

void ew_quant_unpack_q5_0(const void *src, struct ew_levels *out) {
    struct ew_block_q5_0 block;
    memcpy(&block, src, sizeof block);
    ew_unpack_five_bits(block.qh, block.qs, 16, out->q);
    ew_levels_set_scale(out, EW_QK_SMALL, ew_f16_to_f32(block.d));
}
