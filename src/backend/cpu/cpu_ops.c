/* Owns the execution of one call: walking the op list, and the ops that stay within a token, products apart. How work
 * is split among threads: cpu_worker.h. Refuses nothing: inputs are checked by the engine. */
#include "backend/cpu/cpu_worker.h"

#include "base/error.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

/* Row `row` of an embedding into dst; stored: scratch for the row as the file has it. */
static void read_embedding(struct ew_cpu_worker *w, const struct ew_gguf_tensor *t, uint32_t row, void *stored,
                           float *dst) {
    size_t bytes = ew_type_row_bytes(t->type, t->ne[0]);
    const void *data = t->data + row * bytes;
    if (w->b->file >= 0) {
        /* Read, not mapped: touching single rows would pull their neighbours into the process. */
        ssize_t got = pread(w->b->file, stored, bytes, (off_t)(t->offset + row * bytes));
        if (got != (ssize_t)bytes) atomic_store(&w->state->failed, 1);
        data = stored;
    }
    ew_dequantize_row((enum ew_type)t->type, data, t->ne[0], dst, NULL);
}

static void fill_rope(const struct ew_cpu_worker *w, enum ew_buffer table, uint32_t token) {
    const struct ew_rope *rope = &w->b->plan->ropes[table - EW_BUF_ROPE];
    bool is_long = rope->long_frequency && w->b->params.request.n_ctx > rope->n_ctx_short;
    const double *frequency = is_long ? rope->long_frequency : rope->frequency;
    float *row = ew_cpu_row(w, table, token);
    for (uint32_t i = 0; i < rope->n_rot / 2; i++) {
        double angle = (double)(w->pos0 + token) * frequency[i];
        row[2 * i] = (float)(rope->magnitude * cos(angle));
        row[2 * i + 1] = (float)(rope->magnitude * sin(angle));
    }
}

static void run_embed(struct ew_cpu_worker *w, const struct ew_op *op) {
    ew_cpu_enter(w, EW_CPU_BY_TOKEN);
    const uint32_t n = (uint32_t)op->weights[0]->ne[0];
    const bool positions = op->n_weights > 1;
    for (uint32_t t = w->token_begin; t < w->token_end; t++) {
        float *x = ew_cpu_row(w, EW_BUF_X, t);
        read_embedding(w, op->weights[0], (uint32_t)w->state->call->tokens[t], w->scratch, x);
        for (uint32_t i = 0; i < n && op->scale != 1; i++) x[i] *= op->scale;
        if (positions) {
            float *learned = (float *)(void *)(w->scratch + w->b->scratch_stride - ew_cpu_align(n * sizeof(float)));
            read_embedding(w, op->weights[1], w->pos0 + t, w->scratch, learned);
            w->b->kernels.vector.add(n, learned, x);
        }
        for (int i = 0; i < EW_PLAN_MAX_ROPES; i++) fill_rope(w, (enum ew_buffer)(EW_BUF_ROPE + i), t);
    }
}

static void norm_row(const struct ew_cpu_worker *w, const struct ew_cpu_op *bound, uint32_t n, const float *x, float *y,
                     size_t at) {
    const struct ew_op *op = bound->op;
    const float *weight = bound->vector + at, *bias = bound->bias[0] ? bound->bias[0] + at : NULL;
    if (op->norm == EW_NORM_LAYER)
        w->b->kernels.vector.layer_norm(n, x, weight, bias, op->eps, y);
    else
        w->b->kernels.vector.rms_norm(n, x, weight, op->eps, y);
}

/* Which pieces of which tokens this thread norms: all of a single token's into its own NORMED. */
static struct ew_cpu_share enter_norm(struct ew_cpu_worker *w, const struct ew_cpu_op *bound) {
    if (w->n_tokens > 1 || bound->op->dst[0] != EW_BUF_NORMED) return ew_cpu_enter_parts(w, bound->n_parts);
    ew_cpu_enter(w, EW_CPU_BY_EACH);
    return (struct ew_cpu_share){0, 1, 0, bound->n_parts};
}

/* While the row is in the cache. */
static void prepare_token(struct ew_cpu_worker *w, const struct ew_cpu_op *products, uint32_t t) {
    const struct ew_op *op = products->op;
    ew_cpu_prepare_act(w, products->matrix, op->n_weights, ew_cpu_row(w, op->src, 0), w->b->plan->width[op->src],
                       w->n_tokens, t, t + 1);
}

/* Pieces share one vector of weights, or have one each. */
static void run_norm(struct ew_cpu_worker *w, const struct ew_cpu_op *bound) {
    const struct ew_op *op = bound->op;
    const struct ew_cpu_share share = enter_norm(w, bound);
    const uint32_t pieces = op->n_rows / bound->n_parts;
    const size_t step = op->weights[0]->ne[1] > 1 ? op->width : 0;
    for (uint32_t t = share.token_begin; t < share.token_end; t++) {
        for (uint32_t i = share.part_begin * pieces; i < share.part_end * pieces; i++) {
            size_t at = (size_t)i * op->width;
            norm_row(w, bound, op->width, ew_cpu_row(w, op->src, t) + at, ew_cpu_row(w, op->dst[0], t) + at, i * step);
        }
        if (bound->feeds && w->n_tokens > 1) prepare_token(w, bound->feeds, t);
    }
}

/* Afterwards rows may be taken. */
static void prepare_products(struct ew_cpu_worker *w, const struct ew_cpu_op *bound) {
    const struct ew_op *op = bound->op;
    if (w->n_tokens == 1) {
        ew_cpu_enter(w, EW_CPU_BY_EACH);
        ew_cpu_prepare_own(w, bound->matrix, op->n_weights, ew_cpu_row(w, op->src, 0));
        if (bound->overwrites_input) ew_cpu_wait(w);
        w->last = EW_CPU_BY_ROW;
        return;
    }
    ew_cpu_enter(w, EW_CPU_BY_TOKEN);
    for (uint32_t t = w->token_begin; t < w->token_end && !bound->fed; t++) prepare_token(w, bound, t);
    ew_cpu_enter(w, EW_CPU_BY_ROW);
}

static void run_matmul(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next) {
    const struct ew_op *op = bound->op;
    ew_cpu_show_input(w, op);
    prepare_products(w, bound);
    struct ew_cpu_products p = {.matrices = bound->matrix,
                                .bias = bound->bias,
                                .n = op->n_weights,
                                .n_tokens = w->n_tokens,
                                .act = w->n_tokens == 1 ? w->own_act : NULL,
                                .gate = ew_cpu_gates_rows(w) ? bound->gate : NULL,
                                .accumulate = op->accumulate,
                                .scale = 1};
    for (uint32_t i = 0; i < op->n_weights; i++) {
        p.y[i] = ew_cpu_row(w, op->dst[i], 0);
        p.y_stride[i] = w->b->plan->width[op->dst[i]];
    }
    ew_cpu_run_products(w, &p, next);
}

/* A row per token, or per slot of the chosen experts: those lie side by side. */
static void run_gate(struct ew_cpu_worker *w, const struct ew_cpu_op *bound) {
    const struct ew_op *op = bound->op;
    const bool done = bound->done_before && ew_cpu_gates_rows(w);
    if (done && w->n_tokens == 1) return;
    ew_cpu_enter(w, EW_CPU_BY_TOKEN);
    const uint32_t rows = op->n_used ? op->n_used : 1, *width = w->b->plan->width;
    const size_t gate_stride = op->n_used ? op->width : width[EW_BUF_GATE];
    const size_t up_stride = op->n_used ? op->width : width[op->src];
    float *gate = ew_cpu_row(w, EW_BUF_GATE, 0);
    const float *up = op->src == EW_BUF_UP ? ew_cpu_row(w, op->src, 0) : NULL;
    for (uint32_t t = w->token_begin; t < w->token_end; t++) {
        for (size_t i = (size_t)t * rows; i < (size_t)(t + 1) * rows && !done; i++)
            ew_cpu_gate(w, op, op->width, gate + i * gate_stride, up ? up + i * up_stride : NULL);
        if (bound->feeds && w->n_tokens > 1) prepare_token(w, bound->feeds, t);
    }
}

static void run_add(struct ew_cpu_worker *w, const struct ew_op *op) {
    ew_cpu_enter(w, EW_CPU_BY_TOKEN);
    for (uint32_t t = w->token_begin; t < w->token_end; t++)
        w->b->kernels.vector.add_scaled(op->width, op->scale, ew_cpu_row(w, op->src, t), ew_cpu_row(w, EW_BUF_X, t));
}

/* This thread's part of the head's input: the group's tokens from `first` on, as the first rows of NORMED. */
static void prepare_head(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, uint32_t first, uint32_t n_tokens) {
    const uint32_t width = (uint32_t)bound->op->weights[0]->ne[0];
    uint32_t begin = n_tokens * w->me->index / w->me->count, end = n_tokens * (w->me->index + 1) / w->me->count;
    for (uint32_t i = begin; i < end; i++)
        norm_row(w, bound, width, ew_cpu_row(w, EW_BUF_X, first + i), ew_cpu_row(w, EW_BUF_NORMED, i), 0);
    ew_cpu_prepare_act(w, &bound->matrix[1], 1, ew_cpu_row(w, EW_BUF_NORMED, 0), w->b->plan->width[EW_BUF_NORMED],
                       n_tokens, begin, end);
}

/* Usually only the last token is wanted. Where all are, as many go together as one pass over the matrix, the largest of
 * all, serves without changing what a token gets. */
static void run_head(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next) {
    const struct ew_backend_call *call = w->state->call;
    const struct ew_op *op = bound->op;
    if (!call->logits) return;
    struct ew_cpu_products p = {.matrices = &bound->matrix[1],
                                .bias = &bound->bias[1],
                                .n = 1,
                                .y_stride = {w->b->plan->n_vocab},
                                .scale = op->scale,
                                .soft_cap = op->soft_cap};
    const uint32_t most = ew_cpu_min(ew_matmul_exact_tokens(&w->b->kernels, p.matrices), EW_PLAN_HEAD_TOKENS);
    const uint32_t first = call->logits_for_each ? 0 : w->n_tokens - 1;
    for (uint32_t t = first; t < w->n_tokens; t += p.n_tokens) {
        p.n_tokens = ew_cpu_min(most, w->n_tokens - t);
        p.y[0] = call->logits + (size_t)(t - first) * w->b->plan->n_vocab;
        ew_cpu_wait(w);
        prepare_head(w, bound, t, p.n_tokens);
        if (w->me->index == 0) atomic_store_explicit(next, 0, memory_order_relaxed);
        ew_cpu_wait(w);
        ew_cpu_show_head(w, op, p.n_tokens);
        ew_cpu_run_products(w, &p, next);
    }
    w->last = EW_CPU_BY_ROW;
}

static void run_op(struct ew_cpu_worker *w, size_t i) {
    const struct ew_cpu_op *bound = &w->b->ops[i];
    atomic_uint *next = &w->b->next_chunk[i];
    const struct ew_op *op = bound->op;
    switch (op->kind) {
    case EW_OP_EMBED: run_embed(w, op); break;
    case EW_OP_NORM: run_norm(w, bound); break;
    case EW_OP_MATMUL: run_matmul(w, bound, next); break;
    case EW_OP_ROPE: ew_cpu_run_rope(w, bound); break;
    case EW_OP_CACHE: ew_cpu_run_cache(w, bound); break;
    case EW_OP_ATTENTION: ew_cpu_run_attention(w, bound, next); break;
    case EW_OP_GATE: run_gate(w, bound); break;
    case EW_OP_ADD: run_add(w, op); break;
    case EW_OP_CONV: ew_cpu_run_conv(w, bound); break;
    case EW_OP_ROUTE: ew_cpu_run_route(w, op); break;
    case EW_OP_EXPERTS: ew_cpu_run_experts(w, bound, next); break;
    case EW_OP_MIX: ew_cpu_run_mix(w, op); break;
    case EW_OP_HEAD: run_head(w, bound, next); break;
    }
}

/* A thread's own memory lies behind its work space. */
static void find_own(struct ew_cpu_worker *w) {
    uint8_t *own = w->scratch + w->b->own_offset;
    w->own_normed = (float *)(void *)own;
    own += w->b->memory.own_row_bytes;
    for (int k = 0; k < EW_ACT_KINDS; k++) {
        w->own_act[k] = own;
        own += w->b->memory.own_act_bytes[k];
    }
}

static void run_call(const struct ew_pool_member *me, void *context) {
    struct ew_cpu_call_state *state = context;
    struct ew_backend *b = state->backend;
    uint32_t n = state->call->n_tokens;
    struct ew_cpu_worker w = {
        .b = b,
        .state = state,
        .me = me,
        .n_tokens = n,
        .pos0 = state->call->pos0,
        .token_begin = (uint32_t)((uint64_t)n * me->index / me->count),
        .token_end = (uint32_t)((uint64_t)n * (me->index + 1) / me->count),
        .scratch = b->scratch + me->index * b->scratch_stride,
        .last = EW_CPU_BY_TOKEN,
        .times = b->times ? b->times + me->index * b->plan->n_ops : NULL,
    };
    find_own(&w);
    if (w.times)
        ew_cpu_run_timed(&w, run_op);
    else
        for (size_t i = 0; i < b->plan->n_ops; i++) run_op(&w, i);
}

enum ew_status ew_cpu_run(struct ew_backend *b, const struct ew_backend_call *call, struct ew_error *err) {
    struct ew_cpu_call_state state = {.backend = b, .call = call};
    for (size_t i = 0; i < b->plan->n_ops; i++) atomic_store_explicit(&b->next_chunk[i], 0, memory_order_relaxed);
    uint32_t threads = call->n_tokens > 1 && !call->exact ? b->params.threads_prefill : b->params.threads_decode;
    b->timed_threads = threads;
    ew_thread_pool_run(b->pool, threads, run_call, &state);
    if (atomic_load(&state.failed))
        return ew_error_set(err, EW_ERR_IO, "%s: cannot read an embedding row; was the file cut short?",
                            ew_gguf_path(b->gguf));
    return EW_OK;
}
