/* Runs each R16 kernel of one variant a single time on a small problem, between two marks, for bench/arm_cycles.py: it
 * collects the instructions that an emulator executes between them. Prints one line per run, in their order:
 *
 *   KERNEL TYPE gemv|unpack|tile MULTIPLY_ADDS WEIGHT_BYTES
 *
 * A gemv is one token, a tile eight tokens over one panel of 512 columns, unpack the making of that panel. */
#include "gguf/tensor_type.h"
#include "kernel/matmul_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLS = EW_ACT_Q8_COLS, GEMV_ROWS = 16, TOKENS = 8 };

static const enum ew_type types[] = {EW_TYPE_Q4_0, EW_TYPE_Q8_0, EW_TYPE_Q4_K, EW_TYPE_Q5_K, EW_TYPE_Q6_K};

void trace_begin(void);
void trace_end(void);
__attribute__((noinline)) void trace_begin(void) { __asm__ volatile("" ::: "memory"); }
__attribute__((noinline)) void trace_end(void) { __asm__ volatile("" ::: "memory"); }

static void *allocate(size_t size) {
    void *p = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!p) abort();
    memset(p, 0x21, size); /* small numbers in every format, halves too */
    return p;
}

static void say(const char *name, enum ew_type type, const char *part, uint32_t rows, uint32_t tokens) {
    const struct ew_type_traits *traits = ew_type_traits(type);
    printf("%s %s %s %u %zu\n", name, traits->name, part, rows * COLS * tokens, rows * ew_type_row_bytes(type, COLS));
}

static void run_type(const struct ew_matmul_kernels *m, enum ew_type type) {
    const struct ew_matmul_entry *e = &m->entry[EW_LAYOUT_R16][type];
    struct ew_weight w = {.type = type, .layout = EW_LAYOUT_R16, .n_in = COLS, .n_out = e->panel_rows};
    struct ew_act_q8 *act = allocate(TOKENS * sizeof *act);
    float *y = allocate(TOKENS * (size_t)e->panel_rows * sizeof *y);
    void *weights = allocate(e->panel_rows * ew_type_row_bytes(type, COLS)), *panel = allocate(EW_PANEL_BYTES);
    w.data = weights;
    struct ew_gemv_args gemv = {.w = &w, .act = act, .n_tokens = 1, .row_end = GEMV_ROWS, .y = y};
    struct ew_tile_args tile = {.panel = panel,
                                .act = act,
                                .n_cols = COLS,
                                .n_tokens = TOKENS,
                                .n_rows = e->panel_rows,
                                .out = y,
                                .out_stride = e->panel_rows};
    trace_begin();
    e->gemv(&gemv);
    trace_end();
    say(e->gemv_name, type, "gemv", GEMV_ROWS, 1);
    trace_begin();
    e->unpack(&w, 0, e->panel_rows, 0, COLS, panel);
    trace_end();
    say(e->gemm_name, type, "unpack", e->panel_rows, 1);
    trace_begin();
    e->tile(&tile);
    trace_end();
    say(e->gemm_name, type, "tile", e->panel_rows, TOKENS);
    free(act);
    free(y);
    free(weights);
    free(panel);
}

int main(int argc, char **argv) {
#define TAKE(isa_, needs_)                                                                                             \
    if (argc == 2 && !strcmp(argv[1], #isa_) && needs_) {                                                              \
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) run_type(&ew_matmul_##isa_, types[i]);               \
        return 0;                                                                                                      \
    }
    EW_MATMUL_VARIANTS(TAKE)
    fprintf(stderr, "usage: trace_kernels VARIANT (neon, dotprod, i8mm)\n");
    return 2;
}
