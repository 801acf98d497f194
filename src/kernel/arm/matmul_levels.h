/* Products of any block type through its levels (quant/levels.h), for types that have no kernels of their own: an
 * unpacker into the panel form, and a matrix-vector product whose time is mostly that of making
 * levels. Included through matmul_body.h, once per variant. */
#ifndef EW_KERNEL_ARM_MATMUL_LEVELS_H
#define EW_KERNEL_ARM_MATMUL_LEVELS_H

#include "kernel/arm/matmul_panel.h"

static inline void store_levels(const struct ew_levels *levels, uint32_t n_cols, uint32_t r, struct panel_group *g) {
    for (uint32_t k = 0; k < n_cols / EW_ACT_GROUP; k++, g++) {
        for (int u = 0; u < 8; u++) memcpy(panel_quad_of_row(g, u, r), levels->q + k * EW_ACT_GROUP + 4 * u, 4);
        for (uint32_t i = 0; i < 2; i++)
            panel_put_of_row(g, (int)i, r, levels->scale[2 * k + i], levels->min[2 * k + i]);
    }
}

static void unpack_levels(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                          void *panel) {
    const uint32_t cols = ew_type_traits(w->type)->block_elems;
    ew_levels_fn *unpack = ew_quant_levels(w->type);
    for (uint32_t r = 0; r < n_rows; r++) {
        struct panel_group *g = ((struct panel_stripe *)panel)[r / 16].group;
        for (uint32_t i = 0; i < n_cols; i += cols, g += cols / EW_ACT_GROUP) {
            uint8_t block[EW_BLOCK_BYTES_MAX];
            struct ew_levels levels;
            ew_matmul_fetch_block(w, row + r, (col + i) / cols, block);
            unpack(block, &levels);
            store_levels(&levels, cols, r % 16, g);
        }
    }
}

/* One block of a row of a type without minima, spread over the lanes of y. */
static inline float32x4_t dot_levels(const struct ew_levels *levels, uint32_t n_cols, const struct ew_act_q8 *x,
                                     uint32_t g, float32x4_t y) {
    for (uint32_t h = 0; h < n_cols / EW_LEVEL_GROUP; h++) {
        int8x16_t q = vld1q_s8(levels->q + h * EW_LEVEL_GROUP), a = vld1q_s8(x->q + g * 32 + h * EW_LEVEL_GROUP);
        int32x4_t s = line_dot(vdupq_n_s32(0), q, a);
        y = vfmaq_n_f32(y, vcvtq_f32_s32(s), levels->scale[h] * x->d[g + h / 2]);
    }
    return y;
}

static void gemv_levels(const struct ew_gemv_args *a) {
    const struct ew_weight *w = a->w;
    const struct ew_type_traits *traits = ew_type_traits(w->type);
    size_t row_bytes = ew_type_row_bytes(w->type, w->n_in);
    ew_levels_fn *unpack = ew_quant_levels(w->type);
    for (uint32_t row = a->row_begin; row < a->row_end; row++) {
        const uint8_t *p = (const uint8_t *)w->data + row * row_bytes;
        float32x4_t sums[EW_GEMV_TOKENS];
        for (uint32_t t = 0; t < a->n_tokens; t++) sums[t] = vdupq_n_f32(0);
        for (uint32_t col = 0; col < w->n_in; col += traits->block_elems, p += traits->block_bytes) {
            const struct ew_act_q8 *x = (const struct ew_act_q8 *)a->act + col / EW_ACT_Q8_COLS * a->n_tokens;
            struct ew_levels levels;
            unpack(p, &levels);
            uint32_t g = col % EW_ACT_Q8_COLS / EW_ACT_GROUP;
            for (uint32_t t = 0; t < a->n_tokens; t++)
                sums[t] = dot_levels(&levels, traits->block_elems, x + t, g, sums[t]);
        }
        for (uint32_t t = 0; t < a->n_tokens; t++) {
            float *y = a->y + t * a->y_stride + row;
            *y = (a->accumulate ? *y : 0) + vaddvq_f32(sums[t]);
        }
    }
}

#endif
