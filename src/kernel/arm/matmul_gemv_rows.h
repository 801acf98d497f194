/* Matrix-vector products of weights as the file has them, row after row. Included through matmul_body.h, once per
 * variant. Sums stay spread over four lanes until a row ends. */
#ifndef EW_KERNEL_ARM_MATMUL_GEMV_ROWS_H
#define EW_KERNEL_ARM_MATMUL_GEMV_ROWS_H

/* Adds one block of a row times the activations from group g on to y, spread over its lanes in any way. */
typedef float32x4_t row_block_fn(const uint8_t *block, const struct ew_act_q8 *x, uint32_t g, float32x4_t y);

/* As gemv_r16_tokens. */
static inline __attribute__((always_inline)) void gemv_rows_tokens(const struct ew_gemv_args *a, uint32_t cols,
                                                                   size_t block_bytes, row_block_fn *block,
                                                                   uint32_t n_tokens) {
    const struct ew_weight *w = a->w;
    size_t row_bytes = w->n_in / cols * block_bytes;
    for (uint32_t row = a->row_begin; row < a->row_end; row++) {
        const uint8_t *p = (const uint8_t *)w->data + row * row_bytes;
        float32x4_t sums[EW_GEMV_TOKENS];
        for (uint32_t t = 0; t < n_tokens; t++) sums[t] = vdupq_n_f32(0);
        for (uint32_t col = 0; col < w->n_in; col += cols, p += block_bytes) {
            const struct ew_act_q8 *x = (const struct ew_act_q8 *)a->act + col / EW_ACT_Q8_COLS * n_tokens;
            uint32_t g = col % EW_ACT_Q8_COLS / EW_ACT_GROUP;
            for (uint32_t t = 0; t < n_tokens; t++) sums[t] = block(p, x + t, g, sums[t]);
        }
        for (uint32_t t = 0; t < n_tokens; t++) {
            float *y = a->y + t * a->y_stride + row;
            *y = (a->accumulate ? *y : 0) + vaddvq_f32(sums[t]);
        }
    }
}

static inline __attribute__((always_inline)) void gemv_rows(const struct ew_gemv_args *a, uint32_t cols,
                                                            size_t block_bytes, row_block_fn *block) {
    if (a->n_tokens == 1)
        gemv_rows_tokens(a, cols, block_bytes, block, 1);
    else
        gemv_rows_tokens(a, cols, block_bytes, block, a->n_tokens);
}

static inline float load_half(const uint8_t *p) {
    __fp16 h;
    memcpy(&h, p, sizeof h);
    return (float)h;
}

/* 32 columns of one row. */
static inline int32x4_t line_dot_group(int8x16_t w0, int8x16_t w1, const struct ew_act_q8 *x, uint32_t g) {
    int32x4_t s = line_dot(vdupq_n_s32(0), w0, vld1q_s8(x->q + g * 32));
    return line_dot(s, w1, vld1q_s8(x->q + g * 32 + 16));
}

static inline float32x4_t block_row_q4_0(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    uint8x16_t q = vld1q_u8(b + 2);
    int8x16_t eight = vdupq_n_s8(8);
    int32x4_t s = line_dot_group(vsubq_s8(low_nibbles(q), eight), vsubq_s8(high_nibbles(q), eight), x, g);
    return vfmaq_n_f32(y, vcvtq_f32_s32(s), load_half(b) * x->d[g]);
}

static inline float32x4_t block_row_q8_0(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    const int8_t *q = (const int8_t *)b + 2;
    return vfmaq_n_f32(y, vcvtq_f32_s32(line_dot_group(vld1q_s8(q), vld1q_s8(q + 16), x, g)), load_half(b) * x->d[g]);
}

/* The factors of a super-block's eight sub-blocks: d · scale · dx, and Σ min · Σ x (spread over lanes). */
struct row_scales {
    float scale[8];
    float32x4_t min;
};

static inline struct row_scales load_row_scales(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g) {
    uint8_t scale[8], min[8];
    ew_unpack_scales_k4(b + 4, scale, min);
    uint16x8_t s = vmovl_u8(vld1_u8(scale)), m = vmovl_u8(vld1_u8(min));
    float32x4_t s0 = vcvtq_f32_u32(vmovl_u16(vget_low_u16(s))), s1 = vcvtq_f32_u32(vmovl_high_u16(s));
    float32x4_t m0 = vcvtq_f32_u32(vmovl_u16(vget_low_u16(m))), m1 = vcvtq_f32_u32(vmovl_high_u16(m));
    struct row_scales out;
    float d = load_half(b), dmin = load_half(b + 2);
    vst1q_f32(out.scale, vmulq_n_f32(vmulq_f32(s0, vld1q_f32(x->d + g)), d));
    vst1q_f32(out.scale + 4, vmulq_n_f32(vmulq_f32(s1, vld1q_f32(x->d + g + 4)), d));
    out.min = vmulq_n_f32(vfmaq_f32(vmulq_f32(m0, vld1q_f32(x->ds + g)), m1, vld1q_f32(x->ds + g + 4)), dmin);
    return out;
}

static inline float32x4_t block_row_q4_k(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    struct row_scales s = load_row_scales(b, x, g);
    for (uint32_t pair = 0; pair < 4; pair++) {
        uint8x16_t q0 = vld1q_u8(b + 16 + 32 * pair), q1 = vld1q_u8(b + 32 + 32 * pair);
        int32x4_t low = line_dot_group(low_nibbles(q0), low_nibbles(q1), x, g + 2 * pair);
        int32x4_t high = line_dot_group(high_nibbles(q0), high_nibbles(q1), x, g + 2 * pair + 1);
        y = vfmaq_n_f32(y, vcvtq_f32_s32(low), s.scale[2 * pair]);
        y = vfmaq_n_f32(y, vcvtq_f32_s32(high), s.scale[2 * pair + 1]);
    }
    return vsubq_f32(y, s.min);
}

static inline float32x4_t block_row_q5_k(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    struct row_scales s = load_row_scales(b, x, g);
    uint8x16_t h0 = vld1q_u8(b + 16), h1 = vld1q_u8(b + 32);
    for (int pair = 0; pair < 4; pair++) {
        uint32_t at = g + 2 * (uint32_t)pair;
        uint8x16_t q0 = vld1q_u8(b + 48 + 32 * pair), q1 = vld1q_u8(b + 64 + 32 * pair);
        int32x4_t low = line_dot_group(with_bits(low_nibbles(q0), h0, 4 - 2 * pair, 16),
                                       with_bits(low_nibbles(q1), h1, 4 - 2 * pair, 16), x, at);
        int32x4_t high = line_dot_group(with_bits(high_nibbles(q0), h0, 3 - 2 * pair, 16),
                                        with_bits(high_nibbles(q1), h1, 3 - 2 * pair, 16), x, at + 1);
        y = vfmaq_n_f32(y, vcvtq_f32_s32(low), s.scale[2 * pair]);
        y = vfmaq_n_f32(y, vcvtq_f32_s32(high), s.scale[2 * pair + 1]);
    }
    return vsubq_f32(y, s.min);
}

static inline float32x4_t block_row_q6_k(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    const int8_t *scales = (const int8_t *)b + 192;
    float32x4_t sums = vdupq_n_f32(0);
    int8x16_t middle = vdupq_n_s8(32);
    for (int group = 0; group < 8; group++) {
        int h = group / 4, k = group % 4;
        uint32_t at = g + (uint32_t)group;
        int32x4_t total = vdupq_n_s32(0);
        for (int i = 0; i < 2; i++) {
            uint8x16_t q = vld1q_u8(b + 64 * h + 32 * (k % 2) + 16 * i), bits = vld1q_u8(b + 128 + 32 * h + 16 * i);
            int8x16_t w = with_bits(k / 2 ? high_nibbles(q) : low_nibbles(q), bits, 4 - 2 * k, 0x30);
            int32x4_t s = line_dot(vdupq_n_s32(0), vsubq_s8(w, middle), vld1q_s8(x->q + at * 32 + 16 * i));
            total = vmlaq_n_s32(total, s, scales[2 * group + i]);
        }
        sums = vfmaq_n_f32(sums, vcvtq_f32_s32(total), x->d[at]);
    }
    return vfmaq_n_f32(y, sums, load_half(b + 208));
}

/* Puts a value that belongs to no lane into the first. */
static inline float32x4_t add_to_lane(float32x4_t y, float value) {
    return vaddq_f32(y, vsetq_lane_f32(value, vdupq_n_f32(0), 0));
}

static inline float32x4_t block_row_q4_1(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    uint8x16_t q = vld1q_u8(b + 4);
    int32x4_t s = line_dot_group(low_nibbles(q), high_nibbles(q), x, g);
    y = vfmaq_n_f32(y, vcvtq_f32_s32(s), load_half(b) * x->d[g]);
    return add_to_lane(y, load_half(b + 2) * x->ds[g]);
}

/* 16 in every byte whose bit of two bytes is set. */
static inline uint8x16_t fifth_bits(const uint8_t *two) {
    static const uint8_t bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t set = vtstq_u8(vcombine_u8(vdup_n_u8(two[0]), vdup_n_u8(two[1])), vld1q_u8(bit));
    return vandq_u8(set, vdupq_n_u8(16));
}

/* 32 five-bit values, less zero, times a group. */
static inline int32x4_t line_dot_five_bits(const uint8_t *high, const uint8_t *nibbles, int8_t zero,
                                           const struct ew_act_q8 *x, uint32_t g) {
    uint8x16_t q = vld1q_u8(nibbles);
    int8x16_t w0 = vorrq_s8(low_nibbles(q), vreinterpretq_s8_u8(fifth_bits(high)));
    int8x16_t w1 = vorrq_s8(high_nibbles(q), vreinterpretq_s8_u8(fifth_bits(high + 2)));
    int8x16_t less = vdupq_n_s8(zero);
    return line_dot_group(vsubq_s8(w0, less), vsubq_s8(w1, less), x, g);
}

static inline float32x4_t block_row_q5_0(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    return vfmaq_n_f32(y, vcvtq_f32_s32(line_dot_five_bits(b + 2, b + 6, 16, x, g)), load_half(b) * x->d[g]);
}

static inline float32x4_t block_row_q5_1(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    y = vfmaq_n_f32(y, vcvtq_f32_s32(line_dot_five_bits(b + 4, b + 8, 0, x, g)), load_half(b) * x->d[g]);
    return add_to_lane(y, load_half(b + 2) * x->ds[g]);
}

/* Bits 2k, 2k + 1 of every byte. */
static inline int8x16_t bit_pairs(uint8x16_t v, int k) {
    return vreinterpretq_s8_u8(vandq_u8(vshlq_u8(v, vdupq_n_s8((int8_t)(-2 * k))), vdupq_n_u8(3)));
}

/* Minima meet the sums of activations, which come as -128 Σ per half group. */
static inline float32x4_t block_row_q2_k(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    float32x4_t sums = vdupq_n_f32(0);
    float offset = 0;
    for (int group = 0; group < 8; group++) {
        uint32_t at = g + (uint32_t)group;
        int32x4_t total = vdupq_n_s32(0);
        int32_t least = 0;
        for (int i = 0; i < 2; i++) {
            int8x16_t w = bit_pairs(vld1q_u8(b + 16 + 32 * (group / 4) + 16 * i), group % 4);
            int32x4_t s = line_dot(vdupq_n_s32(0), w, vld1q_s8(x->q + at * 32 + 16 * i));
            total = vmlaq_n_s32(total, s, b[2 * group + i] & 15);
            least += (b[2 * group + i] >> 4) * x->sum16[2 * at + (uint32_t)i];
        }
        sums = vfmaq_n_f32(sums, vcvtq_f32_s32(total), x->d[at]);
        offset += (float)least * x->d[at];
    }
    return add_to_lane(vfmaq_n_f32(y, sums, load_half(b + 80)), offset * load_half(b + 82) / 128);
}

static inline float32x4_t block_row_q3_k(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    uint8_t scales[16];
    float32x4_t sums = vdupq_n_f32(0);
    int8x16_t four = vdupq_n_s8(4);
    ew_unpack_scales_q3_k(b + 96, scales);
    for (int group = 0; group < 8; group++) {
        uint32_t at = g + (uint32_t)group;
        int32x4_t total = vdupq_n_s32(0);
        for (int i = 0; i < 2; i++) {
            int8x16_t w = bit_pairs(vld1q_u8(b + 32 + 32 * (group / 4) + 16 * i), group % 4);
            w = vsubq_s8(with_bits(w, vld1q_u8(b + 16 * i), 2 - group, 4), four);
            int32x4_t s = line_dot(vdupq_n_s32(0), w, vld1q_s8(x->q + at * 32 + 16 * i));
            total = vmlaq_n_s32(total, s, scales[2 * group + i] - 32);
        }
        sums = vfmaq_n_f32(sums, vcvtq_f32_s32(total), x->d[at]);
    }
    return vfmaq_n_f32(y, sums, load_half(b + 108));
}

/* 32 nibbles that choose among sixteen values, times a group. */
static inline int32x4_t line_dot_iq4(const uint8_t *nibbles, const struct ew_act_q8 *x, uint32_t g) {
    int8x16_t values = vld1q_s8(ew_iq4_values);
    uint8x16_t q = vld1q_u8(nibbles);
    int8x16_t w0 = vqtbl1q_s8(values, vandq_u8(q, vdupq_n_u8(15))), w1 = vqtbl1q_s8(values, vshrq_n_u8(q, 4));
    int32x4_t s = line_dot(vdupq_n_s32(0), w0, vld1q_s8(x->q + g * 32));
    return line_dot(s, w1, vld1q_s8(x->q + g * 32 + 16));
}

static inline float32x4_t block_row_iq4_nl(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    return vfmaq_n_f32(y, vcvtq_f32_s32(line_dot_iq4(b + 2, x, g)), load_half(b) * x->d[g]);
}

static inline float32x4_t block_row_iq4_xs(const uint8_t *b, const struct ew_act_q8 *x, uint32_t g, float32x4_t y) {
    float32x4_t sums = vdupq_n_f32(0);
    unsigned upper = (unsigned)b[2] | (unsigned)b[3] << 8;
    for (uint32_t s = 0; s < 8; s++) {
        int scale = (int)((b[4 + s / 2] >> (4 * (s % 2)) & 15) | (upper >> (2 * s) & 3) << 4) - 32;
        sums = vfmaq_n_f32(sums, vcvtq_f32_s32(line_dot_iq4(b + 8 + 16 * s, x, g + s)), (float)scale * x->d[g + s]);
    }
    return vfmaq_n_f32(y, sums, load_half(b));
}

#define GEMV_ROWS(type_, cols_)                                                                                        \
    static void gemv_rows_##type_(const struct ew_gemv_args *a) {                                                      \
        gemv_rows(a, cols_, sizeof(struct ew_block_##type_), block_row_##type_);                                       \
    }
GEMV_ROWS(q4_0, EW_QK_SMALL)
GEMV_ROWS(q4_1, EW_QK_SMALL)
GEMV_ROWS(q5_0, EW_QK_SMALL)
GEMV_ROWS(q5_1, EW_QK_SMALL)
GEMV_ROWS(q8_0, EW_QK_SMALL)
GEMV_ROWS(q2_k, EW_QK_SUPER)
GEMV_ROWS(q3_k, EW_QK_SUPER)
GEMV_ROWS(q4_k, EW_QK_SUPER)
GEMV_ROWS(q5_k, EW_QK_SUPER)
GEMV_ROWS(q6_k, EW_QK_SUPER)
GEMV_ROWS(iq4_nl, EW_QK_SMALL)
GEMV_ROWS(iq4_xs, EW_QK_SUPER)
#undef GEMV_ROWS

#endif
