/* Owns IQ3_S: points of four values out of 512, all their sign bits, a scale per 32. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

void ew_quant_unpack_iq3_s(const void *src, struct ew_levels *out) {
    static const int8_t values[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    struct ew_block_iq3_s block;
    memcpy(&block, src, sizeof block);
    for (size_t p = 0; p < 64; p++) {
        size_t number = block.qs[p] | (size_t)(block.qh[p / 8] >> (p % 8) & 1) << 8;
        unsigned signs = (unsigned)block.signs[p / 2] >> (4 * (p % 2));
        ew_iq3_point(ew_iq3_s_grid[number], values, signs, out->q + 4 * p);
    }
    for (size_t g = 0; g < 8; g++) {
        float scale = ew_f16_to_f32(block.d) * (float)(1 + 2 * (block.scales[g / 2] >> (4 * (g % 2)) & 15));
        ew_levels_set_group(out, g, scale);
    }
}
