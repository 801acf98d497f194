/* Owns IQ3_XXS: points of four values out of 256, seven sign bits for two of them, a scale per 32. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

void ew_quant_unpack_iq3_xxs(const void *src, struct ew_levels *out) {
    struct ew_block_iq3_xxs block;
    memcpy(&block, src, sizeof block);
    for (size_t g = 0; g < 8; g++) {
        uint32_t word;
        memcpy(&word, block.words + 4 * g, sizeof word);
        for (size_t p = 0; p < 4; p++) {
            const uint8_t *number = block.qs + 8 * g + 2 * p;
            uint64_t c = ew_iq3_codes(ew_iq3_xxs_grid[number[0]], ew_iq3_xxs_grid[number[1]]);
            uint64_t top = c & c >> 1 & c >> 2 & ew_iq_ones; /* code 7 is 62, not 60 */
            uint64_t bytes = ew_iq_negate(4 * ew_iq_ones + 8 * c + 2 * top, ew_iq_signs(word >> (7 * p)));
            memcpy(out->q + 32 * g + 8 * p, &bytes, sizeof bytes);
        }
        ew_levels_set_group(out, g, ew_f16_to_f32(block.d) * (0.5f + (float)(word >> 28)) * 0.5f);
    }
}
