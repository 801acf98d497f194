/* Products with many tokens: unpackers of every type into the variant's panel form, matmul_tile_quads.h or
 * matmul_tile_pairs.h, which also has the tile kernels. Included through matmul_body.h, once per variant. */
#ifndef EW_KERNEL_ARM_MATMUL_PANEL_H
#define EW_KERNEL_ARM_MATMUL_PANEL_H

enum { R16_BLOCK_BYTES_MAX = 16 * 210 };

struct panel_stripe {
    struct panel_group group[EW_ACT_Q8_GROUPS];
};
static_assert(PANEL_ROWS / 16 * sizeof(struct panel_stripe) <= EW_PANEL_BYTES, "panel fits");

/* ---- unpacking: one R16 block of 16 rows into its groups ---- */

typedef void panel_block_fn(const uint8_t *block, struct panel_group *g);

static inline void panel_half_scales(const uint8_t *b, struct panel_group *g) {
    for (int r = 0; r < 4; r++) panel_put_scale(g, 0, r, load_halves(b + 8 * r));
}

static inline void panel_q4_0(const uint8_t *b, struct panel_group *g) {
    int8x16_t eight = vdupq_n_s8(8);
    panel_half_scales(b, g);
    for (int u = 0; u < 4; u += 2) {
        for (int r = 0; r < 4; r++) {
            uint8x16_t q0 = vld1q_u8(b + 32 + 64 * u + 16 * r), q1 = vld1q_u8(b + 96 + 64 * u + 16 * r);
            panel_put(g, u, r, vsubq_s8(low_nibbles(q0), eight), vsubq_s8(low_nibbles(q1), eight));
            panel_put(g, u + 4, r, vsubq_s8(high_nibbles(q0), eight), vsubq_s8(high_nibbles(q1), eight));
        }
    }
}

static inline void panel_q8_0(const uint8_t *b, struct panel_group *g) {
    const int8_t *q = (const int8_t *)b + 32;
    panel_half_scales(b, g);
    for (int u = 0; u < 8; u += 2)
        for (int r = 0; r < 4; r++)
            panel_put(g, u, r, vld1q_s8(q + 64 * u + 16 * r), vld1q_s8(q + 64 * u + 64 + 16 * r));
}

/* Scales and minima of rows 4r … 4r + 3. */
static inline void panel_k_scales(const uint8_t *b, struct panel_group *g, int r) {
    struct k_scales k = load_k_scales(b + 64 + 16 * r);
    float32x4_t d = load_halves(b + 8 * r), dmin = load_halves(b + 32 + 8 * r);
    for (int sub = 0; sub < 8; sub++) {
        panel_put_scale(&g[sub], 0, r, vmulq_f32(unsigned_scale(k.scale[sub / 4], sub % 4), d));
        panel_put_min(&g[sub], 0, r, vmulq_f32(unsigned_scale(k.min[sub / 4], sub % 4), dmin));
    }
}

static inline void panel_q4_k(const uint8_t *b, struct panel_group *g) {
    for (int r = 0; r < 4; r++) {
        panel_k_scales(b, g, r);
        for (int u = 0; u < 32; u += 2) {
            uint8x16_t q0 = vld1q_u8(b + 256 + 64 * u + 16 * r), q1 = vld1q_u8(b + 320 + 64 * u + 16 * r);
            panel_put(&g[u / 8 * 2], u % 8, r, low_nibbles(q0), low_nibbles(q1));
            panel_put(&g[u / 8 * 2 + 1], u % 8, r, high_nibbles(q0), high_nibbles(q1));
        }
    }
}

static inline void panel_q5_k(const uint8_t *b, struct panel_group *g) {
    for (int r = 0; r < 4; r++) {
        panel_k_scales(b, g, r);
        for (int u = 0; u < 32; u += 2) {
            const uint8_t *low = b + 768 + 64 * u + 16 * r, *high = b + 256 + u % 8 * 64 + 16 * r;
            uint8x16_t q0 = vld1q_u8(low), q1 = vld1q_u8(low + 64), h0 = vld1q_u8(high), h1 = vld1q_u8(high + 64);
            int sub = u / 8 * 2;
            panel_put(&g[sub], u % 8, r, with_bits(low_nibbles(q0), h0, 4 - sub, 16),
                      with_bits(low_nibbles(q1), h1, 4 - sub, 16));
            panel_put(&g[sub + 1], u % 8, r, with_bits(high_nibbles(q0), h0, 3 - sub, 16),
                      with_bits(high_nibbles(q1), h1, 3 - sub, 16));
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
            panel_put_scale(&g[group], i, r, vmulq_f32(vcvtq_f32_s32(scale), d));
            int8x16_t w[4];
            load_r16_q6_k(low, high, group / 4, group % 4, i, w);
            panel_put(&g[group], 4 * i, r, vsubq_s8(w[0], middle), vsubq_s8(w[1], middle));
            panel_put(&g[group], 4 * i + 2, r, vsubq_s8(w[2], middle), vsubq_s8(w[3], middle));
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

#endif
