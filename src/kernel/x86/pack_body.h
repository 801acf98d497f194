/* Transposing units of 16 rows in registers, for the lanes of the file that includes this: four units of every row are
 * loaded at once and leave as four runs of 16 rows. */
#ifndef EW_KERNEL_X86_PACK_BODY_H
#define EW_KERNEL_X86_PACK_BODY_H

EW_INLINE void pack_four_units(const uint8_t *p, size_t stride, uint32_t first, uint32_t n, uint8_t *out) {
    for (uint32_t r = 0; r < 16; r += LANES) {
        vint unit[4];
        v_transpose_units(p + r * stride, stride, unit);
#pragma GCC unroll 4
        for (uint32_t u = 0; u < 4; u++)
            if (u >= first && u < first + n) v_store(out + (u - first) * 64 + r * 4, unit[u]);
    }
}

EW_INLINE void pack_unit_of_2(const uint8_t *p, size_t stride, uint8_t *out) {
    _mm_storeu_si128((__m128i *)out, load_u16x8(p, stride));
    _mm_storeu_si128((__m128i *)(out + 16), load_u16x8(p + 8 * stride, stride));
}

#include "kernel/pack_strip_body.h"

#endif
