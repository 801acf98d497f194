/* Owns the execution of one call. All threads walk the op list together; a barrier stands only where an op needs what
 * other threads wrote. Work is split three ways:
 *   by token   each thread keeps the same tokens from op to op, so no barrier is needed between such ops;
 *   by row     matrix products, in chunks taken from a counter (fast cores take more);
 *   by head    attention, in chunks of a KV head and a block of tokens.
 * Refuses nothing: inputs are checked by the engine. */
#include "backend/cpu/cpu_backend.h"

#include "base/error.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

enum split { BY_TOKEN, BY_ROW, BY_HEAD };

struct ew_cpu_call_state {
    struct ew_backend *backend;
    const struct ew_backend_call *call;
    atomic_int failed; /* errno of a failed embedding read, or 0 */
};

/* One thread's view of a call. */
struct worker {
    struct ew_backend *b;
    struct ew_cpu_call_state *state;
    const struct ew_pool_member *me;
    uint32_t n_tokens, pos0;
    uint32_t token_begin, token_end; /* tokens this thread owns */
    uint8_t *scratch;
    enum split last;
};

static void enter(struct worker *w, enum split split) {
    if (!(split == BY_TOKEN && w->last == BY_TOKEN)) ew_pool_barrier(w->me);
    w->last = split;
}

static float *row_of(const struct worker *w, enum ew_buffer id, uint32_t token) {
    return ew_cpu_buffer(w->b, id, w->n_tokens) + (size_t)token * w->b->plan->width[id];
}

static void read_embedding(struct worker *w, const struct ew_gguf_tensor *t, int32_t id, float *dst) {
    size_t bytes = ew_type_row_bytes(t->type, t->ne[0]);
    const void *row = t->data + (size_t)id * bytes;
    if (w->b->file >= 0) {
        /* Read, not mapped: touching single rows would pull their neighbours into the process. */
        ssize_t got = pread(w->b->file, w->scratch, bytes, (off_t)(t->offset + (size_t)id * bytes));
        if (got != (ssize_t)bytes) atomic_store(&w->state->failed, 1);
        row = w->scratch;
    }
    ew_dequantize_row((enum ew_type)t->type, row, t->ne[0], dst, NULL);
}

static void run_embed(struct worker *w, const struct ew_op *op) {
    enter(w, BY_TOKEN);
    const struct ew_plan *plan = w->b->plan;
    for (uint32_t t = w->token_begin; t < w->token_end; t++) {
        read_embedding(w, op->weights[0], w->state->call->tokens[t], row_of(w, EW_BUF_X, t));
        float *rope = row_of(w, EW_BUF_ROPE, t);
        for (uint32_t i = 0; i < plan->shape.n_rot / 2; i++) {
            double angle = (double)(w->pos0 + t) * plan->rope_frequency[i];
            rope[2 * i] = (float)cos(angle);
            rope[2 * i + 1] = (float)sin(angle);
        }
    }
}

static void run_norm(struct worker *w, const struct ew_cpu_op *bound) {
    enter(w, BY_TOKEN);
    const struct ew_op *op = bound->op;
    for (uint32_t t = w->token_begin; t < w->token_end; t++)
        w->b->kernels.vector.rms_norm(w->b->plan->width[op->src], row_of(w, op->src, t), bound->vector,
                                      w->b->plan->shape.norm_eps, row_of(w, op->dst[0], t));
}

/* Prepares the shared input of products, once for each kind of activation that their weights want. */
static void prepare_act(struct worker *w, const struct ew_weight *matrices, uint32_t n, const float *x, size_t stride,
                        uint32_t n_tokens, uint32_t begin, uint32_t end) {
    unsigned done = 0;
    for (uint32_t i = 0; i < n; i++) {
        enum ew_act_kind kind = ew_matmul_act_kind(&w->b->kernels, &matrices[i]);
        if (done >> kind & 1) continue;
        done |= 1u << kind;
        ew_matmul_act_prepare(&w->b->kernels, kind, matrices[i].n_in, n_tokens, x, stride, begin, end, w->b->act[kind]);
    }
}

static uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Rows per chunk: about eight chunks per thread and matrix, in whole steps. */
static uint32_t chunk_rows(const struct worker *w, const struct ew_weight *m, uint32_t n_tokens) {
    uint32_t step = ew_matmul_row_step(&w->b->kernels, m, n_tokens);
    uint32_t rows = m->n_out / (w->me->count * 8) / step * step;
    return rows < step ? step : rows;
}

/* Rows of several matrices as one queue: chunk numbers run through the first matrix, then the second … */
static void run_products(struct worker *w, const struct ew_weight *matrices, uint32_t n, uint32_t n_tokens,
                         bool accumulate, float *const *y, const size_t *y_stride, atomic_uint *next) {
    uint32_t first[EW_OP_MAX_WEIGHTS + 1] = {0}, rows[EW_OP_MAX_WEIGHTS];
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = chunk_rows(w, &matrices[i], n_tokens);
        first[i + 1] = first[i] + (matrices[i].n_out + rows[i] - 1) / rows[i];
    }
    for (;;) {
        uint32_t chunk = atomic_fetch_add_explicit(next, 1, memory_order_relaxed), i = 0;
        if (chunk >= first[n]) return;
        while (chunk >= first[i + 1]) i++;
        const struct ew_weight *m = &matrices[i];
        uint32_t begin = (chunk - first[i]) * rows[i], end = min_u32(begin + rows[i], m->n_out);
        void *act = w->b->act[ew_matmul_act_kind(&w->b->kernels, m)];
        ew_matmul_rows(&w->b->kernels, m, act, n_tokens, begin, end, accumulate, y[i], y_stride[i], w->scratch);
    }
}

static void run_matmul(struct worker *w, const struct ew_cpu_op *bound, atomic_uint *next) {
    const struct ew_op *op = bound->op;
    enter(w, BY_TOKEN);
    prepare_act(w, bound->matrix, op->n_weights, row_of(w, op->src, 0), w->b->plan->width[op->src], w->n_tokens,
                w->token_begin, w->token_end);
    enter(w, BY_ROW);
    float *y[EW_OP_MAX_WEIGHTS];
    size_t stride[EW_OP_MAX_WEIGHTS];
    for (uint32_t i = 0; i < op->n_weights; i++) {
        y[i] = row_of(w, op->dst[i], 0);
        stride[i] = w->b->plan->width[op->dst[i]];
    }
    run_products(w, bound->matrix, op->n_weights, w->n_tokens, op->accumulate, y, stride, next);
}

static void run_rope(struct worker *w) {
    enter(w, BY_TOKEN);
    const struct ew_plan_shape *s = &w->b->plan->shape;
    const struct ew_vector_kernels *v = &w->b->kernels.vector;
    void (*rotate)(size_t, const float *, float *) =
        s->rope_pairs == EW_ROPE_HALVES ? v->rope_halves : v->rope_adjacent;
    for (uint32_t t = w->token_begin; t < w->token_end; t++) {
        const float *rope = row_of(w, EW_BUF_ROPE, t);
        for (uint32_t h = 0; h < s->n_head; h++)
            rotate(s->n_rot, rope, row_of(w, EW_BUF_Q, t) + (size_t)h * s->head_dim);
        for (uint32_t h = 0; h < s->n_head_kv; h++)
            rotate(s->n_rot, rope, row_of(w, EW_BUF_K, t) + (size_t)h * s->head_dim);
    }
}

static void run_cache(struct worker *w, const struct ew_cpu_op *bound) {
    enter(w, BY_TOKEN);
    const struct ew_plan_shape *s = &w->b->plan->shape;
    size_t positions = ew_plan_kv_positions(w->b->params.request.n_ctx);
    for (uint32_t t = w->token_begin; t < w->token_end; t++) {
        for (uint32_t h = 0; h < s->n_head_kv; h++) {
            size_t at = (h * positions + w->pos0 + t) * s->head_dim;
            w->b->kernels.vector.f32_to_f16(s->head_dim, row_of(w, EW_BUF_K, t) + (size_t)h * s->head_dim,
                                            bound->k_cache + at);
            w->b->kernels.vector.f32_to_f16(s->head_dim, row_of(w, EW_BUF_V, t) + (size_t)h * s->head_dim,
                                            bound->v_cache + at);
        }
    }
}

static void run_attention(struct worker *w, const struct ew_cpu_op *bound, atomic_uint *next) {
    enter(w, BY_HEAD);
    const struct ew_plan_shape *s = &w->b->plan->shape;
    const uint32_t group = s->n_head / s->n_head_kv, block = EW_PLAN_ATTENTION_TOKENS;
    const uint32_t n_blocks = (w->n_tokens + block - 1) / block;
    size_t positions = ew_plan_kv_positions(w->b->params.request.n_ctx), width = w->b->plan->width[EW_BUF_Q];
    for (;;) {
        uint32_t chunk = atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
        if (chunk >= n_blocks * s->n_head_kv) return;
        /* Late blocks see more positions: hand the expensive ones out first. */
        uint32_t h = chunk % s->n_head_kv, t0 = (n_blocks - 1 - chunk / s->n_head_kv) * block;
        size_t head_at = (size_t)h * group * s->head_dim;
        struct ew_attention_args args = {
            .q = row_of(w, EW_BUF_Q, t0) + head_at,
            .q_stride = width,
            .k = bound->k_cache + h * positions * s->head_dim,
            .v = bound->v_cache + h * positions * s->head_dim,
            .out = row_of(w, EW_BUF_ATTN, t0) + head_at,
            .out_stride = width,
            .head_dim = s->head_dim,
            .n_group = group,
            .n_tokens = min_u32(block, w->n_tokens - t0),
            .pos0 = w->pos0 + t0,
            .scale = s->attention_scale,
            .scratch = w->scratch,
        };
        w->b->kernels.vector.attention(&args);
    }
}

static void run_gate(struct worker *w) {
    enter(w, BY_TOKEN);
    for (uint32_t t = w->token_begin; t < w->token_end; t++)
        w->b->kernels.vector.silu_mul(w->b->plan->width[EW_BUF_GATE], row_of(w, EW_BUF_GATE, t),
                                      row_of(w, EW_BUF_UP, t), row_of(w, EW_BUF_GATE, t));
}

/* The head runs for one token at a time: its matrix is the largest, and usually only the last token is wanted. */
static void run_head(struct worker *w, const struct ew_cpu_op *bound, atomic_uint *next) {
    const struct ew_backend_call *call = w->state->call;
    const struct ew_plan *plan = w->b->plan;
    if (!call->logits) return;
    uint32_t first = call->logits_for_each ? 0 : w->n_tokens - 1;
    for (uint32_t t = first; t < w->n_tokens; t++) {
        ew_pool_barrier(w->me);
        if (w->me->index == 0) {
            float *normed = row_of(w, EW_BUF_NORMED, 0);
            w->b->kernels.vector.rms_norm(plan->shape.n_embd, row_of(w, EW_BUF_X, t), bound->vector,
                                          plan->shape.norm_eps, normed);
            prepare_act(w, &bound->matrix[1], 1, normed, plan->shape.n_embd, 1, 0, 1);
            atomic_store_explicit(next, 0, memory_order_relaxed);
        }
        ew_pool_barrier(w->me);
        float *y = call->logits + (size_t)(t - first) * plan->shape.n_vocab;
        size_t stride = plan->shape.n_vocab;
        run_products(w, &bound->matrix[1], 1, 1, false, &y, &stride, next);
    }
    w->last = BY_ROW;
}

static void run_op(struct worker *w, size_t i) {
    const struct ew_cpu_op *bound = &w->b->ops[i];
    atomic_uint *next = &w->b->next_chunk[i];
    switch (bound->op->kind) {
    case EW_OP_EMBED: run_embed(w, bound->op); break;
    case EW_OP_NORM: run_norm(w, bound); break;
    case EW_OP_MATMUL: run_matmul(w, bound, next); break;
    case EW_OP_ROPE: run_rope(w); break;
    case EW_OP_CACHE: run_cache(w, bound); break;
    case EW_OP_ATTENTION: run_attention(w, bound, next); break;
    case EW_OP_GATE: run_gate(w); break;
    case EW_OP_HEAD: run_head(w, bound, next); break;
    }
}

static void run_call(const struct ew_pool_member *me, void *context) {
    struct ew_cpu_call_state *state = context;
    struct ew_backend *b = state->backend;
    uint32_t n = state->call->n_tokens;
    struct worker w = {
        .b = b,
        .state = state,
        .me = me,
        .n_tokens = n,
        .pos0 = state->call->pos0,
        .token_begin = (uint32_t)((uint64_t)n * me->index / me->count),
        .token_end = (uint32_t)((uint64_t)n * (me->index + 1) / me->count),
        .scratch = b->scratch + me->index * b->scratch_stride,
        .last = BY_TOKEN,
    };
    for (size_t i = 0; i < b->plan->n_ops; i++) run_op(&w, i);
}

enum ew_status ew_cpu_run(struct ew_backend *b, const struct ew_backend_call *call, struct ew_error *err) {
    struct ew_cpu_call_state state = {.backend = b, .call = call};
    for (size_t i = 0; i < b->plan->n_ops; i++) atomic_store_explicit(&b->next_chunk[i], 0, memory_order_relaxed);
    uint32_t threads = call->n_tokens > 1 ? b->params.threads_prefill : b->params.threads_decode;
    ew_thread_pool_run(b->pool, threads, run_call, &state);
    if (atomic_load(&state.failed))
        return ew_error_set(err, EW_ERR_IO, "%s: cannot read an embedding row; was the file cut short?",
                            ew_gguf_path(b->gguf));
    return EW_OK;
}
