/* Owns where weights live: matrices stay in the mapped file or are packed into the kernels' layout, in which case the
 * file's pages are given back piece by piece, so that two copies never exist at once. */
#include "backend/cpu/cpu_backend.h"

#include "base/error.h"
#include <string.h>

/* Source bytes that one thread packs at a time: the most that is held twice, per thread. */
enum { PACK_PIECE_BYTES = 2 << 20 };

struct pack_job {
    const struct ew_gguf *gguf;
    struct ew_weight source;
    void *packed;
    size_t row_bytes;
    uint32_t piece_rows;
    atomic_uint next;
};

static void pack_pieces(const struct ew_pool_member *me, void *context) {
    (void)me;
    struct pack_job *job = context;
    const struct ew_file_map *map = ew_gguf_map(job->gguf);
    const uint8_t *data = job->source.data;
    for (;;) {
        uint32_t row = atomic_fetch_add_explicit(&job->next, job->piece_rows, memory_order_relaxed);
        if (row >= job->source.n_out) return;
        uint32_t end = row + job->piece_rows < job->source.n_out ? row + job->piece_rows : job->source.n_out;
        ew_matmul_pack_rows(&job->source, row, end, job->packed);
        if (map->data)
            ew_file_map_release(map, (size_t)(data - map->data) + row * job->row_bytes, (end - row) * job->row_bytes);
    }
}

static void pack_matrix(struct ew_backend *b, const struct ew_gguf_tensor *t, struct ew_weight *w) {
    size_t bytes = ew_cpu_align(ew_matmul_packed_bytes(w->type, w->n_in, w->n_out));
    struct pack_job job = {.gguf = b->gguf, .source = *w, .packed = ew_cpu_arena_take(&b->weights, bytes)};
    job.row_bytes = t->size_bytes / w->n_out;
    size_t rows = PACK_PIECE_BYTES / job.row_bytes / 16 * 16;
    job.piece_rows = rows < 16 ? 16 : (uint32_t)rows;
    ew_thread_pool_run(b->pool, b->params.request.max_threads, pack_pieces, &job);
    const struct ew_file_map *map = ew_gguf_map(b->gguf);
    if (map->data) ew_file_map_release(map, (size_t)(t->data - map->data), t->size_bytes);
    w->data = job.packed;
    w->layout = EW_LAYOUT_R16;
}

/* Touches every page of a matrix that is used in place, so that loading, not the first token, waits for the disk. */
static void touch_pages(const struct ew_gguf_tensor *t) {
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < t->size_bytes; i += 4096) sink = (uint8_t)(sink + t->data[i]);
    (void)sink;
}

/* Experts are packed as one tall matrix: the ledger packs only those whose rows come in whole groups of 16. */
static void bind_matrix(struct ew_backend *b, const struct ew_gguf_tensor *t, struct ew_weight *w) {
    *w = (struct ew_weight){.data = t->data,
                            .type = t->type,
                            .layout = EW_LAYOUT_ROWS,
                            .n_in = (uint32_t)t->ne[0],
                            .n_out = (uint32_t)(t->ne[1] * t->ne[2])};
    if (ew_plan_packs(&b->kernels, b->params.request.layout, t))
        pack_matrix(b, t, w);
    else
        touch_pages(t);
}

static enum ew_status bind_vector(struct ew_backend *b, const struct ew_gguf_tensor *t, const float **out,
                                  struct ew_error *err) {
    size_t n = ew_plan_vector_floats(t);
    float *v = ew_cpu_arena_take(&b->weights, ew_cpu_align(n * sizeof *v));
    *out = v;
    return ew_dequantize_row((enum ew_type)t->type, t->data, n, v, err);
}

static enum ew_status bind_op(struct ew_backend *b, const struct ew_op *op, struct ew_cpu_op *bound,
                              struct ew_error *err) {
    enum ew_status status = EW_OK;
    bool matrices = op->kind == EW_OP_MATMUL || op->kind == EW_OP_EXPERTS;
    for (uint32_t w = 0; w < op->n_weights && matrices; w++) {
        bind_matrix(b, op->weights[w], &bound->matrix[w]);
        struct ew_weight *m = &bound->matrix[w];
        m->n_out = (uint32_t)op->weights[w]->ne[1];
        bound->expert_bytes[w] = m->layout == EW_LAYOUT_R16 ? ew_matmul_packed_bytes(m->type, m->n_in, m->n_out)
                                                            : op->weights[w]->size_bytes / op->weights[w]->ne[2];
    }
    if (op->kind == EW_OP_NORM || op->kind == EW_OP_HEAD || op->kind == EW_OP_CONV)
        status = bind_vector(b, op->weights[0], &bound->vector, err);
    if (op->kind == EW_OP_HEAD) bind_matrix(b, op->weights[1], &bound->matrix[1]);
    for (int i = 0; i < EW_OP_MAX_WEIGHTS && status == EW_OK; i++)
        if (op->bias[i]) status = bind_vector(b, op->bias[i], &bound->bias[i], err);
    return status;
}

enum ew_status ew_cpu_bind_weights(struct ew_backend *b, struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < b->plan->n_ops && status == EW_OK; i++) {
        b->ops[i].op = &b->plan->ops[i];
        status = bind_op(b, &b->plan->ops[i], &b->ops[i], err);
    }
    return status;
}
