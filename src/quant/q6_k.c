/* Owns Q6_K: 16 sub-blocks of 16 six-bit values around 32, each with a signed byte as scale. */
#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/super_search.h"

enum { SUB = 16, HALF = 32 };

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

static float fit_sub(const float *x, const float *weight, size_t n) { return ew_quant_fit_scale(x, weight, n, HALF); }

static float round_sub(const float *x, const float *weight, size_t n, float step, int8_t *q) {
    return ew_quant_round_scaled(x, weight, n, HALF, step, q);
}

static const struct ew_quant_scaled_format scaled = {
    .sub = SUB, .least = INT8_MIN, .most = INT8_MAX, .fit = fit_sub, .round = round_sub};

void ew_quant_search_q6_k(const float *x, const float *weight, void *dst) {
    struct ew_quant_scaled found;
    ew_quant_search_scaled(&scaled, x, weight, &found);
    struct ew_block_q6_k block = {.d = found.d};
    memcpy(block.scales, found.scale, sizeof block.scales);
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        unsigned q = (unsigned)(found.q[i] + HALF);
        struct place at = place_of(i);
        block.ql[at.low] |= (uint8_t)((q & 15) << at.low_shift);
        block.qh[at.high] |= (uint8_t)(q >> 4 << at.high_shift);
    }
    memcpy(dst, &block, sizeof block);
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
