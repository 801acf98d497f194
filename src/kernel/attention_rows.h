/* Rows of the KV cache as vectors of floats: F16, F32 or Q8_0. Callers pass the type as a constant, so that each loop
 * is compiled for one. Included once per variant through vector_body.h. */
#ifndef EW_KERNEL_ATTENTION_ROWS_H
#define EW_KERNEL_ATTENTION_ROWS_H

#include "quant/blocks.h"

enum { ROW_BLOCK_BYTES = sizeof(struct ew_block_q8_0) };

/* VF_N values of a row of floats, from d on. */
static inline __attribute__((always_inline)) vf row_floats(enum ew_type type, const uint8_t *row, uint32_t d) {
    if (type == EW_TYPE_F32) return vf_load((const float *)(const void *)row + d);
    return vf_load_half((const ew_f16 *)(const void *)row + d);
}
static inline __attribute__((always_inline)) vf row_floats_some(enum ew_type type, const uint8_t *row, uint32_t d,
                                                                uint32_t n) {
    if (type == EW_TYPE_F32) return vf_load_some((const float *)(const void *)row + d, n);
    return vf_load_half_some((const ew_f16 *)(const void *)row + d, n);
}

/* VF_N quants of block b of a row of Q8_0, from its column i on, times the block's scale. VF_N divides the length of a
 * block. */
static inline __attribute__((always_inline)) vf row_quants(const uint8_t *row, uint32_t b, uint32_t i, float scale) {
    const uint8_t *quants = row + (size_t)b * ROW_BLOCK_BYTES + offsetof(struct ew_block_q8_0, qs) + i;
    return vf_mul(vf_load_bytes((const int8_t *)quants), vf_set1(scale));
}

/* scale[block * stride + p] of n <= stride positions, at most EW_ATTENTION_TILE. Gathered first and converted together:
 * one by one, the conversions cost as much as the products. */
static void row_scales(const uint8_t *rows, uint32_t n, uint32_t dim, float *scale, uint32_t stride) {
    ew_f16 half[EW_ATTENTION_TILE];
    uint32_t n_blocks = dim / EW_QK_SMALL;
    size_t bytes = (size_t)n_blocks * ROW_BLOCK_BYTES;
    for (uint32_t b = 0; b < n_blocks; b++) {
        for (uint32_t p = 0; p < n; p++) memcpy(&half[p], rows + p * bytes + (size_t)b * ROW_BLOCK_BYTES, sizeof *half);
        /* The step of positions that ends a tile repeats the last one. */
        for (uint32_t p = n; p % 4 != 0; p++) half[p] = half[n - 1];
        f16_to_f32((n + 3) & ~3u, half, scale + (size_t)b * stride);
    }
}

/* n rows, at most EW_ATTENTION_TILE, to floats. */
static void row_unpack(enum ew_type type, uint32_t n, uint32_t dim, const void *from, float *to) {
    if (type == EW_TYPE_F16) {
        f16_to_f32((size_t)n * dim, from, to);
    } else if (type == EW_TYPE_F32) {
        memcpy(to, from, (size_t)n * dim * sizeof *to);
    } else {
        float scale[EW_ATTENTION_MAX_DIM / EW_QK_SMALL][EW_ATTENTION_TILE];
        const uint8_t *block = from;
        row_scales(from, n, dim, scale[0], EW_ATTENTION_TILE);
        for (uint32_t p = 0; p < n; p++) {
            for (uint32_t b = 0; b < dim / EW_QK_SMALL; b++, block += ROW_BLOCK_BYTES, to += EW_QK_SMALL)
                for (uint32_t d = 0; d < EW_QK_SMALL; d += VF_N) vf_store(to + d, row_quants(block, 0, d, scale[b][p]));
        }
    }
}

#endif
