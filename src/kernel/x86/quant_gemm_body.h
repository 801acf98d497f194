/* Products of quantized weights with many tokens, for any lanes_….h, and the table of a variant. Lanes are weight rows;
 * unsigned weight bytes meet activation bytes that are broadcast to all rows. Where quants are biased, the integer sum
 * starts at -bias · Σ activations instead of losing it afterwards. EW_ISA names the variant. */
#ifndef EW_ISA
#error "include after a lanes_….h, with EW_ISA defined"
#endif

#include "kernel/x86/decode_body.h"
#include "kernel/x86/quant_gemv.h"

#include <assert.h>

/* ---- panels: TILE_VECTORS vectors of rows, group after group ---- */

enum { VECTORS = TILE_VECTORS, PANEL_ROWS = VECTORS * LANES, TOKENS = TILE_TOKENS };
/* A scale per 16 columns needs another set of registers. */
enum { TOKENS_16 = TOKENS < 5 ? TOKENS : 5 };

struct panel_group {
    uint8_t q[8][VECTORS][4 * LANES];
    float scale[VECTORS][LANES];
    float extra[VECTORS][LANES]; /* minima, or the scales of columns 16 … 31 */
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
    vf_store(s->panel[g].extra[s->vector], w->min);
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

/* ---- tile kernels: VECTORS × TOKENS sums in registers ---- */

/* How sums become weights · activations: one scale per group, one and a minimum, one per half group; or signed quants
 * with one scale, where wide bytes cannot be multiplied. */
enum kind { SCALE_32, SCALE_32_MIN, SCALE_16, SIGNED_32 };

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
                                       const struct ew_act_q8 *x, uint32_t g, int n_tokens) {
    for (int j = 0; j < 8; j++) {
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
        multiply_signed_columns(sum, w, x, g, n_tokens);
    else
        multiply_columns(sum, w, x, g, 0, 8, n_tokens);
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
        vfloat scale = vf_load(w->scale[v]);
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++) {
            acc[v][t] = vf_fma(v_to_float(sum[v][t]), vf_mul(scale, vf_set(x[t].d[g])), acc[v][t]);
            if (kind == SCALE_32_MIN) acc[v][t] = vf_fnma(vf_load(w->extra[v]), vf_set(x[t].ds[g]), acc[v][t]);
        }
    }
}

/* As multiply_group for weights with a scale per 16 columns: both halves share the activations' scale. */
EW_INLINE void multiply_halves(vfloat acc[VECTORS][TOKENS], const struct panel_group *w, const struct ew_act_q8 *x,
                               uint32_t g, unsigned bias_shift, int n_tokens) {
    vfloat part[VECTORS][TOKENS];
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        vint sum[VECTORS][TOKENS];
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++)
                sum[v][t] = v_shift_right_signed(v_set_32(x[t].sum16[2 * g + half]), bias_shift);
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

EW_INLINE void multiply_tokens(const struct ew_tile_args *a, uint32_t t0, enum kind kind, unsigned bias_shift,
                               int n_tokens) {
    const struct panel_group *w = a->panel;
    const struct ew_act_q8 *x = (const struct ew_act_q8 *)a->act + t0;
    vfloat acc[VECTORS][TOKENS];
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (uint32_t v = 0; v < VECTORS; v++)
            acc[v][t] =
                a->in ? vf_load_first(a->in + (t0 + t) * a->in_stride + v * LANES, rows_of_vector(a, v)) : vf_zero();
    for (uint32_t g = 0; g < a->n_cols / EW_ACT_GROUP; g++, w++) {
        if (kind == SCALE_16)
            multiply_halves(acc, w, x, g, bias_shift, n_tokens);
        else
            multiply_group(acc, w, x, g, kind, bias_shift, n_tokens);
    }
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (uint32_t v = 0; v < VECTORS; v++)
            vf_store_first(a->out + (t0 + t) * a->out_stride + v * LANES, rows_of_vector(a, v), acc[v][t]);
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

/* With wide bytes a panel's quants have a bias of 128 whatever the type; without, they keep the type's own. */
static void tile_q4_0(const struct ew_tile_args *a) { multiply_tile(a, SCALE_32, WIDE_BYTES ? 0 : 4, TOKENS); }
static void tile_q8_0(const struct ew_tile_args *a) { multiply_tile(a, WIDE_BYTES ? SCALE_32 : SIGNED_32, 0, TOKENS); }
static void tile_k(const struct ew_tile_args *a) { multiply_tile(a, SCALE_32_MIN, 0, TOKENS); }
static void tile_q6_k(const struct ew_tile_args *a) { multiply_tile(a, SCALE_16, WIDE_BYTES ? 0 : 2, TOKENS_16); }

/* ---- one line per type and layout ---- */

#define UNPACK(name_, type_, layout_, decode_, emit_, add_)                                                            \
    static void unpack_##name_(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col,                 \
                               uint32_t n_cols, void *panel) {                                                         \
        struct ew_place at = {type_, layout_, row, 0, n_rows, col, n_cols};                                            \
        unpack_panel(w, at, decode_, emit_, WIDE_BYTES ? add_ : 0, panel);                                             \
    }
#define UNPACK_BOTH(name_, type_, decode_, emit_, add_)                                                                \
    UNPACK(name_, type_, EW_LAYOUT_ROWS, decode_, emit_, add_)                                                         \
    UNPACK(name_##_r16, type_, EW_LAYOUT_R16, decode_, emit_, add_)

UNPACK_BOTH(q4_0, EW_TYPE_Q4_0, decode_q4_0, emit_panel, 120)
UNPACK_BOTH(q8_0, EW_TYPE_Q8_0, decode_q8_0, emit_panel, 0)
UNPACK_BOTH(q4_k, EW_TYPE_Q4_K, decode_q4_k, emit_panel_min, 0)
UNPACK_BOTH(q5_k, EW_TYPE_Q5_K, decode_q5_k, emit_panel_min, 0)
UNPACK_BOTH(q6_k, EW_TYPE_Q6_K, decode_q6_k, emit_panel_16, 96)

#define ENTRY(name_, isa_, tile_, preferred_)                                                                          \
    {                                                                                                                  \
        .gemm_name = "gemm_" #name_ "_" #isa_, .gemv_name = "gemv_" #name_ "_" #isa_, .act = EW_ACT_Q8,                \
        .preferred = preferred_, .gemv_tokens = EW_QUANT_GEMV_TOKENS, .panel_rows = PANEL_ROWS,                        \
        .gemv = ew_gemv_##name_##_q8_##isa_, .unpack = unpack_##name_, .tile = tile_                                   \
    }
/* ...: entries of other types in the file's layout. */
#define ENTRIES(isa_, ...)                                                                                             \
    {                                                                                                                  \
        [EW_LAYOUT_ROWS] = {[EW_TYPE_Q4_0] = ENTRY(q4_0, isa_, tile_q4_0, false),                                      \
                            [EW_TYPE_Q8_0] = ENTRY(q8_0, isa_, tile_q8_0, false),                                      \
                            [EW_TYPE_Q4_K] = ENTRY(q4_k, isa_, tile_k, false),                                         \
                            [EW_TYPE_Q5_K] = ENTRY(q5_k, isa_, tile_k, false),                                         \
                            [EW_TYPE_Q6_K] = ENTRY(q6_k, isa_, tile_q6_k, false),                                      \
                            __VA_ARGS__},                                                                              \
        [EW_LAYOUT_R16] = {                                                                                            \
            [EW_TYPE_Q4_0] = ENTRY(q4_0_r16, isa_, tile_q4_0, true),                                                   \
            [EW_TYPE_Q8_0] = ENTRY(q8_0_r16, isa_, tile_q8_0, true),                                                   \
            [EW_TYPE_Q4_K] = ENTRY(q4_k_r16, isa_, tile_k, true),                                                      \
            [EW_TYPE_Q5_K] = ENTRY(q5_k_r16, isa_, tile_k, true),                                                      \
            [EW_TYPE_Q6_K] = ENTRY(q6_k_r16, isa_, tile_q6_k, true)                                                    \
        }                                                                                                              \
    }
