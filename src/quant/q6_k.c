/* Owns Q6_K: 16 sub-blocks of 16 six-bit values around 32, each with a signed byte as scale. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"
#include <math.h>

/* Where element i of a block keeps its bits. */
struct place {
    size_t low, high; /* index into ql, qh */
    unsigned low_shift, high_shift;
};

static struct place place_of(size_t i) {
    size_t half = i / 128, k = i / 32 % 4, l = i % 32;
    return (struct place){.low = 64 * half + 32 * (k % 2) + l,
                          .high = 32 * half + l,
                          .low_shift = (unsigned)(4 * (k / 2)),
                          .high_shift = (unsigned)(2 * k)};
}

static void encode_block(const float *x, struct ew_block_q6_k *block) {
    float fit[16], extreme = 0.0f;
    for (size_t s = 0; s < 16; s++) {
        fit[s] = ew_quant_fit_scale(x + 16 * s, 16, 32);
        if (fabsf(fit[s]) > fabsf(extreme)) extreme = fit[s];
    }
    *block = (struct ew_block_q6_k){.d = ew_f32_to_f16(-extreme / 128.0f)}; /* the extreme takes -128 */
    float d = ew_f16_to_f32(block->d);
    for (size_t s = 0; s < 16; s++) {
        block->scales[s] = (int8_t)(d != 0.0f ? ew_quant_round(fit[s] / d, -128, 127) : 0);
        float step = d * (float)block->scales[s];
        for (size_t i = 16 * s; i < 16 * s + 16; i++) {
            unsigned q = (unsigned)((step != 0.0f ? ew_quant_round(x[i] / step, -32, 31) : 0) + 32);
            struct place at = place_of(i);
            block->ql[at.low] |= (uint8_t)((q & 15) << at.low_shift);
            block->qh[at.high] |= (uint8_t)(q >> 4 << at.high_shift);
        }
    }
}

void ew_quant_encode_q6_k(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SUPER; b++) {
        struct ew_block_q6_k block;
        encode_block(src + b * EW_QK_SUPER, &block);
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

void ew_quant_unpack_q6_k(const void *src, struct ew_levels *out) {
    struct ew_block_q6_k block;
    memcpy(&block, src, sizeof block);
    for (size_t s = 0; s < 16; s++) {
        out->scale[s] = ew_f16_to_f32(block.d) * (float)block.scales[s];
        out->min[s] = 0;
    }
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        struct place at = place_of(i);
        int q = (block.ql[at.low] >> at.low_shift & 15) | (block.qh[at.high] >> at.high_shift & 3) << 4;
        out->q[i] = (int8_t)(q - 32);
    }
}
