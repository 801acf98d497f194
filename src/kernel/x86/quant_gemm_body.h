/* Products of quantized weights with many tokens, for any lanes_….h, and the table of a variant. Lanes are weight rows;
 * unsigned weight bytes meet activation bytes that are broadcast to all rows. Where quants are biased, the integer sum
 * starts at -bias · Σ activations instead of losing it afterwards. EW_ISA names the variant. */
#ifndef EW_ISA
#error "include after a lanes_….h, with EW_ISA defined"
#endif

#include "kernel/x86/decode_body.h"
#include "kernel/x86/quant_gemv.h"
#include "quant/levels.h"

#include <assert.h>

/* ---- panels: TILE_VECTORS vectors of rows, group after group ---- */

enum { VECTORS = TILE_VECTORS, PANEL_ROWS = VECTORS * LANES, TOKENS = TILE_TOKENS };
/* A scale per 16 columns needs another set of registers. */
enum { TOKENS_16 = TOKENS < 5 ? TOKENS : 5 };

struct panel_group {
    uint8_t q[8][VECTORS][4 * LANES];
    float scale[VECTORS][LANES];
    float extra[VECTORS][LANES];  /* minima, or the scales of columns 16 … 31 */
    float second[VECTORS][LANES]; /* minima of columns 16 … 31, where extra has those of 0 … 15 */
};
static_assert(EW_ACT_Q8_GROUPS * sizeof(struct panel_group) <= EW_PANEL_BYTES, "panel fits");

struct unpack_state {
    struct panel_group *panel;
    uint32_t vector;
    int add;
};

EW_INLINE void emit_panel(void *state, uint32_t g, const struct ew_group *w) {
    const struct unpack_state *s = state;
    struct panel_group *out = s->panel + g;
    for (int j = 0; j < 8; j++) v_store(out->q[j][s->vector], s->add ? v_add_8(w->q[j], v_set_8(s->add)) : w->q[j]);
    vf_store(out->scale[s->vector], w->scale[0]);
}

EW_INLINE void emit_panel_min(void *state, uint32_t g, const struct ew_group *w) {
    const struct unpack_state *s = state;
    emit_panel(state, g, w);
    vf_store(s->panel[g].extra[s->vector], w->min[0]);
}

EW_INLINE void emit_panel_min_16(void *state, uint32_t g, const struct ew_group *w) {
    const struct unpack_state *s = state;
    emit_panel_min(state, g, w);
    vf_store(s->panel[g].second[s->vector], w->min[1]);
}

EW_INLINE void emit_panel_16(void *state, uint32_t g, const struct ew_group *w) {
    const struct unpack_state *s = state;
    emit_panel(state, g, w);
    vf_store(s->panel[g].extra[s->vector], w->scale[1]);
}

EW_INLINE void unpack_panel(const struct ew_weight *w, struct ew_place at, ew_decode *decode, ew_emit *emit, int add,
                            void *panel) {
    uint8_t tail[TAIL_BYTES];
    const uint32_t row = at.row, n_rows = at.n_rows;
    for (uint32_t v = 0; v < VECTORS && v * LANES < n_rows; v++) {
        at.row = row + v * LANES / 16 * 16;
        at.lane = v * LANES % 16;
        at.n_rows = n_rows - (at.row - row);
        struct unpack_state state = {panel, v, add};
        decode(rows_at(w, at, tail), at.n_cols, emit, &state);
    }
}

/* Types without a decoder of vectors: block by block through their levels, scales of both halves. */
EW_INLINE void unpack_levels(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                             int add, struct panel_group *panel) {
    const uint32_t block_elems = ew_type_traits(w->type)->block_elems;
    ew_levels_fn *unpack = ew_quant_levels(w->type);
    for (uint32_t r = 0; r < n_rows; r++) {
        const uint32_t v = r / LANES, lane = r % LANES;
        struct panel_group *out = panel;
        for (uint32_t i = 0; i < n_cols; i += block_elems) {
            uint8_t block[EW_BLOCK_BYTES_MAX];
            struct ew_levels levels;
            ew_matmul_fetch_block(w, row + r, (col + i) / block_elems, block);
            unpack(block, &levels);
            for (uint32_t k = 0; k < block_elems; k++) levels.q[k] = (int8_t)(levels.q[k] + add);
            for (uint32_t k = 0; k < block_elems / EW_ACT_GROUP; k++, out++) {
                for (int j = 0; j < 8; j++) memcpy(out->q[j][v] + 4 * lane, levels.q + k * EW_ACT_GROUP + 4 * j, 4);
                out->scale[v][lane] = levels.scale[2 * k];
                out->extra[v][lane] = levels.scale[2 * k + 1];
            }
        }
    }
}

/* ---- tile kernels: VECTORS × TOKENS sums in registers ---- */

/* How sums become weights · activations: one scale per group, one and a minimum, one and a minimum per half group, one
 * scale per half group; or signed quants with one scale or two, where wide bytes cannot be multiplied. */
enum kind { SCALE_32, SCALE_32_MIN, SCALE_32_MIN_16, SCALE_16, SIGNED_32, SIGNED_16 };

/* Adds columns [4 begin, 4 end) of a group to the integer sums. */
EW_INLINE void multiply_columns(vint sum[VECTORS][TOKENS], const struct panel_group *w, const struct ew_act_q8 *x,
                                uint32_t g, int begin, int end, int n_tokens) {
#pragma GCC unroll 4
    for (int j = begin; j < end; j += 2) {
        vint q0[VECTORS], q1[VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) {
            q0[v] = v_load(w->q[j][v]);
            q1[v] = v_load(w->q[j + 1][v]);
        }
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++) {
            vint x0 = broadcast_bytes(x[t].q + g * EW_ACT_GROUP + 4 * j);
            vint x1 = broadcast_bytes(x[t].q + g * EW_ACT_GROUP + 4 * j + 4);
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++) sum[v][t] = v_dot_pair(sum[v][t], q0[v], x0, q1[v], x1);
        }
    }
}

EW_INLINE void multiply_signed_columns(vint sum[VECTORS][TOKENS], const struct panel_group *w,
                                       const struct ew_act_q8 *x, uint32_t g, int begin, int end, int n_tokens) {
    for (int j = begin; j < end; j++) {
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++) {
            vint x0 = broadcast_bytes(x[t].q + g * EW_ACT_GROUP + 4 * j);
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++) sum[v][t] = v_dot_signed(sum[v][t], v_load(w->q[j][v]), x0);
        }
    }
}

EW_INLINE void multiply_group(vfloat acc[VECTORS][TOKENS], const struct panel_group *w, const struct ew_act_q8 *x,
                              uint32_t g, enum kind kind, unsigned bias_shift, int n_tokens) {
    vint sum[VECTORS][TOKENS];
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
            sum[v][t] = kind == SCALE_32 ? v_shift_right_signed(v_set_32(x[t].sum32[g]), bias_shift) : v_zero();
    if (kind == SIGNED_32)
        multiply_signed_columns(sum, w, x, g, 0, 8, n_tokens);
    else
        multiply_columns(sum, w, x, g, 0, 8, n_tokens);
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
        vfloat scale = vf_load(w->scale[v]);
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++) {
            acc[v][t] = vf_fma(v_to_float(sum[v][t]), vf_mul(scale, vf_set(x[t].d[g])), acc[v][t]);
            if (kind == SCALE_32_MIN) acc[v][t] = vf_fnma(vf_load(w->extra[v]), vf_set(x[t].ds[g]), acc[v][t]);
            if (kind != SCALE_32_MIN_16) continue;
            const float part = x[t].d[g] / 128; /* of sums that are -128 Σ q */
            acc[v][t] = vf_fma(vf_load(w->extra[v]), vf_set(part * (float)x[t].sum16[2 * g]), acc[v][t]);
            acc[v][t] = vf_fma(vf_load(w->second[v]), vf_set(part * (float)x[t].sum16[2 * g + 1]), acc[v][t]);
        }
    }
}

/* As multiply_group for weights with a scale per 16 columns: both halves share the activations' scale. */
EW_INLINE void multiply_halves(vfloat acc[VECTORS][TOKENS], const struct panel_group *w, const struct ew_act_q8 *x,
                               uint32_t g, enum kind kind, unsigned bias_shift, int n_tokens) {
    vfloat part[VECTORS][TOKENS];
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        vint sum[VECTORS][TOKENS];
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++)
                sum[v][t] =
                    kind == SCALE_16 ? v_shift_right_signed(v_set_32(x[t].sum16[2 * g + half]), bias_shift) : v_zero();
        if (kind == SIGNED_16)
            multiply_signed_columns(sum, w, x, g, 4 * half, 4 * half + 4, n_tokens);
        else
            multiply_columns(sum, w, x, g, 4 * half, 4 * half + 4, n_tokens);
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
#pragma GCC unroll 6
            for (int t = 0; t < n_tokens; t++) {
                vfloat s = v_to_float(sum[v][t]);
                if (half == 0) {
                    part[v][t] = vf_mul(s, vf_load(w->scale[v]));
                } else {
                    part[v][t] = vf_fma(s, vf_load(w->extra[v]), part[v][t]);
                    acc[v][t] = vf_fma(part[v][t], vf_set(x[t].d[g]), acc[v][t]);
                }
            }
    }
}

EW_INLINE uint32_t rows_of_vector(const struct ew_tile_args *a, uint32_t v) {
    return a->n_rows > v * LANES ? a->n_rows - v * LANES : 0;
}

EW_INLINE void load_sums(const struct ew_tile_args *a, uint32_t t0, int n_tokens, vfloat acc[VECTORS][TOKENS]) {
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (uint32_t v = 0; v < VECTORS; v++)
            acc[v][t] =
                a->in ? vf_load_first(a->in + (t0 + t) * a->in_stride + v * LANES, rows_of_vector(a, v)) : vf_zero();
}

EW_INLINE void store_sums(const struct ew_tile_args *a, uint32_t t0, int n_tokens, vfloat acc[VECTORS][TOKENS]) {
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (uint32_t v = 0; v < VECTORS; v++)
            vf_store_first(a->out + (t0 + t) * a->out_stride + v * LANES, rows_of_vector(a, v), acc[v][t]);
}

EW_INLINE void multiply_tokens(const struct ew_tile_args *a, uint32_t t0, enum kind kind, unsigned bias_shift,
                               int n_tokens) {
    const struct panel_group *w = a->panel;
    const struct ew_act_q8 *x = (const struct ew_act_q8 *)a->act + t0;
    vfloat acc[VECTORS][TOKENS];
    load_sums(a, t0, n_tokens, acc);
    for (uint32_t g = 0; g < a->n_cols / EW_ACT_GROUP; g++, w++) {
        if (kind == SCALE_16 || kind == SIGNED_16)
            multiply_halves(acc, w, x, g, kind, bias_shift, n_tokens);
        else
            multiply_group(acc, w, x, g, kind, bias_shift, n_tokens);
    }
    store_sums(a, t0, n_tokens, acc);
}

EW_INLINE void multiply_tile(const struct ew_tile_args *a, enum kind kind, unsigned bias_shift, int tokens) {
    uint32_t t = 0;
    for (; t + (uint32_t)tokens <= a->n_tokens; t += (uint32_t)tokens) multiply_tokens(a, t, kind, bias_shift, tokens);
    switch (a->n_tokens - t) {
    case 1: multiply_tokens(a, t, kind, bias_shift, 1); break;
    case 2: multiply_tokens(a, t, kind, bias_shift, 2); break;
    case 3: multiply_tokens(a, t, kind, bias_shift, tokens > 3 ? 3 : 1); break;
    case 4: multiply_tokens(a, t, kind, bias_shift, tokens > 4 ? 4 : 1); break;
    case 5: multiply_tokens(a, t, kind, bias_shift, tokens > 5 ? 5 : 1); break;
    default: break;
    }
}

/* With wide bytes a panel's quants have a bias of 128 whatever the type; without, they keep the type's own, or none
 * where they are signed. */
#define TILE(name_, kind_, shift_, tokens_)                                                                            \
    static void tile_##name_(const struct ew_tile_args *a) { multiply_tile(a, kind_, shift_, tokens_); }
TILE(bias_8, SCALE_32, WIDE_BYTES ? 0 : 4, TOKENS)
TILE(bias_16, SCALE_32, WIDE_BYTES ? 0 : 3, TOKENS)
TILE(wide, WIDE_BYTES ? SCALE_32 : SIGNED_32, 0, TOKENS)
TILE(min, SCALE_32_MIN, 0, TOKENS)
TILE(min_16, SCALE_32_MIN_16, 0, TOKENS)
TILE(halves_bias_4, SCALE_16, WIDE_BYTES ? 0 : 5, TOKENS_16)
TILE(halves_bias_16, SCALE_16, WIDE_BYTES ? 0 : 3, TOKENS_16)
TILE(halves_bias_32, SCALE_16, WIDE_BYTES ? 0 : 2, TOKENS_16)
TILE(halves_wide, WIDE_BYTES ? SCALE_16 : SIGNED_16, 0, TOKENS_16)

/* ---- one line per type ---- */

/* X(isa, name, type, emitter, what lifts the type's bias to 128, tile): types with a decoder of vectors. */
#define DECODED_TYPES(X, isa_)                                                                                         \
    X(isa_, q4_0, EW_TYPE_Q4_0, emit_panel, 120, tile_bias_8)                                                          \
    X(isa_, q4_1, EW_TYPE_Q4_1, emit_panel_min, 0, tile_min)                                                           \
    X(isa_, q5_0, EW_TYPE_Q5_0, emit_panel, 112, tile_bias_16)                                                         \
    X(isa_, q5_1, EW_TYPE_Q5_1, emit_panel_min, 0, tile_min)                                                           \
    X(isa_, q8_0, EW_TYPE_Q8_0, emit_panel, 0, tile_wide)                                                              \
    X(isa_, q2_k, EW_TYPE_Q2_K, emit_panel_min_16, 0, tile_min_16)                                                     \
    X(isa_, q3_k, EW_TYPE_Q3_K, emit_panel_16, 124, tile_halves_bias_4)                                                \
    X(isa_, q4_k, EW_TYPE_Q4_K, emit_panel_min, 0, tile_min)                                                           \
    X(isa_, q5_k, EW_TYPE_Q5_K, emit_panel_min, 0, tile_min)                                                           \
    X(isa_, q6_k, EW_TYPE_Q6_K, emit_panel_16, 96, tile_halves_bias_32)                                                \
    X(isa_, iq4_nl, EW_TYPE_IQ4_NL, emit_panel, 0, tile_wide)                                                          \
    X(isa_, iq4_xs, EW_TYPE_IQ4_XS, emit_panel, 0, tile_wide)
/* X(isa, name, type, bias without wide bytes, tile, matrix-vector product): the others. */
#define LEVEL_TYPES(X, isa_)                                                                                           \
    X(isa_, iq2_xxs, EW_TYPE_IQ2_XXS, 0, tile_wide, levels)                                                            \
    X(isa_, iq2_xs, EW_TYPE_IQ2_XS, 0, tile_halves_wide, halves)                                                       \
    X(isa_, iq2_s, EW_TYPE_IQ2_S, 0, tile_halves_wide, halves)                                                         \
    X(isa_, iq3_xxs, EW_TYPE_IQ3_XXS, 0, tile_wide, levels)                                                            \
    X(isa_, iq3_s, EW_TYPE_IQ3_S, 16, tile_bias_16, levels)                                                            \
    X(isa_, iq1_s, EW_TYPE_IQ1_S, 16, tile_bias_16, levels)                                                            \
    X(isa_, iq1_m, EW_TYPE_IQ1_M, 16, tile_halves_bias_16, halves)                                                     \
    X(isa_, tq1_0, EW_TYPE_TQ1_0, 16, tile_bias_16, levels)                                                            \
    X(isa_, tq2_0, EW_TYPE_TQ2_0, 16, tile_bias_16, levels)                                                            \
    X(isa_, mxfp4, EW_TYPE_MXFP4, 16, tile_bias_16, levels)

#define UNPACK(name_, type_, layout_, decode_, emit_, add_)                                                            \
    static void unpack_##name_(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col,                 \
                               uint32_t n_cols, void *panel) {                                                         \
        struct ew_place at = {type_, layout_, row, 0, n_rows, col, n_cols};                                            \
        unpack_panel(w, at, decode_, emit_, WIDE_BYTES ? add_ : 0, panel);                                             \
    }
#define UNPACK_BOTH(isa_, name_, type_, emit_, add_, tile_)                                                            \
    UNPACK(name_, type_, EW_LAYOUT_ROWS, decode_##name_, emit_, add_)                                                  \
    UNPACK(name_##_r16, type_, EW_LAYOUT_R16, decode_##name_, emit_, add_)
DECODED_TYPES(UNPACK_BOTH, )

static void unpack_wide(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                        void *panel) {
    unpack_levels(w, row, n_rows, col, n_cols, WIDE_BYTES ? 128 : 0, panel);
}
static void unpack_bias_16(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                           void *panel) {
    unpack_levels(w, row, n_rows, col, n_cols, WIDE_BYTES ? 128 : 16, panel);
}

/* Up to so many tokens matrix-vector products are faster than panels, which give the same results: measured with
 * weights from memory. Through levels it is their making that takes the time. */
enum { QUANT_GEMV_TOKENS = 8, LEVELS_GEMV_TOKENS = 4 };

#define ENTRY(isa_, name_, tile_, preferred_)                                                                          \
    {                                                                                                                  \
        .gemm_name = "gemm_" #name_ "_" #isa_, .gemv_name = "gemv_" #name_ "_" #isa_, .act = EW_ACT_Q8,                \
        .preferred = preferred_, .exact_panels = true, .gemv_tokens = QUANT_GEMV_TOKENS, .panel_rows = PANEL_ROWS,     \
        .gemv = ew_gemv_##name_##_q8_##isa_, .unpack = unpack_##name_, .tile = tile_                                   \
    }
#define ROWS_ENTRY(isa_, name_, type_, emit_, add_, tile_) [type_] = ENTRY(isa_, name_, tile_, false),
#define R16_ENTRY(isa_, name_, type_, emit_, add_, tile_) [type_] = ENTRY(isa_, name_##_r16, tile_, true),
#define LEVELS_ENTRY(isa_, name_, type_, bias_, tile_, gemv_)                                                          \
    [type_] = {.gemm_name = "gemm_" #name_ "_" #isa_,                                                                  \
               .gemv_name = "gemv_" #name_ "_avx2",                                                                    \
               .act = EW_ACT_Q8,                                                                                       \
               .exact_panels = true,                                                                                   \
               .gemv_tokens = LEVELS_GEMV_TOKENS,                                                                      \
               .panel_rows = PANEL_ROWS,                                                                               \
               .gemv = ew_gemv_##gemv_##_avx2,                                                                         \
               .unpack = bias_ ? unpack_bias_16 : unpack_wide,                                                         \
               .tile = tile_},
/* ...: entries of other types in the file's layout. */
#define ENTRIES(isa_, ...)                                                                                             \
    {                                                                                                                  \
        [EW_LAYOUT_ROWS] = {DECODED_TYPES(ROWS_ENTRY, isa_) LEVEL_TYPES(LEVELS_ENTRY, isa_) __VA_ARGS__},              \
        [EW_LAYOUT_R16] = {                                                                                            \
            DECODED_TYPES(R16_ENTRY, isa_)                                                                             \
        }                                                                                                              \
    }
