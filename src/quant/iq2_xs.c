/* Owns IQ2_XS: points of eight values out of 512, seven sign bits each, a scale per 16. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

void ew_quant_unpack_iq2_xs(const void *src, struct ew_levels *out) {
    struct ew_block_iq2_xs block;
    memcpy(&block, src, sizeof block);
    for (size_t p = 0; p < 32; p++)
        ew_iq2_point(ew_iq2_xs_grid[block.qs[p] & 511], ew_iq_signs(block.qs[p] >> 9), out->q + 8 * p);
    ew_iq2_set_scales(out, ew_f16_to_f32(block.d), block.scales);
}
