/* Owns Q5_1: 32 five-bit values, a scale and an offset. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"

void ew_quant_search_q5_1(const float *x, const float *weight, void *dst) {
    struct ew_block_q5_1 block = {0};
    int q[EW_QK_SMALL];
    ew_quant_encode_offset(x, weight, 31, &block.d, &block.m, q);
    ew_pack_five_bits(q, block.qh, block.qs);
    memcpy(dst, &block, sizeof block);
}

void ew_quant_unpack_q5_1(const void *src, struct ew_levels *out) {
    struct ew_block_q5_1 block;
    memcpy(&block, src, sizeof block);
    ew_unpack_five_bits(block.qh, block.qs, 0, out->q);
    ew_levels_set_scale(out, EW_QK_SMALL, ew_f16_to_f32(block.d));
    out->min[0] = out->min[1] = -ew_f16_to_f32(block.m);
}
