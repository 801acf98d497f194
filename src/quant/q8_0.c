/* Owns Q8_0: 32 signed bytes and one scale. */
#include "quant/formats.h"
#include "quant/half.h"
#include <math.h>

void ew_quant_encode_q8_0(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SMALL; b++, src += EW_QK_SMALL) {
        struct ew_block_q8_0 block;
        float peak = 0.0f;
        for (size_t i = 0; i < EW_QK_SMALL; i++) peak = fmaxf(peak, fabsf(src[i]));
        float d = peak / 127.0f;
        float inverse = d > 0.0f ? 1.0f / d : 0.0f;
        block.d = ew_f32_to_f16(d);
        /* Halves go away from zero, so that published files come out bit for bit. */
        for (size_t i = 0; i < EW_QK_SMALL; i++)
            block.qs[i] = (int8_t)roundf(fminf(fmaxf(src[i] * inverse, -127.0f), 127.0f));
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

void ew_quant_unpack_q8_0(const void *src, struct ew_levels *out) {
    struct ew_block_q8_0 block;
    memcpy(&block, src, sizeof block);
    memcpy(out->q, block.qs, sizeof block.qs);
    ew_levels_set_scale(out, EW_QK_SMALL, ew_f16_to_f32(block.d));
}
