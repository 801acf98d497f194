/* Owns what ops need not wait for: which of them are done together, and where the parts of a single token meet. Found
 * once, from the plan alone; cpu_worker.h has the words. */
#include "backend/cpu/cpu_backend.h"

/* KV heads of the layer whose queries or keys an op treats; 1: it takes rows as a whole. */
static uint32_t parts_of(const struct ew_plan *plan, size_t i) {
    const struct ew_op *op = &plan->ops[i];
    if (op->kind == EW_OP_ROPE || op->kind == EW_OP_CACHE) return op->n_head_kv;
    if (op->kind != EW_OP_NORM || op->n_rows == 1) return 1;
    size_t k = i;
    while (k < plan->n_ops && plan->ops[k].layer == op->layer && plan->ops[k].kind != EW_OP_CACHE) k++;
    if (k == plan->n_ops || plan->ops[k].kind != EW_OP_CACHE || op->n_rows % plan->ops[k].n_head_kv != 0) return 1;
    return plan->ops[k].n_head_kv;
}

/* The GATE behind a MATMUL whose results are just what it reads. */
static const struct ew_op *gate_of(const struct ew_plan *plan, size_t i) {
    const struct ew_op *op = &plan->ops[i], *gate = op + 1;
    if (i + 1 == plan->n_ops || gate->kind != EW_OP_GATE || gate->n_used > 0) return NULL;
    uint32_t n = gate->src == EW_BUF_UP ? 2 : 1;
    bool fits = op->n_weights == n && op->dst[0] == EW_BUF_GATE && !op->accumulate;
    for (uint32_t w = 0; w < op->n_weights; w++) fits = fits && op->weights[w]->ne[1] == gate->width;
    return fits && op->dst[n - 1] == gate->src ? gate : NULL;
}

static bool overlap(const struct ew_backend *b, enum ew_buffer x, enum ew_buffer y) {
    const uint32_t *width = b->plan->width;
    return b->buffer_offset[x] < b->buffer_offset[y] + width[y] && b->buffer_offset[y] < b->buffer_offset[x] + width[x];
}

/* Norms right before a MATMUL read, each thread for itself, what its rows may write: attention and feed-forward side by
 * side, where the second norm reads X before the attention's output joins it. */
static bool overwrites_input(const struct ew_backend *b, size_t i) {
    const struct ew_op *op = &b->plan->ops[i];
    for (size_t k = i; k > 0 && b->plan->ops[k - 1].kind == EW_OP_NORM; k--)
        for (uint32_t w = 0; w < op->n_weights; w++)
            if (overlap(b, b->plan->ops[k - 1].src, op->dst[w])) return true;
    return false;
}

/* The MATMUL behind a NORM of whole rows or a GATE that reads them. */
static struct ew_cpu_op *fed_by(struct ew_backend *b, size_t i) {
    const struct ew_op *op = &b->plan->ops[i], *next = op + 1;
    bool whole = (op->kind == EW_OP_NORM && op->n_rows == 1) || (op->kind == EW_OP_GATE && op->n_used == 0);
    if (!whole || i + 1 == b->plan->n_ops || next->kind != EW_OP_MATMUL) return NULL;
    return next->src == op->dst[0] ? &b->ops[i + 1] : NULL;
}

void ew_cpu_join_ops(struct ew_backend *b) {
    for (size_t i = 0; i < b->plan->n_ops; i++) {
        struct ew_cpu_op *bound = &b->ops[i];
        struct ew_cpu_op *fed = fed_by(b, i);
        bound->n_parts = parts_of(b->plan, i);
        bound->feeds = fed;
        if (fed) fed->fed = true;
        if (bound->op->kind != EW_OP_MATMUL) continue;
        bound->gate = gate_of(b->plan, i);
        bound->overwrites_input = overwrites_input(b, i);
        if (bound->gate) b->ops[i + 1].done_before = true;
    }
}
