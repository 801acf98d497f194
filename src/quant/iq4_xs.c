/* Owns IQ4_XS: 8 sub-blocks of 32 nibbles that choose among sixteen values, each with a 6-bit scale around 32. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/iq4.h"
#include <math.h>

enum { SUBS = 8, SUB = 32 };

static void encode_block(const float *x, struct ew_block_iq4_xs *block) {
    float fit[SUBS], extreme = 0.0f;
    for (size_t s = 0; s < SUBS; s++) {
        fit[s] = ew_quant_fit_iq4(x + SUB * s, SUB);
        if (fabsf(fit[s]) > fabsf(extreme)) extreme = fit[s];
    }
    *block = (struct ew_block_iq4_xs){.d = ew_f32_to_f16(-extreme / 32.0f)}; /* the extreme takes -32 */
    float d = ew_f16_to_f32(block->d);
    for (size_t s = 0; s < SUBS; s++) {
        int scale = d != 0.0f ? ew_quant_round(fit[s] / d, -32, 31) : 0;
        uint8_t q[SUB];
        ew_quant_round_iq4(x + SUB * s, SUB, d * (float)scale, q);
        for (size_t i = 0; i < 16; i++) block->qs[16 * s + i] = (uint8_t)(q[i] | q[i + 16] << 4);
        unsigned stored = (unsigned)(scale + 32);
        block->scales_l[s / 2] |= (uint8_t)((stored & 15) << (4 * (s % 2)));
        block->scales_h |= (uint16_t)(stored >> 4 << (2 * s));
    }
}

void ew_quant_encode_iq4_xs(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SUPER; b++) {
        struct ew_block_iq4_xs block;
        encode_block(src + b * EW_QK_SUPER, &block);
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
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
