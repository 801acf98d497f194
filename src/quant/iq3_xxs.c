/* Owns IQ3_XXS: points of four values out of 256, seven sign bits for two of them, a scale per 32. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

void ew_quant_unpack_iq3_xxs(const void *src, struct ew_levels *out) {
    static const int8_t values[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    struct ew_block_iq3_xxs block;
    memcpy(&block, src, sizeof block);
    for (size_t g = 0; g < 8; g++) {
        uint32_t word;
        memcpy(&word, block.words + 4 * g, sizeof word);
        for (size_t p = 0; p < 8; p++) {
            unsigned signs = (unsigned)ew_iq_signs(word >> (7 * (p / 2))) >> (4 * (p % 2));
            ew_iq3_point(ew_iq3_xxs_grid[block.qs[8 * g + p]], values, signs, out->q + 32 * g + 4 * p);
        }
        float scale = ew_f16_to_f32(block.d) * (0.5f + (float)(word >> 28)) * 0.5f;
        ew_levels_set_group(out, g, scale);
    }
}
