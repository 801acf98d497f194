/* Packing 16 rows into R16 by transposing in registers, for the lanes of the file that includes this: four units of
 * every row are loaded at once and leave as four runs of 16 rows. The order of bytes: docs/formats.md. */
#ifndef EW_KERNEL_X86_PACK_BODY_H
#define EW_KERNEL_X86_PACK_BODY_H

#include "kernel/matmul_table.h"

/* The four 4-byte units at p of 16 rows; those in [first, first + n) go to out. */
EW_INLINE void pack_four_units(const uint8_t *p, size_t stride, uint32_t first, uint32_t n, uint8_t *out) {
    for (uint32_t r = 0; r < 16; r += LANES) {
        vint unit[4];
        v_transpose_units(p + r * stride, stride, unit);
#pragma GCC unroll 4
        for (uint32_t u = 0; u < 4; u++)
            if (u >= first && u < first + n) v_store(out + (u - first) * 64 + r * 4, unit[u]);
    }
}

/* Units that are no four are loaded with their neighbours, which lie in the same block on one side or the other. */
EW_INLINE uint8_t *pack_units_of_4(const struct ew_pack_field *f, size_t block_bytes, const uint8_t *block,
                                   size_t stride, uint8_t *out) {
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

EW_INLINE __m128i u16_of_8_rows(const uint8_t *p, size_t stride) {
    uint16_t u[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) memcpy(&u[r], p + r * stride, 2);
    return _mm_setr_epi16((short)u[0], (short)u[1], (short)u[2], (short)u[3], (short)u[4], (short)u[5], (short)u[6],
                          (short)u[7]);
}

EW_INLINE uint8_t *pack_units_of_2(const struct ew_pack_field *f, const uint8_t *block, size_t stride, uint8_t *out) {
    for (uint32_t u = 0; u < f->count; u++, out += 32) {
        const uint8_t *p = block + f->offset + 2 * u;
        _mm_storeu_si128((__m128i *)out, u16_of_8_rows(p, stride));
        _mm_storeu_si128((__m128i *)(out + 16), u16_of_8_rows(p + 8 * stride, stride));
    }
    return out;
}

EW_INLINE void pack_strip(const struct ew_pack_field *fields, size_t block_bytes, const uint8_t *rows, size_t row_bytes,
                          uint8_t *out) {
    for (size_t at = 0; at < row_bytes; at += block_bytes)
        for (const struct ew_pack_field *f = fields; f->count; f++)
            out = f->unit == 4 ? pack_units_of_4(f, block_bytes, rows + at, row_bytes, out)
                               : pack_units_of_2(f, rows + at, row_bytes, out);
}

#endif
