/* Products with many tokens: unpackers of every type into one panel form, and the tile kernel that multiplies panels
 * with activations. Included through matmul_body.h, once per variant.
 *
 * A panel is stripes of 16 rows, each a run of groups of 32 columns: signed bytes interleaved as in R16 (16 rows x 4
 * columns), one scale and one minimum per 16 columns and row. Weight = scale * q - min. Types that have fewer of
 * them, or none, leave those fields alone and take a tile kernel that does not read them. */
#ifndef EW_KERNEL_ARM_MATMUL_PANEL_H
#define EW_KERNEL_ARM_MATMUL_PANEL_H

/* Two stripes of 16 groups are 24 KiB, of which types without minima touch 22: they stay in the smallest first-level
 * cache while the tokens pass. */
enum { PANEL_ROWS = 32, TILE_TOKENS = 4, R16_BLOCK_BYTES_MAX = 16 * 210 };

struct panel_group {
    int8_t q[8][16][4];
    float scale[2][16];
    float min[2][16];
};
struct panel_stripe {
    struct panel_group group[EW_ACT_Q8_GROUPS];
};
static_assert(PANEL_ROWS / 16 * sizeof(struct panel_stripe) <= EW_PANEL_BYTES, "panel fits");

/* ---- unpacking: one R16 block of 16 rows into its groups ---- */

typedef void panel_block_fn(const uint8_t *block, struct panel_group *g);

static inline void panel_q4_0(const uint8_t *b, struct panel_group *g) {
    int8x16_t eight = vdupq_n_s8(8);
    for (int r = 0; r < 4; r++) vst1q_f32(g->scale[0] + 4 * r, load_halves(b + 8 * r));
    for (int u = 0; u < 4; u++) {
        for (int r = 0; r < 4; r++) {
            uint8x16_t q = vld1q_u8(b + 32 + 64 * u + 16 * r);
            vst1q_s8(g->q[u][4 * r], vsubq_s8(low_nibbles(q), eight));
            vst1q_s8(g->q[u + 4][4 * r], vsubq_s8(high_nibbles(q), eight));
        }
    }
}

static inline void panel_q8_0(const uint8_t *b, struct panel_group *g) {
    for (int r = 0; r < 4; r++) vst1q_f32(g->scale[0] + 4 * r, load_halves(b + 8 * r));
    memcpy(g->q, b + 32, sizeof g->q);
}

/* Scales and minima of rows 4r … 4r + 3. */
static inline void panel_k_scales(const uint8_t *b, struct panel_group *g, int r) {
    struct k_scales k = load_k_scales(b + 64 + 16 * r);
    float32x4_t d = load_halves(b + 8 * r), dmin = load_halves(b + 32 + 8 * r);
    for (int sub = 0; sub < 8; sub++) {
        vst1q_f32(g[sub].scale[0] + 4 * r, vmulq_f32(unsigned_scale(k.scale[sub / 4], sub % 4), d));
        vst1q_f32(g[sub].min[0] + 4 * r, vmulq_f32(unsigned_scale(k.min[sub / 4], sub % 4), dmin));
    }
}

static inline void panel_q4_k(const uint8_t *b, struct panel_group *g) {
    for (int r = 0; r < 4; r++) {
        panel_k_scales(b, g, r);
        for (int u = 0; u < 32; u++) {
            uint8x16_t q = vld1q_u8(b + 256 + 64 * u + 16 * r);
            vst1q_s8(g[u / 8 * 2].q[u % 8][4 * r], low_nibbles(q));
            vst1q_s8(g[u / 8 * 2 + 1].q[u % 8][4 * r], high_nibbles(q));
        }
    }
}

static inline void panel_q5_k(const uint8_t *b, struct panel_group *g) {
    for (int r = 0; r < 4; r++) {
        panel_k_scales(b, g, r);
        for (int u = 0; u < 32; u++) {
            uint8x16_t q = vld1q_u8(b + 768 + 64 * u + 16 * r), h = vld1q_u8(b + 256 + u % 8 * 64 + 16 * r);
            int sub = u / 8 * 2;
            vst1q_s8(g[sub].q[u % 8][4 * r], with_bits(low_nibbles(q), h, 4 - sub, 16));
            vst1q_s8(g[sub + 1].q[u % 8][4 * r], with_bits(high_nibbles(q), h, 3 - sub, 16));
        }
    }
}

static inline void panel_q6_k(const uint8_t *b, struct panel_group *g) {
    int8x16_t middle = vdupq_n_s8(32);
    for (int r = 0; r < 4; r++) {
        const uint8_t *scales = b + 32 + 16 * r, *high = b + 288 + 16 * r, *low = b + 1312 + 16 * r;
        float32x4_t d = load_halves(b + 8 * r);
        for (int half = 0; half < 16; half++) {
            int group = half / 2, i = half % 2;
            int32x4_t scale = signed_scale(vld1q_u8(scales + half / 4 * 64), half % 4);
            vst1q_f32(g[group].scale[i] + 4 * r, vmulq_f32(vcvtq_f32_s32(scale), d));
            int8x16_t w[4];
            load_r16_q6_k(low, high, group / 4, group % 4, i, w);
            for (int u = 0; u < 4; u++) vst1q_s8(g[group].q[4 * i + u][4 * r], vsubq_s8(w[u], middle));
        }
    }
}

/* Blocks of up to 16 rows side by side, as the R16 layout has them; missing rows become zeros. */
static void gather_block(const struct ew_pack_field *f, const uint8_t *first, size_t row_bytes, uint32_t n_rows,
                         uint8_t *out) {
    for (; f->count; f++) {
        for (uint32_t r = 0; r < 16; r++) {
            const uint8_t *from = first + r * row_bytes + f->offset;
            uint8_t *to = out + r * f->unit;
            if (r >= n_rows) {
                for (uint32_t u = 0; u < f->count; u++) memset(to + 16 * u * f->unit, 0, f->unit);
            } else if (f->unit == 4) {
                for (uint32_t u = 0; u < f->count; u++) memcpy(to + 64 * u, from + 4 * u, 4);
            } else {
                for (uint32_t u = 0; u < f->count; u++) memcpy(to + 32 * u, from + 2 * u, 2);
            }
        }
        out += 16 * (size_t)f->unit * f->count;
    }
}

static inline __attribute__((always_inline)) void unpack_panel(const struct ew_weight *w, uint32_t row, uint32_t n_rows,
                                                               uint32_t col, uint32_t n_cols, void *panel,
                                                               uint32_t cols, size_t block_bytes,
                                                               panel_block_fn *block) {
    const struct ew_pack_field *fields = ew_matmul_pack_fields(w->type);
    size_t row_bytes = w->n_in / cols * block_bytes;
    uint8_t gathered[R16_BLOCK_BYTES_MAX];
    for (uint32_t s = 0; s * 16 < n_rows; s++) {
        struct panel_group *g = ((struct panel_stripe *)panel)[s].group;
        const uint8_t *stripe = (const uint8_t *)w->data + (row + s * 16) * row_bytes;
        for (uint32_t i = 0; i < n_cols; i += cols, g += cols / EW_ACT_GROUP) {
            size_t index = (col + i) / cols;
            if (w->layout == EW_LAYOUT_R16) {
                block(stripe + index * 16 * block_bytes, g);
            } else {
                gather_block(fields, stripe + index * block_bytes, row_bytes, n_rows - s * 16, gathered);
                block(gathered, g);
            }
        }
    }
}

#define UNPACK(type_, cols_)                                                                                           \
    static void unpack_##type_(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col,                 \
                               uint32_t n_cols, void *panel) {                                                         \
        unpack_panel(w, row, n_rows, col, n_cols, panel, cols_, sizeof(struct ew_block_##type_), panel_##type_);       \
    }
UNPACK(q4_0, EW_QK_SMALL)
UNPACK(q8_0, EW_QK_SMALL)
UNPACK(q4_k, EW_QK_SUPER)
UNPACK(q5_k, EW_QK_SUPER)
UNPACK(q6_k, EW_QK_SUPER)
#undef UNPACK

/* ---- products ---- */

/* What a type's panel has; constants at every call, so that each form compiles to its own loop. */
struct panel_form {
    bool wide;   /* q may need all 8 bits */
    bool halves; /* a scale per 16 columns */
    bool min;
    bool min_halves; /* a minimum per 16 columns */
};

/* y[token][4 rows] of 8 rows (from row `at` of a stripe) and four tokens. */
static inline __attribute__((always_inline)) void tile_block(const struct panel_group *g, uint32_t n_groups, int at,
                                                             const struct ew_act_q8 *const x[TILE_TOKENS],
                                                             struct panel_form form, float32x4_t y[TILE_TOKENS][2]) {
    for (uint32_t k = 0; k < n_groups; k++, g++) {
        dots s[TILE_TOKENS][2];
        float32x4_t scaled[TILE_TOKENS][2];
        for (int i = 0; i < 2; i++) {
            int8x16_t a[TILE_TOKENS];
            for (int t = 0; t < TILE_TOKENS; t++) a[t] = vld1q_s8(x[t]->q + k * 32 + 16 * i);
            for (int r = 0; r < 2; r++) {
                int8x16_t w[4];
                for (int u = 0; u < 4; u++) w[u] = vld1q_s8(g->q[4 * i + u][at + 4 * r]);
                float32x4_t scale = vld1q_f32(g->scale[form.halves ? i : 0] + at + 4 * r);
                for (int t = 0; t < TILE_TOKENS; t++) {
                    dots before = form.halves || i == 0 ? dots_start(0) : s[t][r];
                    s[t][r] = form.wide ? dots_quad_wide(before, w[0], w[1], w[2], w[3], a[t])
                                        : dots_quad(before, w[0], w[1], w[2], w[3], a[t]);
                    if (i == 0 && !form.halves) continue;
                    float32x4_t sum = vcvtq_f32_s32(dots_sum(s[t][r]));
                    scaled[t][r] = i && form.halves ? vfmaq_f32(scaled[t][r], sum, scale) : vmulq_f32(sum, scale);
                }
            }
        }
        for (int t = 0; t < TILE_TOKENS; t++) {
            for (int r = 0; r < 2; r++) {
                y[t][r] = vfmaq_n_f32(y[t][r], scaled[t][r], x[t]->d[k]);
                if (form.min) y[t][r] = vfmsq_n_f32(y[t][r], vld1q_f32(g->min[0] + at + 4 * r), x[t]->ds[k]);
                for (uint32_t i = 0; i < 2 && form.min_halves; i++) {
                    float sum = x[t]->d[k] * (float)x[t]->sum16[2 * k + i] / -128;
                    y[t][r] = vfmsq_n_f32(y[t][r], vld1q_f32(g->min[i] + at + 4 * r), sum);
                }
            }
        }
    }
}

static inline void tile_store(const struct ew_tile_args *a, uint32_t token, uint32_t row, const float32x4_t y[2]) {
    uint32_t n = a->n_rows - row < 8 ? a->n_rows - row : 8;
    const float *in = a->in ? a->in + token * a->in_stride + row : NULL;
    float *out = a->out + token * a->out_stride + row, value[8];
    vst1q_f32(value, y[0]);
    vst1q_f32(value + 4, y[1]);
    for (uint32_t r = 0; r < n; r++) out[r] = in ? in[r] + value[r] : value[r];
}

static inline __attribute__((always_inline)) void tile_panel(const struct ew_tile_args *a, struct panel_form form) {
    const struct panel_stripe *panel = a->panel;
    const struct ew_act_q8 *act = a->act;
    for (uint32_t token = 0; token < a->n_tokens; token += TILE_TOKENS) {
        const struct ew_act_q8 *x[TILE_TOKENS]; /* the last block repeats its last token */
        uint32_t n = a->n_tokens - token < TILE_TOKENS ? a->n_tokens - token : TILE_TOKENS;
        for (uint32_t t = 0; t < TILE_TOKENS; t++) x[t] = &act[token + (t < n ? t : n - 1)];
        for (uint32_t row = 0; row < a->n_rows; row += 8) {
            float32x4_t y[TILE_TOKENS][2];
            for (int t = 0; t < TILE_TOKENS; t++) y[t][0] = y[t][1] = vdupq_n_f32(0);
            tile_block(panel[row / 16].group, a->n_cols / EW_ACT_GROUP, (int)(row % 16), x, form, y);
            for (uint32_t t = 0; t < n; t++) tile_store(a, token + t, row, y[t]);
        }
    }
}

#define TILE(name_, ...)                                                                                               \
    static void tile_##name_(const struct ew_tile_args *a) { tile_panel(a, (struct panel_form){__VA_ARGS__}); }
TILE(small, .wide = false)
TILE(wide, .wide = true)
TILE(min, .min = true)
TILE(half, .halves = true)
TILE(half_min, .halves = true, .min_halves = true) /* a whole group of these sums does not fit 16 bits */
#undef TILE

#endif
