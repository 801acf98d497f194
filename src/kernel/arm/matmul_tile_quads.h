/* The panel form for instructions that sum over four columns, and its tile kernels: 8 rows x TILE_TOKENS in registers,
 * one lane per row. By the primitives of matmul_body.h, which the including file defines before.
 *
 * A panel is stripes of 16 rows, each a run of groups of 32 columns: signed bytes interleaved as in R16 (16 rows x 4
 * columns), one scale and one minimum per 16 columns and row. Weight = scale * q - min. Types that have fewer of
 * them, or none, leave those fields alone and take a tile kernel that does not read them. */
#ifndef EW_KERNEL_ARM_MATMUL_TILE_QUADS_H
#define EW_KERNEL_ARM_MATMUL_TILE_QUADS_H

#include "kernel/arm/matmul_panel_form.h"

#include <string.h>

/* Two stripes of 16 groups are 26 KiB, of which types without minima touch 20: they stay in the smallest first-level
 * cache while the tokens pass. */
enum { PANEL_ROWS = 32 };

struct panel_group {
    int8_t q[8][16][4];
    float scale[2][16];
    float lift[16]; /* -dots_origin * scale[0] */
    float min[2][16];
};

/* ---- filling ---- */

/* Columns 4u … 4u + 7 of rows 4r … 4r + 3; u is even, w0 has the first four columns. */
static inline void panel_put(struct panel_group *g, int u, int r, int8x16_t w0, int8x16_t w1) {
    vst1q_s8(g->q[u][4 * r], w0);
    vst1q_s8(g->q[u + 1][4 * r], w1);
}

/* Scales or minima of rows 4r … 4r + 3 for half i of the group, or for all of it by half 0. */
static inline void panel_put_scale(struct panel_group *g, int i, int r, float32x4_t scale) {
    vst1q_f32(g->scale[i] + 4 * r, scale);
    if (i == 0 && dots_origin > 0) vst1q_f32(g->lift + 4 * r, vmulq_n_f32(scale, -dots_origin));
}
static inline void panel_put_min(struct panel_group *g, int i, int r, float32x4_t min) {
    vst1q_f32(g->min[i] + 4 * r, min);
}

/* The same for a single row: where columns 4u … 4u + 3 go, and its numbers. */
static inline int8_t *panel_quad_of_row(struct panel_group *g, int u, uint32_t row) { return g->q[u][row]; }
static inline void panel_put_of_row(struct panel_group *g, int i, uint32_t row, float scale, float min) {
    g->scale[i][row] = scale;
    g->min[i][row] = min;
    if (i == 0) g->lift[row] = scale * -dots_origin;
}

/* ---- products ---- */

/* What meets the minima of half groups: d · Σ q. */
static inline void half_sums(const struct ew_act_q8 *x, uint32_t k, float sum[2]) {
    for (uint32_t i = 0; i < 2; i++) sum[i] = x->d[k] * (float)x->sum16[2 * k + i] / -128;
}

/* y[token][4 rows] of 8 rows (from row `at` of a stripe) and TILE_TOKENS tokens. Unrolled by order: rolled, gcc keeps
 * the sums in memory. */
static inline __attribute__((always_inline)) void tile_block(const struct panel_group *g, uint32_t n_groups, int at,
                                                             const struct ew_act_q8 *const x[TILE_TOKENS],
                                                             struct panel_form form, float32x4_t y[TILE_TOKENS][2]) {
    float32x4_t total[TILE_TOKENS][2] = {{vdupq_n_f32(0)}};
    for (uint32_t k = 0; k < n_groups; k++, g++) {
        dots s[TILE_TOKENS][2];
        float32x4_t scaled[TILE_TOKENS][2];
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            int8x16_t a[TILE_TOKENS];
#pragma GCC unroll 4
            for (int t = 0; t < TILE_TOKENS; t++) a[t] = vld1q_s8(x[t]->q + k * 32 + 16 * i);
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++) {
                float32x4_t scale = vld1q_f32(g->scale[form.halves ? i : 0] + at + 4 * r);
                if (i == 0 || form.halves)
#pragma GCC unroll 4
                    for (int t = 0; t < TILE_TOKENS; t++) s[t][r] = dots_start_scaled();
#pragma GCC unroll 4
                for (int u = 0; u < 4; u++) { /* tokens in turns: no sum waits for itself */
                    int8x16_t w = vld1q_s8(g->q[4 * i + u][at + 4 * r]);
#pragma GCC unroll 4
                    for (int t = 0; t < TILE_TOKENS; t++)
                        s[t][r] = form.wide ? dots_step_wide(s[t][r], w, a[t], u) : dots_step(s[t][r], w, a[t], u);
                }
                if (i == 0 && !form.halves) continue;
#pragma GCC unroll 4
                for (int t = 0; t < TILE_TOKENS; t++)
                    scaled[t][r] = i && form.halves ? vfmaq_f32(scaled[t][r], dots_sum_f32(s[t][r]), scale)
                                                    : dots_scaled(s[t][r], scale, g->lift + at + 4 * r);
            }
        }
#pragma GCC unroll 4
        for (int t = 0; t < TILE_TOKENS; t++) {
            float sum[2] = {x[t]->ds[k]};
            if (form.min_halves) half_sums(x[t], k, sum);
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++) {
                total[t][r] = vfmaq_n_f32(total[t][r], scaled[t][r], x[t]->d[k]);
#pragma GCC unroll 2
                for (int i = 0; i < form.min + 2 * form.min_halves; i++)
                    total[t][r] = vfmsq_n_f32(total[t][r], vld1q_f32(g->min[i] + at + 4 * r), sum[i]);
            }
        }
    }
    memcpy(y, total, sizeof total);
}

static inline __attribute__((always_inline)) void tile_panel(const struct ew_tile_args *a, struct panel_form form) {
    const uint32_t n_groups = a->n_cols / EW_ACT_GROUP;
    for (uint32_t token = 0; token < a->n_tokens; token += TILE_TOKENS) {
        const struct ew_act_q8 *x[TILE_TOKENS];
        uint32_t n = tile_tokens(a, token, x);
        for (uint32_t row = 0; row < a->n_rows; row += TILE_ROWS) {
            const struct panel_group *g = (const struct panel_group *)a->panel + row / 16 * EW_ACT_Q8_GROUPS;
            float32x4_t y[TILE_TOKENS][2];
            tile_block(g, n_groups, (int)(row % 16), x, form, y);
            for (uint32_t t = 0; t < n; t++) tile_store(a, token + t, row, y[t][0], y[t][1]);
        }
    }
}

TILE_KERNELS

#endif
