/* Owns TQ1_0: 256 values of -1, 0 and 1, five in a byte, and one scale. */
#include "quant/formats.h"
#include "quant/half.h"
#include "quant/ternary.h"

/* Where element i of a block is: its byte, and its digit, the first of which weighs most. */
struct place {
    size_t byte;
    unsigned digit;
};

static struct place place_of(size_t i) {
    if (i < 160) return (struct place){i % 32, (unsigned)(i / 32)};
    if (i < 240) return (struct place){32 + (i - 160) % 16, (unsigned)((i - 160) / 16)};
    return (struct place){48 + (i - 240) % 4, (unsigned)((i - 240) / 4)};
}

static const uint8_t power[5] = {1, 3, 9, 27, 81};

/* A byte is its five digits' number out of 243, scaled to 256 and rounded up, so that multiplying it by three pushes
 * one digit after the other over the top. */
void ew_quant_encode_tq1_0(const float *src, size_t n, void *dst) {
    for (size_t b = 0; b < n / EW_QK_SUPER; b++) {
        struct ew_block_tq1_0 block;
        uint8_t q[EW_QK_SUPER];
        unsigned number[sizeof block.qs] = {0};
        block.d = ew_quant_fit_ternary(src + b * EW_QK_SUPER, q);
        for (size_t i = 0; i < EW_QK_SUPER; i++) {
            struct place at = place_of(i);
            number[at.byte] += q[i] * power[4 - at.digit];
        }
        for (size_t i = 0; i < sizeof block.qs; i++) block.qs[i] = (uint8_t)((number[i] * 256 + 242) / 243);
        memcpy((uint8_t *)dst + b * sizeof block, &block, sizeof block);
    }
}

/* One digit of n bytes, minus 1. */
static inline void unpack_run(const uint8_t *bytes, size_t n, size_t digit, int8_t *q) {
    for (size_t i = 0; i < n; i++) {
        uint8_t rest = (uint8_t)(bytes[i] * power[digit]);
        q[i] = (int8_t)((rest * 3 >> 8) - 1);
    }
}

void ew_quant_unpack_tq1_0(const void *src, struct ew_levels *out) {
    struct ew_block_tq1_0 block;
    memcpy(&block, src, sizeof block);
    ew_levels_set_scale(out, EW_QK_SUPER, ew_f16_to_f32(block.d));
    for (size_t digit = 0; digit < 5; digit++) {
        unpack_run(block.qs, 32, digit, out->q + 32 * digit);
        unpack_run(block.qs + 32, 16, digit, out->q + 160 + 16 * digit);
        if (digit < 4) unpack_run(block.qs + 48, 4, digit, out->q + 240 + 4 * digit);
    }
}
