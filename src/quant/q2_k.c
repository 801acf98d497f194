/* Owns Q2_K: 16 sub-blocks of 16 two-bit values, each with a 4-bit scale and a 4-bit minimum. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/super_search.h"

enum { SUBS = 16, SUB = 16 };

static const struct ew_quant_affine_format affine = {.sub = SUB, .top = 3, .most = 15};

void ew_quant_search_q2_k(const float *x, const float *weight, void *dst) {
    struct ew_quant_affine_super found;
    ew_quant_search_affine(&affine, x, weight, &found);
    struct ew_block_q2_k block = {.d = found.d, .dmin = found.dmin};
    for (size_t s = 0; s < SUBS; s++) block.scales[s] = (uint8_t)(found.scale[s] | found.min[s] << 4);
    for (size_t i = 0; i < EW_QK_SUPER; i++)
        block.qs[i / 128 * 32 + i % 32] |= (uint8_t)(found.q[i] << (i % 128 / 32 * 2));
    memcpy(dst, &block, sizeof block);
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
