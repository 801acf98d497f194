/* One thread's view of a call, shared by the files that run ops. All threads walk the op list together; a barrier
 * stands only where an op needs what other threads wrote. Work is split three ways:
 *   by token   each thread keeps the same tokens from op to op, so no barrier is needed between such ops;
 *   by row     matrix products, in chunks taken from a counter (fast cores take more);
 *   by head    attention, in chunks of a KV head and a block of tokens; convolutions, by channel. */
#ifndef EW_BACKEND_CPU_WORKER_H
#define EW_BACKEND_CPU_WORKER_H

#include "backend/cpu/cpu_backend.h"

enum ew_cpu_split { EW_CPU_BY_TOKEN, EW_CPU_BY_ROW, EW_CPU_BY_HEAD };

struct ew_cpu_call_state {
    struct ew_backend *backend;
    const struct ew_backend_call *call;
    atomic_int failed; /* errno of a failed embedding read, or 0 */
};

struct ew_cpu_worker {
    struct ew_backend *b;
    struct ew_cpu_call_state *state;
    const struct ew_pool_member *me;
    uint32_t n_tokens, pos0;
    uint32_t token_begin, token_end; /* tokens this thread owns */
    uint8_t *scratch;
    enum ew_cpu_split last;
};

/* Begins an op's part that is split this way. */
static inline void ew_cpu_enter(struct ew_cpu_worker *w, enum ew_cpu_split split) {
    if (!(split == EW_CPU_BY_TOKEN && w->last == EW_CPU_BY_TOKEN)) ew_pool_barrier(w->me);
    w->last = split;
}

/* A token's row of a buffer. */
static inline float *ew_cpu_row(const struct ew_cpu_worker *w, enum ew_buffer id, uint32_t token) {
    return ew_cpu_buffer(w->b, id, w->n_tokens) + (size_t)token * w->b->plan->width[id];
}

static inline uint32_t ew_cpu_min(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* cpu_products.c. Prepares tokens [begin, end) of the shared input of products, once for each kind of activation that
 * their weights want. */
void ew_cpu_prepare_act(struct ew_cpu_worker *w, const struct ew_weight *matrices, uint32_t n, const float *x,
                        size_t stride, uint32_t n_tokens, uint32_t begin, uint32_t end);

/* Products that share an input, and where their results go. */
struct ew_cpu_products {
    const struct ew_weight *matrices;
    const float *const *bias; /* [n], each NULL or [n_out] */
    uint32_t n, n_tokens;
    bool accumulate;
    float *y[EW_OP_MAX_WEIGHTS];
    size_t y_stride[EW_OP_MAX_WEIGHTS];
    float scale, soft_cap; /* of the results; 1 and 0: as they are */
};

/* Takes chunks of rows from the counter until none are left. */
void ew_cpu_run_products(struct ew_cpu_worker *w, const struct ew_cpu_products *p, atomic_uint *next);

/* Rows per chunk: about eight chunks per thread and matrix, in whole steps. */
uint32_t ew_cpu_chunk_rows(const struct ew_cpu_worker *w, const struct ew_weight *m, uint32_t n_tokens);

/* Ops, by file. cpu_attention.c: */
void ew_cpu_run_rope(struct ew_cpu_worker *w, const struct ew_op *op);
void ew_cpu_run_cache(struct ew_cpu_worker *w, const struct ew_cpu_op *bound);
void ew_cpu_run_attention(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next);
void ew_cpu_run_conv(struct ew_cpu_worker *w, const struct ew_cpu_op *bound);
/* cpu_experts.c: */
void ew_cpu_run_route(struct ew_cpu_worker *w, const struct ew_op *op);
void ew_cpu_run_experts(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next);
void ew_cpu_run_mix(struct ew_cpu_worker *w, const struct ew_op *op);

#endif
