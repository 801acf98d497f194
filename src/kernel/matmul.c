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

const char *ew_matmul_layout_name(enum ew_layout layout) { return layout == EW_LAYOUT_R16 ? "r16" : "rows"; }

/* For many tokens the nearest table that serves a type may have an entry of their own. */
static const struct ew_matmul_entry *entry_for_many(const struct ew_matmul_kernels *kernels, uint32_t type,
                                                    enum ew_layout layout) {
    for (const struct ew_matmul_kernels *m = kernels; layout == EW_LAYOUT_ROWS && m; m = m->base) {
        if (m->many[type].tile) return &m->many[type];
        if (m->entry[layout][type].tile) break;
    }
    return ew_matmul_find_entry(kernels, type, layout);
}

/* The two places where a choice overrides features: which variant few and many tokens take, and how many are few. */
static const struct ew_matmul_entry *chosen_entry(const struct ew_kernels *k, uint32_t type, enum ew_layout layout,
                                                  bool few) {
    if (type >= EW_MATMUL_TYPES) return NULL;
    const struct ew_matmul_choice *c = &k->choice.matmul[type][layout];
    return ew_matmul_find_entry(ew_kernels_matmul_of(k, few ? c->few : c->many), type, layout);
}

bool ew_matmul_serves(const struct ew_kernels *k, uint32_t type, enum ew_layout layout) {
    return chosen_entry(k, type, layout, true) && chosen_entry(k, type, layout, false);
}

uint32_t ew_matmul_gemv_tokens(const struct ew_kernels *k, uint32_t type, enum ew_layout layout) {
    const struct ew_matmul_entry *e = chosen_entry(k, type, layout, true);
    uint32_t most = e ? e->gemv_tokens : 0, limit = e ? k->choice.matmul[type][layout].few_tokens : 0;
    return limit > 0 && limit - 1 < most ? limit - 1 : most;
}

static bool takes_gemv(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens) {
    return n_tokens <= ew_matmul_gemv_tokens(k, w->type, w->layout);
}

static const struct ew_matmul_entry *entry_of(const struct ew_kernels *k, const struct ew_weight *w,
                                              uint32_t n_tokens) {
    assert(w->type < EW_MATMUL_TYPES);
    const struct ew_matmul_entry *e =
        n_tokens > EW_FEW_TOKENS
            ? entry_for_many(ew_kernels_matmul_of(k, k->choice.matmul[w->type][w->layout].many), w->type, w->layout)
            : chosen_entry(k, w->type, w->layout, takes_gemv(k, w, n_tokens));
    assert(e);
    return e;
}

static const struct {
    uint32_t cols;
    size_t bytes;
} record[EW_ACT_KINDS] = {
    [EW_ACT_F32] = {EW_ACT_F32_COLS, sizeof(struct ew_act_f32)},
    [EW_ACT_Q8] = {EW_ACT_Q8_COLS, sizeof(struct ew_act_q8)},
    [EW_ACT_Q16] = {EW_ACT_Q16_COLS, sizeof(struct ew_act_q16)},
};

bool ew_matmul_can_pack(const struct ew_kernels *k, uint32_t type) {
    return ew_matmul_find_entry(k->matmul, type, EW_LAYOUT_R16) != NULL;
}

bool ew_matmul_prefers_packed(const struct ew_kernels *k, uint32_t type) {
    const struct ew_matmul_entry *e = chosen_entry(k, type, EW_LAYOUT_R16, true);
    if (e && k->choice.packed[type] != EW_PACKED_AS_LISTED) return k->choice.packed[type] == EW_PACKED_YES;
    return e && e->preferred;
}

enum ew_act_kind ew_matmul_act_kind(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens) {
    return entry_of(k, w, n_tokens)->act;
}

uint32_t ew_matmul_kind_tokens(const struct ew_kernels *k, const struct ew_weight *w, enum ew_act_kind kind,
                               uint32_t max_tokens) {
    if (ew_matmul_act_kind(k, w, max_tokens) == kind) return max_tokens;
    uint32_t few = max_tokens < EW_FEW_TOKENS ? max_tokens : EW_FEW_TOKENS;
    return ew_matmul_act_kind(k, w, few) == kind ? few : 0;
}

size_t ew_matmul_act_bytes(const struct ew_kernels *k, enum ew_act_kind kind, uint32_t n_in, uint32_t n_tokens) {
    (void)k;
    uint32_t cols = record[kind].cols;
    return ((size_t)n_in + cols - 1) / cols * n_tokens * record[kind].bytes;
}

void ew_matmul_act_prepare(const struct ew_kernels *k, enum ew_act_kind kind, uint32_t n_in, uint32_t n_tokens,
                           const float *x, size_t x_stride, uint32_t token_begin, uint32_t token_end, void *act) {
    const struct ew_matmul_kernels *m = k->matmul;
    while (!m->act_prepare[kind]) m = m->base;
    m->act_prepare[kind](n_in, n_tokens, x, x_stride, token_begin, token_end, act);
}

/* At least 16 steps where the weight has the rows, for balance. A step of a matrix product is a whole group of panels,
 * a step of a matrix-vector product about 64 KiB of weights, long enough to stream. */
uint32_t ew_matmul_row_step(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens) {
    const struct ew_matmul_entry *e = entry_of(k, w, n_tokens);
    size_t row_bytes = ew_type_row_bytes(w->type, w->n_in);
    uint32_t step = 16;
    if (!takes_gemv(k, w, n_tokens)) {
        step = EW_GROUP_ROWS;
        while (step > e->panel_rows && step * 16 > w->n_out) step /= 2;
        return step;
    }
    while (step < 128 && step * row_bytes < 64 * 1024 && step * 16 < w->n_out) step *= 2;
    return step;
}

/* A matrix-vector product gains nothing from less than a step: shorter runs of memory do not stream. */
uint32_t ew_matmul_row_grain(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens) {
    const struct ew_matmul_entry *e = entry_of(k, w, n_tokens);
    return takes_gemv(k, w, n_tokens) ? ew_matmul_row_step(k, w, n_tokens) : e->panel_rows;
}

size_t ew_matmul_scratch_bytes(const struct ew_kernels *k, uint32_t max_tokens) {
    (void)k;
    size_t tokens = max_tokens < EW_PANEL_TOKENS ? max_tokens : EW_PANEL_TOKENS;
    return EW_PANEL_BYTES + tokens * EW_GROUP_ROWS * sizeof(float);
}

uint32_t ew_matmul_exact_tokens(const struct ew_kernels *k, const struct ew_weight *w) {
    const struct ew_matmul_entry *e = entry_of(k, w, 1);
    uint32_t few = ew_matmul_gemv_tokens(k, w->type, w->layout);
    bool panels_follow = few == 0 || (e->exact_panels && (few >= EW_FEW_TOKENS || entry_of(k, w, few + 1) == e));
    uint32_t n = panels_follow ? UINT32_MAX : few;
    bool other_for_many = entry_of(k, w, EW_FEW_TOKENS + 1) != e;
    return other_for_many && n > EW_FEW_TOKENS ? EW_FEW_TOKENS : n;
}

/* What stays the same while a group of rows meets a stretch of tokens. */
struct stretch {
    const struct ew_matmul_entry *e;
    const struct ew_weight *w;
    const char *act; /* records of the first column block, first token */
    size_t act_block_bytes;
    uint32_t n_tokens;
    bool accumulate;
    float *y; /* row 0, first token */
    size_t y_stride;
    char *panel;
    float *sums; /* [panels of the group][n_tokens][panel_rows] */
};

/* One panel over one block of columns. Sums over the blocks wait in s->sums, close together in memory, instead of in y,
 * whose rows may all fall into the same cache sets; the first block reads y and the last writes it. */
static void product_of_panel(const struct stretch *s, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t cols,
                             float *sums) {
    bool first = col == 0, last = s->w->n_in - col <= cols;
    float *y = s->y + row;
    struct ew_tile_args tile = {
        .panel = s->panel,
        .act = s->act + (size_t)(col / cols) * s->act_block_bytes,
        .n_cols = last ? s->w->n_in - col : cols,
        .n_tokens = s->n_tokens,
        .n_rows = n_rows,
        .in = !first          ? sums
              : s->accumulate ? y
                              : NULL,
        .in_stride = first ? s->y_stride : s->e->panel_rows,
        .out = last ? y : sums,
        .out_stride = last ? s->y_stride : s->e->panel_rows,
    };
    s->e->unpack(s->w, row, n_rows, col, tile.n_cols, s->panel);
    s->e->tile(&tile);
}

/* At most EW_GROUP_ROWS rows: a block of activations comes from afar once and serves all panels of the group. */
static void product_of_group(const struct stretch *s, uint32_t row_begin, uint32_t row_end) {
    const uint32_t cols = record[s->e->act].cols, panel_rows = s->e->panel_rows;
    for (uint32_t col = 0; col < s->w->n_in; col += cols) {
        float *sums = s->sums;
        for (uint32_t row = row_begin; row < row_end; row += panel_rows, sums += (size_t)s->n_tokens * panel_rows)
            product_of_panel(s, row, row_end - row < panel_rows ? row_end - row : panel_rows, col, cols, sums);
    }
}

void ew_matmul_rows(const struct ew_kernels *k, const struct ew_weight *w, const void *act, uint32_t n_tokens,
                    uint32_t row_begin, uint32_t row_end, bool accumulate, float *y, size_t y_stride, void *scratch) {
    const struct ew_matmul_entry *e = entry_of(k, w, n_tokens);
    if (n_tokens == 0) return;
    if (takes_gemv(k, w, n_tokens)) {
        e->gemv(&(struct ew_gemv_args){w, act, n_tokens, row_begin, row_end, accumulate, y, y_stride});
        return;
    }
    const size_t act_bytes = record[e->act].bytes;
    struct stretch s = {.e = e,
                        .w = w,
                        .act_block_bytes = n_tokens * act_bytes,
                        .accumulate = accumulate,
                        .y_stride = y_stride,
                        .panel = scratch,
                        .sums = (float *)((char *)scratch + EW_PANEL_BYTES)};
    for (uint32_t token = 0; token < n_tokens; token += EW_PANEL_TOKENS) {
        s.n_tokens = n_tokens - token < EW_PANEL_TOKENS ? n_tokens - token : EW_PANEL_TOKENS;
        s.act = (const char *)act + token * act_bytes;
        s.y = y + token * y_stride;
        for (uint32_t row = row_begin; row < row_end; row += EW_GROUP_ROWS)
            product_of_group(&s, row, row_end - row < EW_GROUP_ROWS ? row_end : row + EW_GROUP_ROWS);
    }
}

const char *ew_matmul_kernel_name(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens) {
    const struct ew_matmul_entry *e = entry_of(k, w, n_tokens);
    return takes_gemv(k, w, n_tokens) ? e->gemv_name : e->gemm_name;
}
