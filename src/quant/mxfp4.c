/* Owns MXFP4: 32 four-bit floats and a power of two. */
#include "quant/mxfp4.h"
#include "quant/formats.h"
#include "quant/half.h"
#include <math.h>

enum { MOST = 12, EXPONENT_MAX = 254 };

/* 2^(e - 128): half of the format's scale, because the values are doubled. e = 255, which is no number, goes on as the
 * next power. */
static float scale_of(int e) {
    return ew_float_of_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23); /* below 2 they are subnormal */
}

/* The nibble of the value nearest to x. */
static unsigned nearest(float x) {
    unsigned at = 0;
    float magnitude = fabsf(x);
    while (at < 7 && magnitude > 0.5f * (float)(ew_mxfp4_values[at] + ew_mxfp4_values[at + 1])) at++;
    return at | (x < 0.0f ? 8 : 0);
}

static float encode_at(const float *x, int e, struct ew_block_mxfp4 *block) {
    float scale = scale_of(e), sum = 0.0f;
    *block = (struct ew_block_mxfp4){.e = (uint8_t)e};
    for (size_t i = 0; i < EW_QK_SMALL; i++) {
        unsigned q = nearest(x[i] / scale);
        float error = scale * (float)ew_mxfp4_values[q] - x[i];
        sum += error * error;
        block->qs[i % 16] |= (uint8_t)(q << (i / 16 * 4));
    }
    return sum;
}

/* The power of two that just covers the peak, or one that cuts it off, whichever errs less. */
static void encode_block(const float *x, struct ew_block_mxfp4 *block) {
    float peak = 0.0f;
    for (size_t i = 0; i < EW_QK_SMALL; i++) peak = fmaxf(peak, fabsf(x[i]));
    int covers = 0;
    while (covers < EXPONENT_MAX && scale_of(covers) * MOST < peak) covers++;
    float best = encode_at(x, covers, block);
    for (int e = covers - 1; e >= 0 && e >= covers - 2; e--) {
        struct ew_block_mxfp4 tried;
        float error = encode_at(x, e, &tried);
        if (!(error < best)) continue;
        best = error;
        *block = tried;
    }
}

void ew_quant_encode_mxfp4(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SMALL; b++) {
        struct ew_block_mxfp4 block;
        encode_block(src + b * EW_QK_SMALL, &block);
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

void ew_quant_unpack_mxfp4(const void *src, struct ew_levels *out) {
    struct ew_block_mxfp4 block;
    memcpy(&block, src, sizeof block);
    ew_levels_set_values(out->q, block.qs, ew_mxfp4_values);
    ew_levels_set_scale(out, EW_QK_SMALL, scale_of(block.e));
}
