/* Owns IQ1_S: points of eight values -1, 0, 1 out of 2048, a scale and a shift of ±1/8 per 32. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

void ew_quant_unpack_iq1_s(const void *src, struct ew_levels *out) {
    struct ew_block_iq1_s block;
    memcpy(&block, src, sizeof block);
    for (size_t g = 0; g < 8; g++) {
        unsigned word = block.qh[g];
        for (size_t p = 0; p < 4; p++) {
            size_t number = block.qs[4 * g + p] | (size_t)(word >> (3 * p) & 7) << 8;
            ew_iq1_point(ew_iq1_grid[number], word >> 15 ? -1 : 1, out->q + 32 * g + 8 * p);
        }
        float scale = ew_f16_to_f32(block.d) * (float)(2 * (word >> 12 & 7) + 1) * 0.125f; /* of eighths */
        ew_levels_set_group(out, g, scale);
    }
}
