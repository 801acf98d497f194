/* Owns the quantized matrix products of AVX-512 with VNNI. Lanes are weight rows; vpdpbusd multiplies unsigned weight
 * bytes by activation bytes that are broadcast to all rows. Where a type's quants are biased, the sum starts at
 * -bias · Σ activations instead of subtracting it afterwards. Decoding is in decode_avx512.h. */
#include "gguf/tensor_type.h"
#include "kernel/matmul_table.h"
#include "kernel/x86/decode_avx512.h"
#include "kernel/x86/gemv_avx512vnni.h"

#include <assert.h>

/* ---- activations ---- */

static void quantize_group(const float *x, struct ew_act_q8 *rec, uint32_t g) {
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    float amax = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    __m512 inverse = _mm512_set1_ps(amax > 0 ? 127.0f / amax : 0);
    const __m512i least = _mm512_set1_epi32(-127);
    __m512i qa = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(a, inverse)), least);
    __m512i qb = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(b, inverse)), least);
    _mm_storeu_si128((__m128i *)(rec->q + g * EW_ACT_GROUP), _mm512_cvtsepi32_epi8(qa));
    _mm_storeu_si128((__m128i *)(rec->q + g * EW_ACT_GROUP + 16), _mm512_cvtsepi32_epi8(qb));
    int sum_a = _mm512_reduce_add_epi32(qa), sum_b = _mm512_reduce_add_epi32(qb);
    rec->d[g] = amax / 127.0f;
    rec->ds[g] = rec->d[g] * (float)(sum_a + sum_b);
    rec->sum32[g] = -128 * (sum_a + sum_b);
    rec->sum16[2 * g] = -128 * sum_a;
    rec->sum16[2 * g + 1] = -128 * sum_b;
}

static void act_prepare_q8(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                           uint32_t token_end, void *act) {
    struct ew_act_q8 *out = act;
    for (uint32_t t = token_begin; t < token_end; t++)
        for (uint32_t i = 0; i < n_in; i += EW_ACT_GROUP)
            quantize_group(x + t * x_stride + i, &out[(size_t)(i / EW_ACT_Q8_COLS) * n_tokens + t],
                           i % EW_ACT_Q8_COLS / EW_ACT_GROUP);
}

/* ---- panels: 32 rows, group after group ---- */

enum { PANEL_ROWS = 32, VECTORS = PANEL_ROWS / 16 };

struct panel_group {
    uint8_t q[8][VECTORS][64];
    float scale[VECTORS][16];
    float extra[VECTORS][16]; /* minima, or the scales of columns 16 … 31 */
};
static_assert(EW_ACT_Q8_GROUPS * sizeof(struct panel_group) <= EW_PANEL_BYTES, "panel fits");

struct unpack_state {
    struct panel_group *panel;
    uint32_t vector;
    char add;
};

EW_INLINE void emit_panel(void *state, uint32_t g, const struct ew_group512 *w) {
    const struct unpack_state *s = state;
    struct panel_group *out = s->panel + g;
    for (int j = 0; j < 8; j++)
        _mm512_store_si512(out->q[j][s->vector], s->add ? _mm512_add_epi8(w->q[j], _mm512_set1_epi8(s->add)) : w->q[j]);
    _mm512_store_ps(out->scale[s->vector], w->scale[0]);
}

EW_INLINE void emit_panel_min(void *state, uint32_t g, const struct ew_group512 *w) {
    emit_panel(state, g, w);
    const struct unpack_state *s = state;
    _mm512_store_ps(s->panel[g].extra[s->vector], w->min);
}

EW_INLINE void emit_panel_16(void *state, uint32_t g, const struct ew_group512 *w) {
    emit_panel(state, g, w);
    const struct unpack_state *s = state;
    _mm512_store_ps(s->panel[g].extra[s->vector], w->scale[1]);
}

EW_INLINE void unpack_panel(const struct ew_weight *w, uint32_t type, enum ew_layout layout, ew_decode512 *decode,
                            ew_emit512 *emit, char add, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                            void *panel) {
    uint8_t tail[TAIL_BYTES];
    for (uint32_t v = 0; v < VECTORS && 16 * v < n_rows; v++) {
        struct ew_rows512 src = rows_at(w, type, layout, row + 16 * v, n_rows - 16 * v, col, n_cols, tail);
        struct unpack_state state = {panel, v, add};
        decode(src, n_cols, emit, &state);
    }
}

/* ---- tile kernels: 32 rows × TOKENS in registers ---- */

enum kind { SCALE_32, SCALE_32_MIN, SCALE_16 };
enum { TOKENS = 6 };

/* Adds columns [4 begin, 4 end) of a group to the integer sums. */
EW_INLINE void multiply_columns(__m512i sum[VECTORS][TOKENS], const struct panel_group *w, const struct ew_act_q8 *x,
                                uint32_t g, int begin, int end, int n_tokens) {
#pragma GCC unroll 8
    for (int j = begin; j < end; j++) {
        __m512i q[VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) q[v] = _mm512_load_si512(w->q[j][v]);
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++) {
            __m512i a = broadcast_bytes(x[t].q + g * EW_ACT_GROUP + 4 * j);
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++) sum[v][t] = _mm512_dpbusd_epi32(sum[v][t], q[v], a);
        }
    }
}

EW_INLINE void multiply_group(__m512 acc[VECTORS][TOKENS], const struct panel_group *w, const struct ew_act_q8 *x,
                              uint32_t g, enum kind kind, int n_tokens) {
    __m512i sum[VECTORS][TOKENS];
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
            sum[v][t] = kind == SCALE_32_MIN ? _mm512_setzero_si512() : _mm512_set1_epi32(x[t].sum32[g]);
    multiply_columns(sum, w, x, g, 0, 8, n_tokens);
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
        __m512 scale = _mm512_load_ps(w->scale[v]);
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++) {
            __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x[t].d[g]));
            acc[v][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[v][t]), both, acc[v][t]);
            if (kind == SCALE_32_MIN)
                acc[v][t] = _mm512_fnmadd_ps(_mm512_load_ps(w->extra[v]), _mm512_set1_ps(x[t].ds[g]), acc[v][t]);
        }
    }
}

/* As multiply_group for weights with a scale per 16 columns. */
EW_INLINE void multiply_halves(__m512 acc[VECTORS][TOKENS], const struct panel_group *w, const struct ew_act_q8 *x,
                               uint32_t g, int n_tokens) {
    __m512 part[VECTORS][TOKENS];
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m512i sum[VECTORS][TOKENS];
#pragma GCC unroll 6
        for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++) sum[v][t] = _mm512_set1_epi32(x[t].sum16[2 * g + half]);
        multiply_columns(sum, w, x, g, 4 * half, 4 * half + 4, n_tokens);
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
#pragma GCC unroll 6
            for (int t = 0; t < n_tokens; t++) {
                __m512 s = _mm512_cvtepi32_ps(sum[v][t]);
                if (half == 0) {
                    part[v][t] = _mm512_mul_ps(s, _mm512_load_ps(w->scale[v]));
                } else {
                    part[v][t] = _mm512_fmadd_ps(s, _mm512_load_ps(w->extra[v]), part[v][t]);
                    acc[v][t] = _mm512_fmadd_ps(part[v][t], _mm512_set1_ps(x[t].d[g]), acc[v][t]);
                }
            }
    }
}

EW_INLINE void multiply_tokens(const struct ew_tile_args *a, uint32_t t0, enum kind kind, int n_tokens) {
    const struct panel_group *w = a->panel;
    const struct ew_act_q8 *x = (const struct ew_act_q8 *)a->act + t0;
    const __mmask16 mask[VECTORS] = {lanes_below(a->n_rows), lanes_below(a->n_rows < 16 ? 0 : a->n_rows - 16)};
    __m512 acc[VECTORS][TOKENS];
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
            acc[v][t] = a->in ? _mm512_maskz_loadu_ps(mask[v], a->in + (t0 + t) * a->in_stride + 16 * v)
                              : _mm512_setzero_ps();
    for (uint32_t g = 0; g < a->n_cols / EW_ACT_GROUP; g++, w++) {
        if (kind == SCALE_16) multiply_halves(acc, w, x, g, n_tokens);
        else multiply_group(acc, w, x, g, kind, n_tokens);
    }
#pragma GCC unroll 6
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
            _mm512_mask_storeu_ps(a->out + (t0 + t) * a->out_stride + 16 * v, mask[v], acc[v][t]);
}

EW_INLINE void multiply_tile(const struct ew_tile_args *a, enum kind kind) {
    uint32_t t = 0;
    for (; t + TOKENS <= a->n_tokens; t += TOKENS) multiply_tokens(a, t, kind, TOKENS);
    switch (a->n_tokens - t) {
    case 1: multiply_tokens(a, t, kind, 1); break;
    case 2: multiply_tokens(a, t, kind, 2); break;
    case 3: multiply_tokens(a, t, kind, 3); break;
    case 4: multiply_tokens(a, t, kind, 4); break;
    case 5: multiply_tokens(a, t, kind, 5); break;
    default: break;
    }
}

static void tile_scale_32(const struct ew_tile_args *a) { multiply_tile(a, SCALE_32); }
static void tile_scale_32_min(const struct ew_tile_args *a) { multiply_tile(a, SCALE_32_MIN); }
static void tile_scale_16(const struct ew_tile_args *a) { multiply_tile(a, SCALE_16); }

/* ---- one line per type and layout ---- */

/* add brings a type's quants to the bias of 128 that panels have. */
#define UNPACK(name_, type_, layout_, decode_, suffix_, add_)                                                          \
    static void unpack_##name_(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col,                 \
                               uint32_t n_cols, void *panel) {                                                         \
        unpack_panel(w, type_, layout_, decode_, emit_panel##suffix_, add_, row, n_rows, col, n_cols, panel);          \
    }
#define UNPACK_BOTH(name_, type_, decode_, suffix_, add_)                                                              \
    UNPACK(name_, type_, EW_LAYOUT_ROWS, decode_, suffix_, add_)                                                       \
    UNPACK(name_##_r16, type_, EW_LAYOUT_R16, decode_, suffix_, add_)

UNPACK_BOTH(q4_0, EW_TYPE_Q4_0, decode_q4_0, , 120)
UNPACK_BOTH(q8_0, EW_TYPE_Q8_0, decode_q8_0, , 0)
UNPACK_BOTH(q4_k, EW_TYPE_Q4_K, decode_q4_k, _min, 0)
UNPACK_BOTH(q5_k, EW_TYPE_Q5_K, decode_q5_k, _min, 0)
UNPACK_BOTH(q6_k, EW_TYPE_Q6_K, decode_q6_k, _16, 96)

#define ENTRY(name_, tile_, preferred_)                                                                                \
    {.gemm_name = "gemm_" #name_ "_avx512vnni", .gemv_name = "gemv_" #name_ "_avx512vnni", .act = EW_ACT_Q8,           \
     .preferred = preferred_, .gemv_tokens = EW_GEMV_TOKENS_AVX512VNNI, .panel_rows = PANEL_ROWS,                      \
     .gemv = ew_gemv_##name_##_q8_avx512vnni, .unpack = unpack_##name_, .tile = tile_}

const struct ew_matmul_kernels ew_matmul_avx512vnni = {
    .isa = "avx512vnni",
    .base = &ew_matmul_ref,
    .act_prepare = {[EW_ACT_Q8] = act_prepare_q8},
    .entry = {[EW_LAYOUT_ROWS] = {[EW_TYPE_Q4_0] = ENTRY(q4_0, tile_scale_32, false),
                                  [EW_TYPE_Q8_0] = ENTRY(q8_0, tile_scale_32, false),
                                  [EW_TYPE_Q4_K] = ENTRY(q4_k, tile_scale_32_min, false),
                                  [EW_TYPE_Q5_K] = ENTRY(q5_k, tile_scale_32_min, false),
                                  [EW_TYPE_Q6_K] = ENTRY(q6_k, tile_scale_16, false)},
              [EW_LAYOUT_R16] = {[EW_TYPE_Q4_0] = ENTRY(q4_0_r16, tile_scale_32, true),
                                 [EW_TYPE_Q8_0] = ENTRY(q8_0_r16, tile_scale_32, true),
                                 [EW_TYPE_Q4_K] = ENTRY(q4_k_r16, tile_scale_32_min, true),
                                 [EW_TYPE_Q5_K] = ENTRY(q5_k_r16, tile_scale_32_min, true),
                                 [EW_TYPE_Q6_K] = ENTRY(q6_k_r16, tile_scale_16, true)}},
};
