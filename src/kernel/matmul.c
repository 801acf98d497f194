/* Owns the driver of matrix products: which entry serves a weight, and how rows, columns and tokens are cut into panels
 * that stay in the caches. Refuses arithmetic: that is in ref/, x86/ and arm/. Why these loops: docs/performance.md. */
#include "kernel/matmul.h"

#include "gguf/tensor_type.h"
#include "kernel/matmul_table.h"

#include <assert.h>

const struct ew_matmul_entry *ew_matmul_find_entry(const struct ew_matmul_kernels *m, uint32_t type,
                                                   enum ew_layout layout) {
    if (type >= EW_MATMUL_TYPES) return NULL;
    for (; m; m = m->base)
        if (m->entry[layout][type].tile) return &m->entry[layout][type];
    return NULL;
}

static const struct ew_matmul_entry *entry_of(const struct ew_kernels *k, const struct ew_weight *w) {
    const struct ew_matmul_entry *e = ew_matmul_find_entry(k->matmul, w->type, w->layout);
    assert(e);
    return e;
}

static uint32_t record_cols(enum ew_act_kind kind) { return kind == EW_ACT_Q8 ? EW_ACT_Q8_COLS : EW_ACT_F32_COLS; }

static size_t record_bytes(enum ew_act_kind kind) {
    return kind == EW_ACT_Q8 ? sizeof(struct ew_act_q8) : sizeof(struct ew_act_f32);
}

bool ew_matmul_can_pack(const struct ew_kernels *k, uint32_t type) {
    return ew_matmul_find_entry(k->matmul, type, EW_LAYOUT_R16) != NULL;
}

bool ew_matmul_prefers_packed(const struct ew_kernels *k, uint32_t type) {
    const struct ew_matmul_entry *e = ew_matmul_find_entry(k->matmul, type, EW_LAYOUT_R16);
    return e && e->preferred;
}

enum ew_act_kind ew_matmul_act_kind(const struct ew_kernels *k, const struct ew_weight *w) {
    return entry_of(k, w)->act;
}

size_t ew_matmul_act_bytes(const struct ew_kernels *k, enum ew_act_kind kind, uint32_t n_in, uint32_t n_tokens) {
    (void)k;
    uint32_t cols = record_cols(kind);
    return ((size_t)n_in + cols - 1) / cols * n_tokens * record_bytes(kind);
}

void ew_matmul_act_prepare(const struct ew_kernels *k, enum ew_act_kind kind, uint32_t n_in, uint32_t n_tokens,
                           const float *x, size_t x_stride, uint32_t token_begin, uint32_t token_end, void *act) {
    const struct ew_matmul_kernels *m = k->matmul;
    while (!m->act_prepare[kind]) m = m->base;
    m->act_prepare[kind](n_in, n_tokens, x, x_stride, token_begin, token_end, act);
}

/* About 64 KiB of weights per step of a matrix-vector product: long enough to stream, short enough to balance. */
uint32_t ew_matmul_row_step(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens) {
    const struct ew_matmul_entry *e = entry_of(k, w);
    if (n_tokens > e->gemv_tokens) return e->panel_rows;
    size_t row_bytes = ew_type_row_bytes(w->type, w->n_in);
    uint32_t step = 16;
    while (step < 128 && step * row_bytes < 64 * 1024 && step * 16 < w->n_out) step *= 2;
    return step;
}

size_t ew_matmul_scratch_bytes(const struct ew_kernels *k, uint32_t max_tokens) {
    (void)k;
    size_t tokens = max_tokens < EW_PANEL_TOKENS ? max_tokens : EW_PANEL_TOKENS;
    return EW_PANEL_BYTES + tokens * EW_PANEL_ROWS * sizeof(float);
}

/* Rows of one panel for at most EW_PANEL_TOKENS tokens. Sums over column blocks wait in sums, close together in memory,
 * instead of in y, whose rows may all fall into the same cache sets; the first block reads y and the last writes it. */
static void product_of_panel(const struct ew_matmul_entry *e, const struct ew_weight *w, uint32_t row, uint32_t n_rows,
                             const char *act, size_t act_block_bytes, struct ew_tile_args tile, bool accumulate,
                             void *panel, float *sums) {
    float *y = tile.out;
    size_t y_stride = tile.out_stride;
    uint32_t cols = record_cols(e->act);
    tile.panel = panel;
    tile.n_rows = n_rows;
    tile.in = accumulate ? y : NULL;
    tile.in_stride = y_stride;
    for (uint32_t col = 0; col < w->n_in; col += cols, act += act_block_bytes) {
        bool last = w->n_in - col <= cols;
        tile.n_cols = last ? w->n_in - col : cols;
        tile.act = act;
        tile.out = last ? y : sums;
        tile.out_stride = last ? y_stride : e->panel_rows;
        e->unpack(w, row, n_rows, col, tile.n_cols, panel);
        e->tile(&tile);
        tile.in = sums;
        tile.in_stride = e->panel_rows;
    }
}

void ew_matmul_rows(const struct ew_kernels *k, const struct ew_weight *w, const void *act, uint32_t n_tokens,
                    uint32_t row_begin, uint32_t row_end, bool accumulate, float *y, size_t y_stride, void *scratch) {
    const struct ew_matmul_entry *e = entry_of(k, w);
    if (n_tokens <= e->gemv_tokens) {
        e->gemv(&(struct ew_gemv_args){w, act, n_tokens, row_begin, row_end, accumulate, y, y_stride});
        return;
    }
    float *sums = (float *)((char *)scratch + EW_PANEL_BYTES);
    size_t act_bytes = record_bytes(e->act);
    for (uint32_t token = 0; token < n_tokens; token += EW_PANEL_TOKENS) {
        uint32_t tokens = n_tokens - token < EW_PANEL_TOKENS ? n_tokens - token : EW_PANEL_TOKENS;
        for (uint32_t row = row_begin; row < row_end; row += e->panel_rows) {
            uint32_t rows = row_end - row < e->panel_rows ? row_end - row : e->panel_rows;
            struct ew_tile_args tile = {
                .n_tokens = tokens, .out = y + token * y_stride + row, .out_stride = y_stride};
            product_of_panel(e, w, row, rows, (const char *)act + token * act_bytes, n_tokens * act_bytes, tile,
                             accumulate, scratch, sums);
        }
    }
}

const char *ew_matmul_kernel_name(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens) {
    const struct ew_matmul_entry *e = entry_of(k, w);
    return n_tokens <= e->gemv_tokens ? e->gemv_name : e->gemm_name;
}
