/* Owns Q4_1: 32 nibbles, a scale and an offset. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"

void ew_quant_search_q4_1(const float *x, const float *weight, void *dst) {
    struct ew_block_q4_1 block = {0};
    int q[EW_QK_SMALL];
    ew_quant_encode_offset(x, weight, 15, &block.d, &block.m, q);
    for (size_t i = 0; i < 16; i++) block.qs[i] = (uint8_t)(q[i] | q[i + 16] << 4);
    memcpy(dst, &block, sizeof block);
}

void ew_quant_unpack_q4_1(const void *src, struct ew_levels *out) {
    struct ew_block_q4_1 block;
    memcpy(&block, src, sizeof block);
    ew_levels_set_nibbles(out->q, block.qs, 0);
    ew_levels_set_scale(out, EW_QK_SMALL, ew_f16_to_f32(block.d));
    out->min[0] = out->min[1] = -ew_f16_to_f32(block.m);
}
