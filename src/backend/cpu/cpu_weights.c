/* Owns where weights live: matrices stay in the mapped file, or are packed into the kernels' layout, in memory or in a
 * side file. Which of them: plan/ledger.c; whether there is a side file: cpu_layout.c; packing: cpu_packing.c. */
#include "backend/cpu/cpu_backend.h"

#include "base/error.h"
#include <assert.h>
#include <stdlib.h>

/* What binding walks through. */
struct binding {
    struct ew_backend *b;
    const uint8_t *packed;     /* first byte of packed weights */
    size_t n_packed;           /* matrices of the packing that are bound */
    struct ew_cpu_span *spans; /* file pages that a run touches */
    size_t n_spans;
};

/* Experts are packed as one tall matrix: the ledger packs only those whose rows come in whole groups of 16. */
static void bind_matrix(struct binding *bind, const struct ew_gguf_tensor *t, struct ew_weight *w) {
    const struct ew_packing *packing = &bind->b->packing;
    *w = (struct ew_weight){.data = t->data,
                            .type = t->type,
                            .layout = EW_LAYOUT_ROWS,
                            .n_in = (uint32_t)t->ne[0],
                            .n_out = (uint32_t)t->ne[1]};
    if (!ew_plan_packs(&bind->b->kernels, bind->b->params.request.layout, t)) {
        bind->spans[bind->n_spans++] = (struct ew_cpu_span){t->data, t->size_bytes};
        return;
    }
    assert(bind->n_packed < packing->n && packing->matrices[bind->n_packed].tensor == t);
    w->data = bind->packed + packing->matrices[bind->n_packed++].offset;
    w->layout = EW_LAYOUT_R16;
}

static enum ew_status bind_vector(struct ew_backend *b, const struct ew_gguf_tensor *t, const float **out,
                                  struct ew_error *err) {
    size_t n = ew_plan_vector_floats(t);
    float *v = ew_cpu_arena_take(&b->weights, ew_cpu_align(n * sizeof *v));
    *out = v;
    if (b->file < 0) return ew_dequantize_row((enum ew_type)t->type, t->data, n, v, err);
    uint8_t *stored = malloc(t->size_bytes); /* not through the mapping: whole neighbourhoods would become resident */
    if (!stored) return ew_error_set(err, EW_ERR_MEMORY, "backend cpu: out of memory");
    int e = ew_packing_read(b->file, stored, t->size_bytes, t->offset);
    enum ew_status status =
        e ? ew_packing_read_failed(e, err) : ew_dequantize_row((enum ew_type)t->type, stored, n, v, err);
    free(stored);
    return status;
}

static enum ew_status bind_op(struct binding *bind, const struct ew_op *op, struct ew_cpu_op *bound,
                              struct ew_error *err) {
    enum ew_status status = EW_OK;
    const struct ew_gguf_tensor *matrices[EW_OP_MAX_WEIGHTS];
    uint32_t first = op->kind == EW_OP_HEAD ? 1 : 0, n = ew_plan_op_matrices(op, matrices);
    for (uint32_t i = 0; i < n; i++) {
        struct ew_weight *m = &bound->matrix[first + i];
        bind_matrix(bind, matrices[i], m);
        bound->expert_bytes[first + i] = m->layout == EW_LAYOUT_R16 ? ew_matmul_packed_bytes(m->type, m->n_in, m->n_out)
                                                                    : matrices[i]->size_bytes / matrices[i]->ne[2];
    }
    if (op->kind == EW_OP_NORM || op->kind == EW_OP_HEAD || op->kind == EW_OP_CONV)
        status = bind_vector(bind->b, op->weights[0], &bound->vector, err);
    for (int i = 0; i < EW_OP_MAX_WEIGHTS && status == EW_OK; i++)
        if (op->bias[i]) status = bind_vector(bind->b, op->bias[i], &bound->bias[i], err);
    return status;
}

/* Packs into the arena, unless a side file has everything. */
static enum ew_status place_packed(struct binding *bind, struct ew_error *err) {
    struct ew_backend *b = bind->b;
    bind->packed = b->side.weights;
    if (b->side.weights) bind->spans[bind->n_spans++] = (struct ew_cpu_span){b->side.weights, b->packing.size};
    if (b->side.weights || b->packing.n == 0) return EW_OK;
    uint8_t *memory = ew_cpu_arena_take(&b->weights, b->packing.size);
    bind->packed = memory;
    const struct ew_packing_target target = {.memory = memory, .file = -1};
    return ew_packing_run(&b->packing, &b->kernels, b->file, b->pool, b->params.request.max_threads, &target, err);
}

enum ew_status ew_cpu_bind_weights(struct ew_backend *b, struct ew_error *err) {
    struct binding bind = {.b = b, .spans = calloc(b->plan->n_ops * EW_OP_MAX_WEIGHTS + 1, sizeof *bind.spans)};
    if (!bind.spans) return ew_error_set(err, EW_ERR_MEMORY, "backend cpu: out of memory");
    enum ew_status status = place_packed(&bind, err);
    for (size_t i = 0; i < b->plan->n_ops && status == EW_OK; i++) {
        b->ops[i].op = &b->plan->ops[i];
        status = bind_op(&bind, &b->plan->ops[i], &b->ops[i], err);
    }
    if (status == EW_OK) ew_cpu_touch(b, bind.spans, bind.n_spans, false); /* loading waits for the disk, not a token */
    free(bind.spans);
    return status;
}
