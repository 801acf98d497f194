/* Owns IQ2_S: points of eight values out of 1024, eight sign bits each, a scale per 16. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

void ew_quant_unpack_iq2_s(const void *src, struct ew_levels *out) {
    struct ew_block_iq2_s block;
    memcpy(&block, src, sizeof block);
    for (size_t p = 0; p < 32; p++) {
        size_t number = block.qs[p] | (size_t)(block.qh[p / 4] >> (2 * (p % 4)) & 3) << 8;
        ew_iq2_point(ew_iq2_s_grid[number], block.signs[p], out->q + 8 * p);
    }
    ew_iq2_set_scales(out, ew_f16_to_f32(block.d), block.scales);
}
