/* Products of F16 and BF16 weights with many tokens in 16-bit integers, for any lanes_….h: VNNI multiplies twice the
 * numbers in an instruction that it would as floats, AVX2 has more places to add than to multiply. Each group of 32
 * columns of a row is scaled by a power of two, so that its larger numbers stay exact: those of BF16 down to 2^-6 of
 * the largest, those of F16 down to 2^-3. F32 weights stay floats: whoever asks for 24 bits gets them. How scales are
 * chosen: struct ew_act_q16. */
#ifndef EW_ISA
#error "include after quant_gemm_body.h"
#endif

/* ---- panels: two columns of each row side by side ---- */

enum { WORD_PAIRS = EW_ACT_GROUP / 2 };

struct word_group {
    int16_t q[WORD_PAIRS][VECTORS][2 * LANES];
    float scale[VECTORS][LANES];
};
static_assert(EW_ACT_Q16_GROUPS * sizeof(struct word_group) <= EW_PANEL_BYTES, "panel fits");

/* The number in the lower half of each lane. */
typedef vfloat widen_fn(vint v);
EW_INLINE vfloat widen_f16(vint v) { return v_low_f16(v); }
EW_INLINE vfloat widen_bf16(vint v) { return v_of_bits(v_shift_left(v, 16)); }

/* Powers of two around the largest number of each lane, whose bits without sign are in the lower half: *inverse takes
 * numbers to q, the result takes q back. An infinity or NaN has the highest exponent, and 0 times it is NaN. */
EW_INLINE vfloat scales_of(vint largest, widen_fn *widen, vfloat *inverse) {
    const int bias = 127, below = EW_Q16_WEIGHT_BITS - 1;
    vfloat value = widen(largest);
    vint exponent = v_max_32(v_shift_right(v_bits_of(value), 23), v_set_32(bias + below + EW_Q16_LEAST_STEP));
    *inverse = v_of_bits(v_shift_left(v_sub_32(v_set_32(2 * bias + below), exponent), 23));
    return vf_fma(value, vf_zero(), v_of_bits(v_shift_left(v_sub_32(exponent, v_set_32(below)), 23)));
}

/* One group of LANES rows. Infinities and NaN become q = 0. */
EW_INLINE void unpack_word_group(const uint8_t *rows, size_t stride, widen_fn *widen, uint32_t v,
                                 struct word_group *out) {
    vint pair[WORD_PAIRS], largest = v_zero();
#pragma GCC unroll 4
    for (int j = 0; j < WORD_PAIRS; j += 4) v_transpose_units(rows + 4 * j, stride, pair + j);
#pragma GCC unroll 16
    for (int j = 0; j < WORD_PAIRS; j++) largest = v_max_unsigned_16(largest, v_and(pair[j], v_set_32(0x7fff7fff)));
    largest = v_and(v_max_unsigned_16(largest, v_shift_right(largest, 16)), v_set_32(0xffff));
    vfloat inverse, scale = scales_of(largest, widen, &inverse);
#pragma GCC unroll 16
    for (int j = 0; j < WORD_PAIRS; j++) {
        vint low = v_round(vf_mul(widen(pair[j]), inverse));
        vint high = v_round(vf_mul(widen(v_shift_right(pair[j], 16)), inverse));
        v_store(out->q[j][v], v_or_and(v_shift_left(high, 16), low, v_set_32(0xffff)));
    }
    vf_store(out->scale[v], scale);
}

EW_INLINE void unpack_words(const struct ew_weight *w, widen_fn *widen, uint32_t row, uint32_t n_rows, uint32_t col,
                            uint32_t n_cols, struct word_group *panel) {
    const size_t stride = w->n_in * sizeof(uint16_t);
    for (uint32_t v = 0; v < VECTORS && v * LANES < n_rows; v++) {
        const uint8_t *rows = (const uint8_t *)w->data + (row + v * LANES) * stride + col * sizeof(uint16_t);
        const uint32_t n = n_rows - v * LANES;
        for (uint32_t g = 0; g < n_cols / EW_ACT_GROUP; g++, rows += EW_ACT_GROUP * sizeof(uint16_t)) {
            uint8_t tail[LANES][EW_ACT_GROUP * sizeof(uint16_t)];
            if (n >= LANES) {
                unpack_word_group(rows, stride, widen, v, &panel[g]);
                continue;
            }
            for (uint32_t r = 0; r < LANES; r++) memcpy(tail[r], rows + (r < n ? r : 0) * stride, sizeof tail[r]);
            unpack_word_group(tail[0], sizeof tail[0], widen, v, &panel[g]);
        }
    }
}

/* ---- tile: VECTORS × TOKENS sums in registers ---- */

EW_INLINE void multiply_word_group(vfloat acc[VECTORS][TOKENS], const struct word_group *w, const struct ew_act_q16 *x,
                                   uint32_t g, int n_tokens) {
    vint sum[VECTORS][TOKENS];
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) sum[v][t] = v_zero();
#pragma GCC unroll 16
    for (int j = 0; j < WORD_PAIRS; j++) {
        vint q[VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) q[v] = v_load(w->q[j][v]);
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++) {
            vint b = broadcast_bytes(x[t].q + g * EW_ACT_GROUP + 2 * j);
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++) sum[v][t] = v_dot_words(sum[v][t], q[v], b);
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
        vfloat scale = vf_load(w->scale[v]);
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++)
            acc[v][t] = vf_fma(v_to_float(sum[v][t]), vf_mul(scale, vf_set(x[t].d[g])), acc[v][t]);
    }
}

EW_INLINE void multiply_words(const struct ew_tile_args *a, uint32_t t0, int n_tokens) {
    const struct word_group *w = a->panel;
    const struct ew_act_q16 *x = (const struct ew_act_q16 *)a->act + t0;
    vfloat acc[VECTORS][TOKENS];
    load_sums(a, t0, n_tokens, acc);
    for (uint32_t g = 0; g < a->n_cols / EW_ACT_GROUP; g++) multiply_word_group(acc, &w[g], x, g, n_tokens);
    store_sums(a, t0, n_tokens, acc);
}

static void tile_words(const struct ew_tile_args *a) {
    uint32_t t = 0;
    for (; t + TOKENS <= a->n_tokens; t += TOKENS) multiply_words(a, t, TOKENS);
    for (; t + 2 <= a->n_tokens; t += 2) multiply_words(a, t, 2);
    if (t < a->n_tokens) multiply_words(a, t, 1);
}

#define WORD_KERNEL(name_)                                                                                             \
    static void unpack_words_##name_(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col,           \
                                     uint32_t n_cols, void *panel) {                                                   \
        unpack_words(w, widen_##name_, row, n_rows, col, n_cols, panel);                                               \
    }
WORD_KERNEL(f16)
WORD_KERNEL(bf16)

#define WORD_ENTRY(name_, isa_)                                                                                        \
    {                                                                                                                  \
        .gemm_name = "gemm_" #name_ "_" #isa_, .act = EW_ACT_Q16, .panel_rows = PANEL_ROWS,                            \
        .unpack = unpack_words_##name_, .tile = tile_words                                                             \
    }
#define WORD_ENTRIES(isa_)                                                                                             \
    { [EW_TYPE_F16] = WORD_ENTRY(f16, isa_), [EW_TYPE_BF16] = WORD_ENTRY(bf16, isa_) }
