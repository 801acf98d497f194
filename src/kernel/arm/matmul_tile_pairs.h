/* The panel form for smmla, which multiplies 2 rows x 8 columns with 2 tokens x 8 columns into a 2 x 2 square of sums,
 * and its tile kernels: 8 rows x 4 tokens in registers.
 *
 * A panel is stripes of 16 rows, each a run of groups of 32 columns, as in matmul_tile_quads.h, but with signed bytes
 * by pairs of rows and runs of 8 columns, and with every scale and minimum twice, since a square's lanes are row 0 with
 * both tokens, then row 1 with both. Activations are paired in the same way, once for all rows of a panel. */
#ifndef EW_KERNEL_ARM_MATMUL_TILE_PAIRS_H
#define EW_KERNEL_ARM_MATMUL_TILE_PAIRS_H

#include "kernel/arm/matmul_panel_form.h"

#include <string.h>

/* Four stripes of 16 groups are 72 KiB, of which types without minima touch 48: within the first-level cache of most
 * cores that have smmla. Twice the rows of the other form, for half the work of pairing tokens. */
enum { PANEL_ROWS = 64, TOKEN_PAIRS = TILE_TOKENS / 2, ROW_PAIRS = TILE_ROWS / 2 };

struct panel_group {
    int8_t q[4][8][2][8]; /* 8 columns, pair of rows, row, column */
    float scale[2][8][4]; /* half, pair of rows, lanes of a square */
    float lift[8][4];     /* -dots_origin * scale[0] */
    float min[2][8][4];
};

/* ---- filling ---- */

/* Columns 4u … 4u + 7 of rows 4r … 4r + 3; u is even, w0 has the first four columns. */
static inline void panel_put(struct panel_group *g, int u, int r, int8x16_t w0, int8x16_t w1) {
    int32x4_t first = vreinterpretq_s32_s8(w0), next = vreinterpretq_s32_s8(w1);
    vst1q_s8(g->q[u / 2][2 * r][0], vreinterpretq_s8_s32(vzip1q_s32(first, next)));
    vst1q_s8(g->q[u / 2][2 * r + 1][0], vreinterpretq_s8_s32(vzip2q_s32(first, next)));
}

/* Scales or minima of rows 4r … 4r + 3 for half i of the group, or for all of it by half 0. */
static inline void panel_put_twice(float to[8][4], int r, float32x4_t v) {
    vst1q_f32(to[2 * r], vzip1q_f32(v, v));
    vst1q_f32(to[2 * r + 1], vzip2q_f32(v, v));
}
static inline void panel_put_scale(struct panel_group *g, int i, int r, float32x4_t scale) {
    panel_put_twice(g->scale[i], r, scale);
    if (i == 0) panel_put_twice(g->lift, r, vmulq_n_f32(scale, -dots_origin));
}
static inline void panel_put_min(struct panel_group *g, int i, int r, float32x4_t min) {
    panel_put_twice(g->min[i], r, min);
}

/* The same for a single row: where columns 4u … 4u + 3 go, and its numbers. */
static inline int8_t *panel_quad_of_row(struct panel_group *g, int u, uint32_t row) {
    return g->q[u / 2][row / 2][row % 2] + 4 * (u % 2);
}
static inline void panel_put_of_row(struct panel_group *g, int i, uint32_t row, float scale, float min) {
    for (uint32_t lane = row % 2 * 2; lane < row % 2 * 2 + 2; lane++) {
        g->scale[i][row / 2][lane] = scale;
        g->min[i][row / 2][lane] = min;
        if (i == 0) g->lift[row / 2][lane] = scale * -dots_origin;
    }
}

/* ---- products ---- */

/* Two tokens' activations by runs of 8 columns; per group what scales their sums and what meets minima, in the lanes of
 * a square. */
struct token_pair {
    int8_t q[EW_ACT_Q8_COLS / 8][2][8];
    float d[EW_ACT_Q8_GROUPS][4];
    float sum[2][EW_ACT_Q8_GROUPS][4]; /* d · Σ q of the group ([0]) or of each half */
};

static inline void put_pairs(float to[4][4], float32x4_t v0, float32x4_t v1) {
    float64x2_t low = vreinterpretq_f64_f32(vzip1q_f32(v0, v1)), high = vreinterpretq_f64_f32(vzip2q_f32(v0, v1));
    vst1q_f32(to[0], vreinterpretq_f32_f64(vdupq_laneq_f64(low, 0)));
    vst1q_f32(to[1], vreinterpretq_f32_f64(vdupq_laneq_f64(low, 1)));
    vst1q_f32(to[2], vreinterpretq_f32_f64(vdupq_laneq_f64(high, 0)));
    vst1q_f32(to[3], vreinterpretq_f32_f64(vdupq_laneq_f64(high, 1)));
}

static inline __attribute__((always_inline)) void pair_tokens(const struct ew_act_q8 *x0, const struct ew_act_q8 *x1,
                                                              uint32_t n_groups, struct panel_form form,
                                                              struct token_pair *to) {
    for (uint32_t c = 0; c < n_groups * 2; c++) {
        int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(x0->q + 16 * c)),
                  b = vreinterpretq_s64_s8(vld1q_s8(x1->q + 16 * c));
        vst1q_s8(to->q[2 * c][0], vreinterpretq_s8_s64(vzip1q_s64(a, b)));
        vst1q_s8(to->q[2 * c + 1][0], vreinterpretq_s8_s64(vzip2q_s64(a, b)));
    }
    for (uint32_t k = 0; k < n_groups; k += 4) { /* unused groups of a record may be read */
        float32x4_t d0 = vld1q_f32(x0->d + k), d1 = vld1q_f32(x1->d + k);
        put_pairs(to->d + k, d0, d1);
        if (form.min) put_pairs(to->sum[0] + k, vld1q_f32(x0->ds + k), vld1q_f32(x1->ds + k));
        if (!form.min_halves) continue;
        int32x4x2_t s0 = vld2q_s32(x0->sum16 + 2 * k), s1 = vld2q_s32(x1->sum16 + 2 * k); /* -128 Σ q */
        for (int i = 0; i < 2; i++)
            put_pairs(to->sum[i] + k, vmulq_n_f32(vmulq_f32(d0, vcvtq_f32_s32(s0.val[i])), -0x1p-7f),
                      vmulq_n_f32(vmulq_f32(d1, vcvtq_f32_s32(s1.val[i])), -0x1p-7f));
    }
}

/* y[token pair][row pair] of 8 rows (from pair `at` of a stripe) and four tokens. Unrolled by order, as in
 * matmul_tile_quads.h. */
static inline __attribute__((always_inline)) void tile_block(const struct panel_group *g, uint32_t n_groups, int at,
                                                             const struct token_pair x[TOKEN_PAIRS],
                                                             struct panel_form form,
                                                             float32x4_t y[TOKEN_PAIRS][ROW_PAIRS]) {
    float32x4_t total[TOKEN_PAIRS][ROW_PAIRS] = {{vdupq_n_f32(0)}};
    for (uint32_t k = 0; k < n_groups; k++, g++) {
        int32x4_t s[TOKEN_PAIRS][ROW_PAIRS];
        float32x4_t scaled[TOKEN_PAIRS][ROW_PAIRS];
#pragma GCC unroll 4
        for (uint32_t step = 0; step < 4; step++) {
            int8x16_t a[TOKEN_PAIRS];
#pragma GCC unroll 2
            for (int p = 0; p < TOKEN_PAIRS; p++) a[p] = vld1q_s8(x[p].q[4 * k + step][0]);
#pragma GCC unroll 4
            for (int r = 0; r < ROW_PAIRS; r++) {
                int8x16_t w = vld1q_s8(g->q[step][at + r][0]);
#pragma GCC unroll 2
                for (int p = 0; p < TOKEN_PAIRS; p++) {
                    bool first = step == 0 || (form.halves && step == 2);
                    s[p][r] = vmmlaq_s32(first ? dots_start_scaled() : s[p][r], w, a[p]);
                    if (step == (form.halves ? 1 : 3))
                        scaled[p][r] = dots_scaled(s[p][r], vld1q_f32(g->scale[0][at + r]), g->lift[at + r]);
                    else if (step == 3)
                        scaled[p][r] = vfmaq_f32(scaled[p][r], dots_sum_f32(s[p][r]), vld1q_f32(g->scale[1][at + r]));
                }
            }
        }
#pragma GCC unroll 2
        for (int p = 0; p < TOKEN_PAIRS; p++) {
#pragma GCC unroll 4
            for (int r = 0; r < ROW_PAIRS; r++) {
                total[p][r] = vfmaq_f32(total[p][r], scaled[p][r], vld1q_f32(x[p].d[k]));
#pragma GCC unroll 2
                for (int i = 0; i < form.min + 2 * form.min_halves; i++)
                    total[p][r] = vfmsq_f32(total[p][r], vld1q_f32(g->min[i][at + r]), vld1q_f32(x[p].sum[i][k]));
            }
        }
    }
    memcpy(y, total, sizeof total);
}

static inline __attribute__((always_inline)) void tile_panel(const struct ew_tile_args *a, struct panel_form form) {
    const uint32_t n_groups = a->n_cols / EW_ACT_GROUP;
    for (uint32_t token = 0; token < a->n_tokens; token += TILE_TOKENS) {
        const struct ew_act_q8 *x[TILE_TOKENS];
        struct token_pair pairs[TOKEN_PAIRS];
        uint32_t n = tile_tokens(a, token, x);
        for (int p = 0; p < TOKEN_PAIRS; p++) pair_tokens(x[2 * p], x[2 * p + 1], n_groups, form, &pairs[p]);
        for (uint32_t row = 0; row < a->n_rows; row += TILE_ROWS) {
            const struct panel_group *g = (const struct panel_group *)a->panel + row / 16 * EW_ACT_Q8_GROUPS;
            float32x4_t y[TOKEN_PAIRS][ROW_PAIRS];
            tile_block(g, n_groups, (int)(row % 16 / 2), pairs, form, y);
            for (uint32_t t = 0; t < n; t++) {
                const float32x4_t *v = y[t / 2];
                if (t % 2 == 0)
                    tile_store(a, token + t, row, vuzp1q_f32(v[0], v[1]), vuzp1q_f32(v[2], v[3]));
                else
                    tile_store(a, token + t, row, vuzp2q_f32(v[0], v[1]), vuzp2q_f32(v[2], v[3]));
            }
        }
    }
}

TILE_KERNELS

#endif
