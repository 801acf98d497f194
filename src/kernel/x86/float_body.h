/* Products of F32, F16 and BF16 weights in float arithmetic, for any lanes_….h: panels of float columns for many
 * tokens, rows as they lie for one. EW_FLOAT_TOKENS tokens × 2 vectors of rows are summed in registers. */
#ifndef EW_FLOAT_TOKENS
#error "include after a lanes_….h, with EW_FLOAT_TOKENS defined"
#endif

#include "kernel/matmul_table.h"

#include <assert.h>

enum { FLOAT_VECTORS = 2, FLOAT_ROWS = FLOAT_VECTORS * LANES, FLOAT_TOKENS = EW_FLOAT_TOKENS };
static_assert(EW_ACT_F32_COLS * FLOAT_ROWS * sizeof(float) <= EW_PANEL_BYTES, "panel fits");

typedef vfloat load_fn(const void *p);

EW_INLINE vfloat load_from_f32(const void *p) {
    vfloat v;
    memcpy(&v, p, sizeof v);
    return v;
}
EW_INLINE vfloat load_from_f16(const void *p) { return vf_load_f16(p); }
EW_INLINE vfloat load_from_bf16(const void *p) { return vf_load_bf16(p); }

/* ---- panels: FLOAT_ROWS values per column ---- */

EW_INLINE void unpack_float(const struct ew_weight *w, size_t elem_bytes, load_fn *load, uint32_t row, uint32_t n_rows,
                            uint32_t col, uint32_t n_cols, float *panel) {
    float part[FLOAT_ROWS][LANES];
    for (uint32_t c = 0; c < n_cols; c += LANES, panel += LANES * FLOAT_ROWS) {
        for (uint32_t r = 0; r < FLOAT_ROWS; r++) {
            size_t at = (size_t)(row + (r < n_rows ? r : 0)) * w->n_in + col + c;
            vf_store(part[r], load((const char *)w->data + at * elem_bytes));
        }
        for (uint32_t i = 0; i < LANES; i++)
            for (uint32_t r = 0; r < FLOAT_ROWS; r++) panel[i * FLOAT_ROWS + r] = part[r][i];
    }
}

EW_INLINE uint32_t float_rows_of_vector(const struct ew_tile_args *a, uint32_t v) {
    return a->n_rows > v * LANES ? a->n_rows - v * LANES : 0;
}

EW_INLINE void float_tokens(const struct ew_tile_args *a, uint32_t t0, int n_tokens) {
    const float *w = a->panel;
    const struct ew_act_f32 *x = (const struct ew_act_f32 *)a->act + t0;
    vfloat acc[FLOAT_VECTORS][FLOAT_TOKENS];
#pragma GCC unroll 12
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (uint32_t v = 0; v < FLOAT_VECTORS; v++)
            acc[v][t] = a->in ? vf_load_first(a->in + (t0 + t) * a->in_stride + v * LANES, float_rows_of_vector(a, v))
                              : vf_zero();
    for (uint32_t c = 0; c < a->n_cols; c++, w += FLOAT_ROWS) {
        vfloat q[FLOAT_VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < FLOAT_VECTORS; v++) q[v] = vf_load(w + v * LANES);
#pragma GCC unroll 12
        for (int t = 0; t < n_tokens; t++) {
            vfloat b = vf_set(x[t].x[c]);
#pragma GCC unroll 2
            for (int v = 0; v < FLOAT_VECTORS; v++) acc[v][t] = vf_fma(q[v], b, acc[v][t]);
        }
    }
#pragma GCC unroll 12
    for (int t = 0; t < n_tokens; t++)
#pragma GCC unroll 2
        for (uint32_t v = 0; v < FLOAT_VECTORS; v++)
            vf_store_first(a->out + (t0 + t) * a->out_stride + v * LANES, float_rows_of_vector(a, v), acc[v][t]);
}

static void tile_float(const struct ew_tile_args *a) {
    uint32_t t = 0;
    for (; t + FLOAT_TOKENS <= a->n_tokens; t += FLOAT_TOKENS) float_tokens(a, t, FLOAT_TOKENS);
    for (; t + 3 <= a->n_tokens; t += 3) float_tokens(a, t, 3);
    for (; t < a->n_tokens; t++) float_tokens(a, t, 1);
}

/* ---- one token: four rows at a time share the activations ---- */

enum { GEMV_ROWS = 4, GEMV_AHEAD_BYTES = 2048 };

/* Every row is summed in two chains: even and odd vectors of columns. */
EW_INLINE void finish_row(const struct ew_gemv_args *a, uint32_t t, uint32_t row, const vfloat chains[2]) {
    float sum = vf_sum(chains[0]) + vf_sum(chains[1]), *y = a->y + t * a->y_stride + row;
    *y = a->accumulate ? *y + sum : sum;
}

EW_INLINE void gemv_one_float(const struct ew_gemv_args *a, size_t elem_bytes, load_fn *load) {
    const size_t row_bytes = a->w->n_in * elem_bytes;
    const float *x = a->act; /* records of one token lie one after the other */
    for (uint32_t row = a->row_begin; row < a->row_end; row += GEMV_ROWS) {
        const uint32_t n = a->row_end - row < GEMV_ROWS ? a->row_end - row : GEMV_ROWS;
        const char *w[GEMV_ROWS];
        vfloat acc[GEMV_ROWS][2];
        for (uint32_t r = 0; r < GEMV_ROWS; r++) {
            w[r] = (const char *)a->w->data + (row + (r < n ? r : 0)) * row_bytes;
            acc[r][0] = acc[r][1] = vf_zero();
        }
        for (uint32_t c = 0; c < a->w->n_in; c += 2 * LANES) {
            vfloat x0 = vf_load(x + c), x1 = vf_load(x + c + LANES);
#pragma GCC unroll 4
            for (int r = 0; r < GEMV_ROWS; r++) {
                _mm_prefetch(w[r] + c * elem_bytes + GEMV_AHEAD_BYTES, _MM_HINT_T0);
                acc[r][0] = vf_fma(load(w[r] + c * elem_bytes), x0, acc[r][0]);
                acc[r][1] = vf_fma(load(w[r] + (c + LANES) * elem_bytes), x1, acc[r][1]);
            }
        }
        for (uint32_t r = 0; r < n; r++) finish_row(a, 0, row + r, acc[r]);
    }
}

/* ---- a few tokens: the rows of a strip meet three tokens after the other, a record of columns at a time ---- */

/* Rows of a strip, whose part of a record stays in the first-level cache; rows and tokens in registers, two chains
 * each: 24 sums of 32 registers, or 12 of 16. */
enum { FEW_STRIP = 8, FEW_ROWS = LANES == 16 ? 4 : 2, FEW_TOKENS = 3 };

struct few_sums {
    vfloat at[FEW_STRIP][EW_GEMV_TOKENS][2];
};

/* FEW_ROWS rows from row r of the strip on and n_tokens (a constant) from t on; every row is summed as one token is. */
EW_INLINE void few_piece(struct few_sums *sums, uint32_t r, uint32_t t, int n_tokens, const char *const w[FEW_STRIP],
                         size_t elem_bytes, load_fn *load, const struct ew_act_f32 *x, uint32_t n_cols) {
    vfloat acc[FEW_ROWS][FEW_TOKENS][2];
#pragma GCC unroll 4
    for (int i = 0; i < FEW_ROWS; i++)
#pragma GCC unroll 3
        for (int j = 0; j < n_tokens; j++)
            for (int h = 0; h < 2; h++) acc[i][j][h] = sums->at[r + i][t + j][h];
    for (uint32_t c = 0; c < n_cols; c += 2 * LANES) {
#pragma GCC unroll 2
        for (uint32_t h = 0; h < 2; h++) {
            vfloat v[FEW_TOKENS];
#pragma GCC unroll 3
            for (int j = 0; j < n_tokens; j++) v[j] = vf_load(x[t + j].x + c + h * LANES);
#pragma GCC unroll 4
            for (int i = 0; i < FEW_ROWS; i++) {
                const char *from = w[r + i] + (c + h * LANES) * elem_bytes;
                if (t == 0 && h == 0) _mm_prefetch(from + GEMV_AHEAD_BYTES, _MM_HINT_T0);
                const vfloat q = load(from);
#pragma GCC unroll 3
                for (int j = 0; j < n_tokens; j++) acc[i][j][h] = vf_fma(q, v[j], acc[i][j][h]);
            }
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < FEW_ROWS; i++)
#pragma GCC unroll 3
        for (int j = 0; j < n_tokens; j++)
            for (int h = 0; h < 2; h++) sums->at[r + i][t + j][h] = acc[i][j][h];
}

/* One record of columns of a strip. */
EW_INLINE void few_record(struct few_sums *sums, const struct ew_gemv_args *a, const char *const w[FEW_STRIP],
                          size_t elem_bytes, load_fn *load, const struct ew_act_f32 *x, uint32_t n_cols) {
    for (uint32_t t = 0; t < a->n_tokens; t += FEW_TOKENS) {
        for (uint32_t r = 0; r < FEW_STRIP; r += FEW_ROWS) {
            switch (a->n_tokens - t) {
            case 1: few_piece(sums, r, t, 1, w, elem_bytes, load, x, n_cols); break;
            case 2: few_piece(sums, r, t, 2, w, elem_bytes, load, x, n_cols); break;
            default: few_piece(sums, r, t, FEW_TOKENS, w, elem_bytes, load, x, n_cols); break;
            }
        }
    }
}

EW_INLINE void gemv_few_float(const struct ew_gemv_args *a, size_t elem_bytes, load_fn *load) {
    const size_t row_bytes = a->w->n_in * elem_bytes;
    for (uint32_t row = a->row_begin; row < a->row_end; row += FEW_STRIP) {
        const uint32_t n = a->row_end - row < FEW_STRIP ? a->row_end - row : FEW_STRIP;
        const struct ew_act_f32 *x = a->act;
        const char *w[FEW_STRIP];
        struct few_sums sums;
        for (uint32_t r = 0; r < FEW_STRIP; r++) {
            w[r] = (const char *)a->w->data + (row + (r < n ? r : 0)) * row_bytes;
            for (uint32_t t = 0; t < a->n_tokens; t++) sums.at[r][t][0] = sums.at[r][t][1] = vf_zero();
        }
        for (uint32_t col = 0; col < a->w->n_in; col += EW_ACT_F32_COLS, x += a->n_tokens) {
            const uint32_t n_cols = a->w->n_in - col < EW_ACT_F32_COLS ? a->w->n_in - col : EW_ACT_F32_COLS;
            few_record(&sums, a, w, elem_bytes, load, x, n_cols);
            for (uint32_t r = 0; r < FEW_STRIP; r++) w[r] += n_cols * elem_bytes;
        }
        for (uint32_t r = 0; r < n; r++)
            for (uint32_t t = 0; t < a->n_tokens; t++) finish_row(a, t, row + r, sums.at[r][t]);
    }
}

EW_INLINE void gemv_float(const struct ew_gemv_args *a, size_t elem_bytes, load_fn *load) {
    if (a->n_tokens == 1)
        gemv_one_float(a, elem_bytes, load);
    else
        gemv_few_float(a, elem_bytes, load);
}

#define FLOAT_KERNELS(name_, bytes_)                                                                                   \
    static void unpack_##name_(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col,                 \
                               uint32_t n_cols, void *panel) {                                                         \
        unpack_float(w, bytes_, load_from_##name_, row, n_rows, col, n_cols, panel);                                   \
    }                                                                                                                  \
    static void gemv_##name_(const struct ew_gemv_args *a) { gemv_float(a, bytes_, load_from_##name_); }
FLOAT_KERNELS(f32, 4)
FLOAT_KERNELS(f16, 2)
FLOAT_KERNELS(bf16, 2)

#define FLOAT_ENTRY(name_, isa_)                                                                                       \
    {                                                                                                                  \
        .gemm_name = "gemm_" #name_ "_" #isa_, .gemv_name = "gemv_" #name_ "_" #isa_, .act = EW_ACT_F32,               \
        .gemv_tokens = EW_GEMV_TOKENS, .panel_rows = FLOAT_ROWS, .gemv = gemv_##name_, .unpack = unpack_##name_,       \
        .tile = tile_float                                                                                             \
    }
#define FLOAT_ENTRIES(isa_)                                                                                            \
    [EW_TYPE_F32] = FLOAT_ENTRY(f32, isa_), [EW_TYPE_F16] = FLOAT_ENTRY(f16, isa_),                                    \
    [EW_TYPE_BF16] = FLOAT_ENTRY(bf16, isa_)
