/* Owns IQ4_XS: 8 sub-blocks of 32 nibbles that choose among sixteen values, each with a 6-bit scale around 32. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq4.h"
#include "quant/super_search.h"

enum { SUBS = 8, SUB = 32, SCALE_HALF = 32 };

static const struct ew_quant_scaled_format scaled = {
    .sub = SUB, .least = -SCALE_HALF, .most = SCALE_HALF - 1, .fit = ew_quant_fit_iq4, .round = ew_quant_round_iq4};

void ew_quant_search_iq4_xs(const float *x, const float *weight, void *dst) {
    struct ew_quant_scaled found;
    ew_quant_search_scaled(&scaled, x, weight, &found);
    struct ew_block_iq4_xs block = {.d = found.d};
    for (size_t s = 0; s < SUBS; s++) {
        unsigned stored = (unsigned)(found.scale[s] + SCALE_HALF);
        ew_quant_pack_iq4(found.q + SUB * s, block.qs + 16 * s);
        block.scales_l[s / 2] |= (uint8_t)((stored & 15) << (4 * (s % 2)));
        block.scales_h |= (uint16_t)(stored >> 4 << (2 * s));
    }
    memcpy(dst, &block, sizeof block);
}

void ew_quant_unpack_iq4_xs(const void *src, struct ew_levels *out) {
    struct ew_block_iq4_xs block;
    memcpy(&block, src, sizeof block);
    for (size_t s = 0; s < SUBS; s++) {
        int scale = (block.scales_l[s / 2] >> (4 * (s % 2)) & 15) | (block.scales_h >> (2 * s) & 3) << 4;
        ew_levels_set_group(out, s, ew_f16_to_f32(block.d) * (float)(scale - 32));
        ew_levels_set_values(out->q + SUB * s, block.qs + 16 * s, ew_iq4_values);
    }
}
