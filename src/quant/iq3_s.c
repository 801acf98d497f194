/* Owns IQ3_S: points of four values out of 512, all their sign bits, a scale per 32. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

void ew_quant_unpack_iq3_s(const void *src, struct ew_levels *out) {
    struct ew_block_iq3_s block;
    memcpy(&block, src, sizeof block);
    for (size_t p = 0; p < 32; p++) {
        unsigned ninth = (unsigned)block.qh[p / 4] >> (2 * (p % 4));
        size_t first = block.qs[2 * p] | (ninth & 1) << 8, second = block.qs[2 * p + 1] | (ninth >> 1 & 1) << 8;
        uint64_t c = ew_iq3_codes(ew_iq3_s_grid[first], ew_iq3_s_grid[second]);
        uint64_t bytes = ew_iq_negate(2 * c + ew_iq_ones, block.signs[p]);
        memcpy(out->q + 8 * p, &bytes, sizeof bytes);
    }
    for (size_t g = 0; g < 8; g++) {
        float scale = ew_f16_to_f32(block.d) * (float)(1 + 2 * (block.scales[g / 2] >> (4 * (g % 2)) & 15));
        ew_levels_set_group(out, g, scale);
    }
}
