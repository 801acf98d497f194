/* Owns Q3_K: 16 sub-blocks of 16 three-bit values around 4, each with a 6-bit scale around 32. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/super_search.h"

enum { SUBS = 16, SUB = 16, HALF = 4, SCALE_HALF = 32 };

static float fit_sub(const float *x, const float *weight, size_t n) { return ew_quant_fit_scale(x, weight, n, HALF); }

static float round_sub(const float *x, const float *weight, size_t n, float step, int8_t *q) {
    return ew_quant_round_scaled(x, weight, n, HALF, step, q);
}

static const struct ew_quant_scaled_format scaled = {
    .sub = SUB, .least = -SCALE_HALF, .most = SCALE_HALF - 1, .fit = fit_sub, .round = round_sub};

void ew_quant_search_q3_k(const float *x, const float *weight, void *dst) {
    struct ew_quant_scaled found;
    ew_quant_search_scaled(&scaled, x, weight, &found);
    struct ew_block_q3_k block = {.d = found.d};
    uint8_t scales[SUBS];
    for (size_t s = 0; s < SUBS; s++) scales[s] = (uint8_t)(found.scale[s] + SCALE_HALF);
    ew_pack_scales_q3_k(scales, block.scales);
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        size_t half = i / 128, k = i % 128 / 32, l = i % 32;
        unsigned q = (unsigned)(found.q[i] + HALF);
        block.qs[32 * half + l] |= (uint8_t)((q & 3) << (2 * k));
        block.hmask[l] |= (uint8_t)(q >> 2 << (4 * half + k));
    }
    memcpy(dst, &block, sizeof block);
}

void ew_quant_unpack_q3_k(const void *src, struct ew_levels *out) {
    struct ew_block_q3_k block;
    uint8_t scale[SUBS];
    memcpy(&block, src, sizeof block);
    ew_unpack_scales_q3_k(block.scales, scale);
    for (size_t s = 0; s < SUBS; s++) {
        out->scale[s] = ew_f16_to_f32(block.d) * (float)(scale[s] - 32);
        out->min[s] = 0;
    }
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        size_t half = i / 128, k = i % 128 / 32, l = i % 32;
        int low = block.qs[32 * half + l] >> (2 * k) & 3, high = block.hmask[l] >> (4 * half + k) & 1;
        out->q[i] = (int8_t)((low | high << 2) - 4);
    }
}
