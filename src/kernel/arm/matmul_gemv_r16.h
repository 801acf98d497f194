/* Matrix-vector products of weights in R16 layout: 16 rows at a time, one lane per row, so that no sum crosses lanes
 * and one block's 16 scales are one load. Loops over the columns of a block are unrolled by order, so that shifts and
 * look-ups are constants. Included through matmul_body.h, once per variant. */
#ifndef EW_KERNEL_ARM_MATMUL_GEMV_R16_H
#define EW_KERNEL_ARM_MATMUL_GEMV_R16_H

/* Adds one block of 16 rows times the activations from group g on to y[16]. */
typedef void r16_block_fn(const uint8_t *block, const struct ew_act_q8 *x, uint32_t g, float32x4_t y[4]);

static inline void store_rows(const float32x4_t y[4], float *to, uint32_t n, bool accumulate) {
    float row[16];
    for (int r = 0; r < 4; r++) vst1q_f32(row + 4 * r, y[r]);
    for (uint32_t r = 0; r < n; r++) to[r] = accumulate ? to[r] + row[r] : row[r];
}

/* n_tokens is a constant 1, whose sums stay in registers, or any number: every token is summed in the same order, and
 * finds the weights of a block in the first-level cache. */
static inline __attribute__((always_inline)) void gemv_r16_tokens(const struct ew_gemv_args *a, uint32_t cols,
                                                                  size_t block_bytes, r16_block_fn *block,
                                                                  uint32_t n_tokens) {
    const struct ew_weight *w = a->w;
    size_t stripe_bytes = w->n_in / cols * 16 * block_bytes;
    for (uint32_t row = a->row_begin; row < a->row_end; row += 16) {
        const uint8_t *p = (const uint8_t *)w->data + row / 16 * stripe_bytes;
        float32x4_t y[EW_GEMV_TOKENS][4];
        for (uint32_t t = 0; t < n_tokens; t++)
            for (int r = 0; r < 4; r++) y[t][r] = vdupq_n_f32(0);
        for (uint32_t col = 0; col < w->n_in; col += cols, p += 16 * block_bytes) {
            const struct ew_act_q8 *x = (const struct ew_act_q8 *)a->act + col / EW_ACT_Q8_COLS * n_tokens;
            for (uint32_t t = 0; t < n_tokens; t++) block(p, x + t, col % EW_ACT_Q8_COLS / EW_ACT_GROUP, y[t]);
        }
        for (uint32_t t = 0; t < n_tokens; t++)
            store_rows(y[t], a->y + t * a->y_stride + row, a->row_end - row < 16 ? a->row_end - row : 16,
                       a->accumulate);
    }
}

static inline __attribute__((always_inline)) void gemv_r16(const struct ew_gemv_args *a, uint32_t cols,
                                                           size_t block_bytes, r16_block_fn *block) {
    if (a->n_tokens == 1)
        gemv_r16_tokens(a, cols, block_bytes, block, 1);
    else
        gemv_r16_tokens(a, cols, block_bytes, block, a->n_tokens);
}

static inline void block_r16_q4_0(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y[4]) {
    int8x16_t a0 = vld1q_s8(x->q + g * 32), a1 = vld1q_s8(x->q + g * 32 + 16);
    for (int r = 0; r < 4; r++) {
        const uint8_t *p = b + 32 + 16 * r;
        uint8x16_t w0 = vld1q_u8(p), w1 = vld1q_u8(p + 64), w2 = vld1q_u8(p + 128), w3 = vld1q_u8(p + 192);
        dots s = dots_start_f32(x->sum32[g] >> 4); /* q - 8: -8 Σ a */
        s = dots_quad(s, low_nibbles(w0), low_nibbles(w1), low_nibbles(w2), low_nibbles(w3), a0);
        s = dots_quad(s, high_nibbles(w0), high_nibbles(w1), high_nibbles(w2), high_nibbles(w3), a1);
        float32x4_t scale = vmulq_n_f32(load_halves(b + 8 * r), x->d[g]);
        y[r] = vfmaq_f32(y[r], dots_sum_f32(s), scale);
    }
}

static inline void block_r16_q8_0(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y[4]) {
    int8x16_t a0 = vld1q_s8(x->q + g * 32), a1 = vld1q_s8(x->q + g * 32 + 16);
    for (int r = 0; r < 4; r++) {
        const int8_t *p = (const int8_t *)b + 32 + 16 * r;
        dots s = dots_start_f32(0);
        s = dots_quad_wide(s, vld1q_s8(p), vld1q_s8(p + 64), vld1q_s8(p + 128), vld1q_s8(p + 192), a0);
        s = dots_quad_wide(s, vld1q_s8(p + 256), vld1q_s8(p + 320), vld1q_s8(p + 384), vld1q_s8(p + 448), a1);
        float32x4_t scale = vmulq_n_f32(load_halves(b + 8 * r), x->d[g]);
        y[r] = vfmaq_f32(y[r], dots_sum_f32(s), scale);
    }
}

/* Sums of a K-quant's super-block for 4 rows, before its two f16 factors. */
struct k_sums {
    float32x4_t value, min;
};

static inline struct k_sums add_sub_block(struct k_sums k, dots s, const struct k_scales *scales, int sub,
                                          const struct ew_act_q8 *x, uint32_t g) {
    float32x4_t scale = unsigned_scale(scales->scale[sub / 4], sub % 4);
    float32x4_t min = unsigned_scale(scales->min[sub / 4], sub % 4);
    k.value = vfmaq_n_f32(k.value, vmulq_f32(dots_sum_f32(s), scale), x->d[g]);
    k.min = vfmaq_n_f32(k.min, min, x->ds[g]);
    return k;
}

static inline float32x4_t finish_super_block(float32x4_t y, struct k_sums k, const uint8_t *d, const uint8_t *dmin) {
    return vfmsq_f32(vfmaq_f32(y, k.value, load_halves(d)), k.min, load_halves(dmin));
}

/* 32 columns of sub-block 2p (low nibbles) and of 2p + 1 (high), 4 rows. */
static inline void block_r16_q4_k(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y[4]) {
    for (int r = 0; r < 4; r++) {
        struct k_scales scales = load_k_scales(b + 64 + 16 * r);
        struct k_sums k = {vdupq_n_f32(0), vdupq_n_f32(0)};
        const uint8_t *p = b + 256 + 16 * r;
#pragma GCC unroll 4
        for (int pair = 0; pair < 4; pair++, p += 512) {
            const int8_t *a = x->q + (g + 2 * (uint32_t)pair) * 32;
            dots low = dots_start_f32(0), high = dots_start_f32(0);
#pragma GCC unroll 2
            for (int i = 0; i < 2; i++) {
                const uint8_t *q = p + 256 * i;
                uint8x16_t w0 = vld1q_u8(q), w1 = vld1q_u8(q + 64), w2 = vld1q_u8(q + 128), w3 = vld1q_u8(q + 192);
                low = dots_quad(low, low_nibbles(w0), low_nibbles(w1), low_nibbles(w2), low_nibbles(w3),
                                vld1q_s8(a + 16 * i));
                high = dots_quad(high, high_nibbles(w0), high_nibbles(w1), high_nibbles(w2), high_nibbles(w3),
                                 vld1q_s8(a + 32 + 16 * i));
            }
            k = add_sub_block(k, low, &scales, 2 * pair, x, g + 2 * (uint32_t)pair);
            k = add_sub_block(k, high, &scales, 2 * pair + 1, x, g + 2 * (uint32_t)pair + 1);
        }
        y[r] = finish_super_block(y[r], k, b + 8 * r, b + 32 + 8 * r);
    }
}

static inline void block_r16_q5_k(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y[4]) {
    for (int r = 0; r < 4; r++) {
        struct k_scales scales = load_k_scales(b + 64 + 16 * r);
        struct k_sums k = {vdupq_n_f32(0), vdupq_n_f32(0)};
        const uint8_t *high_bits = b + 256 + 16 * r, *p = b + 768 + 16 * r;
#pragma GCC unroll 8
        for (int sub = 0; sub < 8; sub++) {
            const int8_t *a = x->q + (g + (uint32_t)sub) * 32;
            dots s = dots_start_f32(0);
#pragma GCC unroll 2
            for (int i = 0; i < 2; i++) {
                int8x16_t w[4];
#pragma GCC unroll 4
                for (int u = 0; u < 4; u++) {
                    uint8x16_t q = vld1q_u8(p + 512 * (sub / 2) + 256 * i + 64 * u);
                    uint8x16_t h = vld1q_u8(high_bits + 256 * i + 64 * u);
                    w[u] = with_bits(sub % 2 ? high_nibbles(q) : low_nibbles(q), h, 4 - sub, 16);
                }
                s = dots_quad(s, w[0], w[1], w[2], w[3], vld1q_s8(a + 16 * i));
            }
            k = add_sub_block(k, s, &scales, sub, x, g + (uint32_t)sub);
        }
        y[r] = finish_super_block(y[r], k, b + 8 * r, b + 32 + 8 * r);
    }
}

/* 16 columns (half i of group 4h + k) of 4 rows as unsigned 6-bit values. */
static inline void load_r16_q6_k(const uint8_t *low, const uint8_t *high, int h, int k, int i, int8x16_t w[4]) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) {
        uint8x16_t q = vld1q_u8(low + (16 * h + 8 * (k % 2) + 4 * i + u) * 64);
        uint8x16_t bits = vld1q_u8(high + (8 * h + 4 * i + u) * 64);
        w[u] = with_bits(k / 2 ? high_nibbles(q) : low_nibbles(q), bits, 4 - 2 * k, 0x30);
    }
}

static inline void block_r16_q6_k(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y[4]) {
    for (int r = 0; r < 4; r++) {
        const uint8_t *scales = b + 32 + 16 * r, *high = b + 288 + 16 * r, *low = b + 1312 + 16 * r;
        float32x4_t value = vdupq_n_f32(0);
#pragma GCC unroll 8
        for (int group = 0; group < 8; group++) {
            int h = group / 4, k = group % 4;
            uint32_t at = g + (uint32_t)group;
            uint8x16_t scale = vld1q_u8(scales + group / 2 * 64);
            int32x4_t sum = vdupq_n_s32(0);
#pragma GCC unroll 2
            for (int i = 0; i < 2; i++) {
                int8x16_t w[4];
                load_r16_q6_k(low, high, h, k, i, w);
                dots s = dots_start(x->sum16[2 * at + (uint32_t)i] >> 2); /* q - 32: -32 Σ a */
                s = dots_quad(s, w[0], w[1], w[2], w[3], vld1q_s8(x->q + at * 32 + 16 * i));
                sum = vmlaq_s32(sum, dots_sum(s), signed_scale(scale, group % 2 * 2 + i));
            }
            value = vfmaq_n_f32(value, vcvtq_f32_s32(sum), x->d[at]);
        }
        y[r] = vfmaq_f32(y[r], value, load_halves(b + 8 * r));
    }
}

#define GEMV_R16(type_, cols_)                                                                                         \
    static void gemv_r16_##type_(const struct ew_gemv_args *a) {                                                       \
        gemv_r16(a, cols_, sizeof(struct ew_block_##type_), block_r16_##type_);                                        \
    }
GEMV_R16(q4_0, EW_QK_SMALL)
GEMV_R16(q8_0, EW_QK_SMALL)
GEMV_R16(q4_k, EW_QK_SUPER)
GEMV_R16(q5_k, EW_QK_SUPER)
GEMV_R16(q6_k, EW_QK_SUPER)
#undef GEMV_R16

#endif
