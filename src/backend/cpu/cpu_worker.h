/* One thread's view of a call, shared by the files that run ops. All threads walk the op list together; a barrier
 * stands only where an op needs what other threads wrote. Work is split five ways:
 *   by token   each thread keeps the same tokens from op to op, so no barrier is needed between such ops;
 *   by part    of a single token each thread keeps the same heads of queries, keys and values: likewise;
 *   by each    of a single token each thread computes norms and inputs of products for itself: that takes it less time
 *              than to wait for another thread to do so, and there is nothing to wait for before the product either;
 *   by row     matrix products, in chunks taken from a counter (fast cores take more);
 *   by head    attention, in chunks of a KV head and a block of tokens or, for one token, of positions; convolutions,
 *              by channel. */
#ifndef EW_BACKEND_CPU_WORKER_H
#define EW_BACKEND_CPU_WORKER_H

#include "backend/cpu/cpu_backend.h"

enum ew_cpu_split { EW_CPU_BY_TOKEN, EW_CPU_BY_PART, EW_CPU_BY_EACH, EW_CPU_BY_ROW, EW_CPU_BY_HEAD };

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
    float *own_normed;           /* the row of NORMED in a call of a single token */
    void *own_act[EW_ACT_KINDS]; /* and its prepared inputs of products */
    enum ew_cpu_split last;
    uint32_t last_parts;          /* BY_PART: of how many */
    struct ew_cpu_op_time *times; /* [plan->n_ops] of this thread; NULL: nobody wants to know */
    int64_t wait_ns;              /* at barriers of the current op, where times are kept */
};

/* cpu_timing.c: a barrier, and how long this thread waited there; all ops in turn, timed. */
void ew_cpu_wait_timed(struct ew_cpu_worker *w);
void ew_cpu_run_timed(struct ew_cpu_worker *w, void (*run_op)(struct ew_cpu_worker *w, size_t op));

static inline void ew_cpu_wait(struct ew_cpu_worker *w) {
    if (w->times)
        ew_cpu_wait_timed(w);
    else
        ew_pool_barrier(w->me);
}

/* Begins an op's part that is split this way. */
static inline void ew_cpu_enter(struct ew_cpu_worker *w, enum ew_cpu_split split) {
    bool same = split == w->last && (split == EW_CPU_BY_TOKEN || split == EW_CPU_BY_EACH);
    if (!same) ew_cpu_wait(w);
    w->last = split;
}

/* What a thread does of an op that takes heads one by one: its tokens with all their parts, or of a single token its
 * parts, each a KV head and the query heads that share it. */
struct ew_cpu_share {
    uint32_t token_begin, token_end, part_begin, part_end;
};

static inline struct ew_cpu_share ew_cpu_enter_parts(struct ew_cpu_worker *w, uint32_t n_parts) {
    if (w->n_tokens > 1) {
        ew_cpu_enter(w, EW_CPU_BY_TOKEN);
        return (struct ew_cpu_share){w->token_begin, w->token_end, 0, n_parts};
    }
    if (w->last != EW_CPU_BY_PART || w->last_parts != n_parts) ew_cpu_wait(w);
    w->last = EW_CPU_BY_PART;
    w->last_parts = n_parts;
    return (struct ew_cpu_share){0, 1, (uint32_t)((uint64_t)n_parts * w->me->index / w->me->count),
                                 (uint32_t)((uint64_t)n_parts * (w->me->index + 1) / w->me->count)};
}

/* Whether a gate is done with the rows of the product before it, while they are in the cache. With many tokens they are
 * not: rows of y a power of two apart push each other out, and a pass token by token streams. */
static inline bool ew_cpu_gates_rows(const struct ew_cpu_worker *w) { return w->n_tokens <= EW_FEW_TOKENS; }

/* A token's row of a buffer. */
static inline float *ew_cpu_row(const struct ew_cpu_worker *w, enum ew_buffer id, uint32_t token) {
    if (id == EW_BUF_NORMED && w->n_tokens == 1) return w->own_normed;
    return ew_cpu_buffer(w->b, id, w->n_tokens) + (size_t)token * w->b->plan->width[id];
}

static inline uint32_t ew_cpu_min(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* cpu_products.c. Prepares tokens [begin, end) of the shared input of products, once for each kind of activation that
 * their weights want. */
void ew_cpu_prepare_act(struct ew_cpu_worker *w, const struct ew_weight *matrices, uint32_t n, const float *x,
                        size_t stride, uint32_t n_tokens, uint32_t begin, uint32_t end);

/* The same for the input x of a single token, which this thread prepares for itself: into own_act. */
void ew_cpu_prepare_own(struct ew_cpu_worker *w, const struct ew_weight *matrices, uint32_t n, const float *x);

/* Products that share an input, and where their results go. */
struct ew_cpu_products {
    const struct ew_weight *matrices;
    const float *const *bias; /* [n], each NULL or [n_out] */
    uint32_t n, n_tokens;
    void *const *act;         /* [EW_ACT_KINDS] the prepared input; NULL: what ew_cpu_prepare_act has prepared */
    const struct ew_op *gate; /* a GATE over y[0], and y[1] where there are two, whose rows then go together; or NULL */
    bool accumulate;
    float *y[EW_OP_MAX_WEIGHTS];
    size_t y_stride[EW_OP_MAX_WEIGHTS];
    float scale, soft_cap; /* of the results; 1 and 0: as they are */
};

/* Takes chunks of rows from the counter until none are left. */
void ew_cpu_run_products(struct ew_cpu_worker *w, const struct ew_cpu_products *p, atomic_uint *next);

/* gate = activation(gate) · up, n floats each; without up where it is NULL. */
void ew_cpu_gate(const struct ew_cpu_worker *w, const struct ew_op *op, uint32_t n, float *gate, const float *up);

/* cpu_observe.c. Shows the input of a product to the observer, if there is one: before the op's threads take rows, and
 * of the head once its input is prepared. All threads call them; n: rows of the head's input. */
void ew_cpu_show_input(struct ew_cpu_worker *w, const struct ew_op *op);
void ew_cpu_show_head(struct ew_cpu_worker *w, const struct ew_op *op, uint32_t n);

/* Rows per chunk of equal ones: about eight chunks per thread and matrix, in whole steps. */
uint32_t ew_cpu_chunk_rows(const struct ew_cpu_worker *w, const struct ew_weight *m, uint32_t n_tokens);

/* Ops, by file. cpu_attention.c: */
void ew_cpu_run_rope(struct ew_cpu_worker *w, const struct ew_cpu_op *bound);
void ew_cpu_run_cache(struct ew_cpu_worker *w, const struct ew_cpu_op *bound);
void ew_cpu_run_attention(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next);
void ew_cpu_run_conv(struct ew_cpu_worker *w, const struct ew_cpu_op *bound);
/* cpu_experts.c: */
void ew_cpu_run_route(struct ew_cpu_worker *w, const struct ew_op *op);
void ew_cpu_run_experts(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next);
void ew_cpu_run_mix(struct ew_cpu_worker *w, const struct ew_op *op);

#endif
