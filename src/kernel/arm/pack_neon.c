/* Packing into R16 for NEON: 4 x 4 units are transposed in registers; the walk over blocks is in pack_strip_body.h. */
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

static inline void pack_unit_of_2(const uint8_t *p, size_t stride, uint8_t *out) {
    for (uint32_t r = 0; r < 16; r++) memcpy(out + 2 * r, p + r * stride, 2);
}

#include "kernel/pack_strip_body.h"

void ew_pack_strip_neon(const struct ew_pack_field *fields, size_t block_bytes, const uint8_t *rows, size_t row_bytes,
                        uint8_t *out) {
    pack_strip(fields, block_bytes, rows, row_bytes, out);
}
