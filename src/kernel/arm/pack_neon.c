/* Packing 16 rows into R16 by transposing 4 x 4 units in registers, for NEON. The order of bytes: docs/formats.md. */
#include "kernel/matmul_table.h"

#include <arm_neon.h>
#include <string.h>

static inline uint32x4_t load_units(const uint8_t *p) { return vreinterpretq_u32_u8(vld1q_u8(p)); }
static inline uint32x4_t join_low(uint32x4_t a, uint32x4_t b) {
    return vreinterpretq_u32_u64(vtrn1q_u64(vreinterpretq_u64_u32(a), vreinterpretq_u64_u32(b)));
}
static inline uint32x4_t join_high(uint32x4_t a, uint32x4_t b) {
    return vreinterpretq_u32_u64(vtrn2q_u64(vreinterpretq_u64_u32(a), vreinterpretq_u64_u32(b)));
}

/* The four 4-byte units at p of 16 rows; those in [first, first + n) go to out. */
static inline void pack_four_units(const uint8_t *p, size_t stride, uint32_t first, uint32_t n, uint8_t *out) {
    for (uint32_t r = 0; r < 16; r += 4, p += 4 * stride) {
        uint32x4_t a = load_units(p), b = load_units(p + stride);
        uint32x4_t c = load_units(p + 2 * stride), d = load_units(p + 3 * stride);
        uint32x4_t ab_even = vtrn1q_u32(a, b), ab_odd = vtrn2q_u32(a, b);
        uint32x4_t cd_even = vtrn1q_u32(c, d), cd_odd = vtrn2q_u32(c, d);
        const uint32x4_t unit[4] = {join_low(ab_even, cd_even), join_low(ab_odd, cd_odd), join_high(ab_even, cd_even),
                                    join_high(ab_odd, cd_odd)};
#pragma GCC unroll 4
        for (uint32_t u = 0; u < 4; u++)
            if (u >= first && u < first + n) vst1q_u8(out + (u - first) * 64 + r * 4, vreinterpretq_u8_u32(unit[u]));
    }
}

/* Units that are no four are loaded with their neighbours, which lie in the same block on one side or the other. */
static uint8_t *pack_units_of_4(const struct ew_pack_field *f, size_t block_bytes, const uint8_t *block, size_t stride,
                                uint8_t *out) {
    uint32_t u = 0, left = f->count % 4u;
    for (; u + 4 <= f->count; u += 4, out += 4 * 64) pack_four_units(block + f->offset + 4 * u, stride, 0, 4, out);
    if (left == 0) return out;
    size_t at = f->offset + 4 * u;
    if (at + 16 <= block_bytes)
        pack_four_units(block + at, stride, 0, left, out);
    else
        pack_four_units(block + at - 4 * (4 - left), stride, 4 - left, left, out);
    return out + left * 64;
}

void ew_pack_strip_neon(const struct ew_pack_field *fields, size_t block_bytes, const uint8_t *rows, size_t row_bytes,
                        uint8_t *out) {
    for (size_t at = 0; at < row_bytes; at += block_bytes) {
        for (const struct ew_pack_field *f = fields; f->count; f++) {
            if (f->unit == 4) {
                out = pack_units_of_4(f, block_bytes, rows + at, row_bytes, out);
                continue;
            }
            for (uint32_t u = 0; u < f->count; u++)
                for (uint32_t r = 0; r < 16; r++, out += 2)
                    memcpy(out, rows + r * row_bytes + at + f->offset + 2 * u, 2);
        }
    }
}
