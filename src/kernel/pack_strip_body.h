/* Packing 16 rows into R16, for whatever vectors the file that includes this has: it defines before
 *   pack_four_units(p, stride, first, n, out): the four 4-byte units at p of 16 rows; those in [first, first + n) go to
 * out pack_unit_of_2(p, stride, out): the 2-byte unit at p of 16 rows The order of bytes: docs/formats.md. */
#ifndef EW_KERNEL_PACK_STRIP_BODY_H
#define EW_KERNEL_PACK_STRIP_BODY_H

#include "kernel/matmul_table.h"

/* Units that are no four are loaded with their neighbours, which lie in the same block on one side or the other. */
static inline uint8_t *pack_units_of_4(const struct ew_pack_field *f, size_t block_bytes, const uint8_t *block,
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

static inline void pack_strip(const struct ew_pack_field *fields, size_t block_bytes, const uint8_t *rows,
                              size_t row_bytes, uint8_t *out) {
    for (size_t at = 0; at < row_bytes; at += block_bytes) {
        for (const struct ew_pack_field *f = fields; f->count; f++) {
            if (f->unit == 4) {
                out = pack_units_of_4(f, block_bytes, rows + at, row_bytes, out);
                continue;
            }
            for (uint32_t u = 0; u < f->count; u++, out += 32)
                pack_unit_of_2(rows + at + f->offset + 2 * u, row_bytes, out);
        }
    }
}

#endif
