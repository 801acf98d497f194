/* Owns IQ2_XXS: points of eight values out of 256, seven sign bits each, a scale per 32. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

void ew_quant_unpack_iq2_xxs(const void *src, struct ew_levels *out) {
    struct ew_block_iq2_xxs block;
    memcpy(&block, src, sizeof block);
    for (size_t g = 0; g < 8; g++) {
        const uint8_t *number = block.qs + 8 * g;
        uint32_t word;
        memcpy(&word, number + 4, sizeof word);
        for (size_t p = 0; p < 4; p++)
            ew_iq2_point(ew_iq2_xxs_grid[number[p]], ew_iq_signs(word >> (7 * p)), out->q + 32 * g + 8 * p);
        float scale = ew_f16_to_f32(block.d) * (0.5f + (float)(word >> 28)) * 0.25f;
        ew_levels_set_group(out, g, scale);
    }
}
