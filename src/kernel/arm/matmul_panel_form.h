/* What the two panel forms (matmul_tile_quads.h, matmul_tile_pairs.h) have in common: which numbers of a panel a type
 * fills, and the walk of a tile kernel over tokens and rows. */
#ifndef EW_KERNEL_ARM_MATMUL_PANEL_FORM_H
#define EW_KERNEL_ARM_MATMUL_PANEL_FORM_H

#include <stdbool.h>

/* What a type's panel has; constants at every call, so that each form compiles to its own loop. */
struct panel_form {
    bool wide;   /* q may need all 8 bits */
    bool halves; /* a scale per 16 columns */
    bool min;
    bool min_halves; /* a minimum per 16 columns */
};

/* Rows that a tile kernel holds in registers; how many tokens, TILE_TOKENS, the variant says. */
enum { TILE_ROWS = 8 };

/* The records of up to TILE_TOKENS tokens; the last block of a batch repeats its last token. */
static inline uint32_t tile_tokens(const struct ew_tile_args *a, uint32_t token,
                                   const struct ew_act_q8 *x[TILE_TOKENS]) {
    const struct ew_act_q8 *act = a->act;
    uint32_t n = a->n_tokens - token < TILE_TOKENS ? a->n_tokens - token : TILE_TOKENS;
    for (uint32_t t = 0; t < TILE_TOKENS; t++) x[t] = &act[token + (t < n ? t : n - 1)];
    return n;
}

/* Eight rows of one token. */
static inline void tile_store(const struct ew_tile_args *a, uint32_t token, uint32_t row, float32x4_t y0,
                              float32x4_t y1) {
    uint32_t n = a->n_rows - row < TILE_ROWS ? a->n_rows - row : TILE_ROWS;
    const float *in = a->in ? a->in + token * a->in_stride + row : NULL;
    float *out = a->out + token * a->out_stride + row, value[TILE_ROWS];
    vst1q_f32(value, y0);
    vst1q_f32(value + 4, y1);
    for (uint32_t r = 0; r < n; r++) out[r] = in ? in[r] + value[r] : value[r];
}

/* The tile kernels of a variant, by tile_panel(args, form) of its panel form. */
#define TILE(name_, ...)                                                                                               \
    static void tile_##name_(const struct ew_tile_args *a) { tile_panel(a, (struct panel_form){__VA_ARGS__}); }
#define TILE_KERNELS                                                                                                   \
    TILE(small, .wide = false)                                                                                         \
    TILE(wide, .wide = true)                                                                                           \
    TILE(min, .min = true)                                                                                             \
    TILE(half, .halves = true)                                                                                         \
    TILE(half_min, .halves = true, .min_halves = true) /* a whole group of these sums does not fit 16 bits */

#endif
