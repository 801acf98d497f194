/* Owns IQ1_M: points of eight values -1, 0, 1 out of 2048, a shift of ±1/8 for each, a scale per 16. Decoded only. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq_grids.h"

/* The block's scale is in the upper nibbles of the four words, lowest first. */
static float block_scale(const uint16_t words[4]) {
    unsigned d = 0;
    for (int i = 0; i < 4; i++) d |= (unsigned)(words[i] >> 12) << (4 * i);
    return ew_f16_to_f32((uint16_t)d);
}

void ew_quant_unpack_iq1_m(const void *src, struct ew_levels *out) {
    struct ew_block_iq1_m block;
    memcpy(&block, src, sizeof block);
    for (size_t p = 0; p < 32; p++) {
        unsigned nibble = block.qh[p / 2] >> (4 * (p % 2)) & 15;
        size_t number = block.qs[p] | (size_t)(nibble & 7) << 8;
        ew_iq1_point(ew_iq1_grid[number], nibble & 8 ? -1 : 1, out->q + 8 * p);
    }
    float d = block_scale(block.scales);
    for (size_t s = 0; s < EW_LEVEL_GROUPS; s++) {
        out->scale[s] = d * (float)(2 * (block.scales[s / 4] >> (3 * (s % 4)) & 7) + 1) * 0.125f; /* of eighths */
        out->min[s] = 0;
    }
}
