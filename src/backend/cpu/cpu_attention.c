/* Owns the ops that reach back to earlier tokens: rotation and cache of keys and values, attention over them, and short
 * convolutions with the state that they keep. */
#include "backend/cpu/cpu_worker.h"

#include "quant/formats.h"
#include <string.h>

void ew_cpu_run_rope(struct ew_cpu_worker *w, const struct ew_cpu_op *bound) {
    const struct ew_op *op = bound->op;
    const struct ew_cpu_share share = ew_cpu_enter_parts(w, bound->n_parts);
    const uint32_t group = op->n_head / op->n_head_kv;
    const struct ew_rope *rope = &w->b->plan->ropes[op->src - EW_BUF_ROPE];
    const struct ew_vector_kernels *v = &w->b->kernels.vector;
    void (*rotate)(size_t, const float *, float *) = rope->pairs == EW_ROPE_HALVES ? v->rope_halves : v->rope_adjacent;
    for (uint32_t t = share.token_begin; t < share.token_end; t++) {
        const float *turn = ew_cpu_row(w, op->src, t);
        for (uint32_t h = share.part_begin * group; h < share.part_end * group; h++)
            rotate(rope->n_rot, turn, ew_cpu_row(w, EW_BUF_Q, t) + (size_t)h * op->head_dim);
        for (uint32_t h = share.part_begin; h < share.part_end; h++)
            rotate(rope->n_rot, turn, ew_cpu_row(w, EW_BUF_K, t) + (size_t)h * op->head_dim);
    }
}

/* Encoders of the cache's types. Q8_0 is rounded by the format's own encoder: the fastest one would gain a thousandth
 * of a token's time. */
static void store_row(const struct ew_cpu_worker *w, enum ew_type type, uint32_t n, const float *x, uint8_t *to) {
    switch (type) {
    case EW_TYPE_Q8_0: ew_quant_encode_q8_0(x, n, to); break;
    case EW_TYPE_F32: memcpy(to, x, n * sizeof *x); break;
    default: w->b->kernels.vector.f32_to_f16(n, x, (ew_f16 *)(void *)to); break;
    }
}

void ew_cpu_run_cache(struct ew_cpu_worker *w, const struct ew_cpu_op *bound) {
    const struct ew_op *op = bound->op;
    const struct ew_cpu_share share = ew_cpu_enter_parts(w, bound->n_parts);
    const struct ew_kv_types kv = w->b->params.request.kv;
    const size_t positions = ew_plan_kv_positions(w->b->params.request.n_ctx);
    const size_t k_row = ew_type_row_bytes(kv.k, op->head_dim), v_row = ew_type_row_bytes(kv.v, op->head_dim);
    for (uint32_t t = share.token_begin; t < share.token_end; t++) {
        for (uint32_t h = share.part_begin; h < share.part_end; h++) {
            size_t at = h * positions + w->pos0 + t, from = (size_t)h * op->head_dim;
            store_row(w, kv.k, op->head_dim, ew_cpu_row(w, EW_BUF_K, t) + from, bound->k_cache + at * k_row);
            store_row(w, kv.v, op->head_dim, ew_cpu_row(w, EW_BUF_V, t) + from, bound->v_cache + at * v_row);
        }
    }
}

/* Tokens [t0, t0 + n_tokens) with the query heads that share KV head h. */
static struct ew_attention_args attention_args(const struct ew_cpu_worker *w, const struct ew_cpu_op *bound, uint32_t h,
                                               uint32_t t0, uint32_t n_tokens) {
    const struct ew_op *op = bound->op;
    const uint32_t group = op->n_head / op->n_head_kv;
    const struct ew_kv_types kv = w->b->params.request.kv;
    const size_t positions = ew_plan_kv_positions(w->b->params.request.n_ctx);
    const size_t head_at = (size_t)h * group * op->head_dim;
    return (struct ew_attention_args){
        .q = ew_cpu_row(w, EW_BUF_Q, t0) + head_at,
        .q_stride = w->b->plan->width[EW_BUF_Q],
        .k = bound->k_cache + h * positions * ew_type_row_bytes(kv.k, op->head_dim),
        .v = bound->v_cache + h * positions * ew_type_row_bytes(kv.v, op->head_dim),
        .k_type = kv.k,
        .v_type = kv.v,
        .out = ew_cpu_row(w, EW_BUF_ATTN, t0) + head_at,
        .out_stride = w->b->plan->width[EW_BUF_ATTN],
        .head_dim = op->head_dim,
        .n_group = group,
        .n_tokens = n_tokens,
        .pos0 = w->pos0 + t0,
        .scale = op->scale,
        .soft_cap = op->soft_cap,
        .window = op->window,
        .scratch = w->scratch,
    };
}

/* A single token: each thread takes chunks of the positions of a head; then heads are put together. */
static void attend_by_chunk(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next) {
    const struct ew_op *op = bound->op;
    const struct ew_vector_kernels *v = &w->b->kernels.vector;
    const uint32_t end = w->pos0 + 1, begin = op->window && end > op->window ? end - op->window : 0;
    const uint32_t first = begin / EW_ATTENTION_CHUNK, n_chunks = (end - 1) / EW_ATTENTION_CHUNK + 1 - first;
    const size_t part_floats = ew_attention_part_floats(op->head_dim) * (op->n_head / op->n_head_kv);
    for (;;) {
        uint32_t unit = atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
        if (unit >= n_chunks * op->n_head_kv) break;
        struct ew_attention_args args = attention_args(w, bound, unit / n_chunks, 0, 1);
        v->attention_chunk(&args, first + unit % n_chunks, w->b->attention_parts + unit * part_floats);
    }
    ew_cpu_wait(w);
    for (uint32_t h = w->me->index; h < op->n_head_kv; h += w->me->count) {
        struct ew_attention_args args = attention_args(w, bound, h, 0, 1);
        v->attention_merge(&args, w->b->attention_parts + h * n_chunks * part_floats, n_chunks);
    }
}

/* Tokens that one unit of work takes: all of a few tokens, unless the heads are too few to keep the threads busy. Up to
 * EW_ATTENTION_EXACT_TOKENS go together or apart without a difference. */
static uint32_t attention_block(const struct ew_cpu_worker *w, const struct ew_op *op) {
    if (w->n_tokens > EW_ATTENTION_EXACT_TOKENS) return EW_PLAN_ATTENTION_TOKENS;
    uint32_t blocks = 2 * w->me->count / op->n_head_kv;
    return blocks > 1 ? (w->n_tokens + blocks - 1) / blocks : w->n_tokens;
}

void ew_cpu_run_attention(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next) {
    ew_cpu_enter(w, EW_CPU_BY_HEAD);
    const struct ew_op *op = bound->op;
    const bool balanced = op->n_head_kv % w->me->count == 0 && op->n_head_kv >= 2 * w->me->count;
    if (w->n_tokens == 1 && w->me->count > 1 && w->pos0 >= EW_ATTENTION_CHUNK && !balanced) {
        attend_by_chunk(w, bound, next);
        return;
    }
    const uint32_t block = attention_block(w, op), n_blocks = (w->n_tokens + block - 1) / block;
    for (;;) {
        uint32_t chunk = atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
        if (chunk >= n_blocks * op->n_head_kv) return;
        /* Late blocks see more positions: hand the expensive ones out first. */
        uint32_t h = chunk % op->n_head_kv, t0 = (n_blocks - 1 - chunk / op->n_head_kv) * block;
        struct ew_attention_args args = attention_args(w, bound, h, t0, ew_cpu_min(block, w->n_tokens - t0));
        w->b->kernels.vector.attention(&args);
    }
}

/* One channel over all tokens. past: B·V of the taps - 1 positions before the next token, width floats apart. */
static void convolve_channel(const struct ew_cpu_worker *w, const struct ew_op *op, const float *taps, uint32_t channel,
                             float *past) {
    uint32_t n_past = (uint32_t)op->weights[0]->ne[0] - 1, width = op->width;
    for (uint32_t t = 0; t < w->n_tokens; t++) {
        const float *in = ew_cpu_row(w, op->src, t) + channel;
        float now = in[0] * in[2 * width], sum = taps[n_past] * now;
        for (uint32_t i = 0; i < n_past; i++) {
            sum += taps[i] * past[i * width];
            past[i * width] = i + 1 < n_past ? past[(i + 1) * width] : now;
        }
        ew_cpu_row(w, op->dst[0], t)[channel] = in[width] * sum;
    }
}

/* Channels do not meet, so that each thread takes some of them through all tokens. A cache line each at least. */
void ew_cpu_run_conv(struct ew_cpu_worker *w, const struct ew_cpu_op *bound) {
    ew_cpu_enter(w, EW_CPU_BY_HEAD);
    const struct ew_op *op = bound->op;
    uint32_t n_taps = (uint32_t)op->weights[0]->ne[0], lines = (op->width + 15) / 16;
    uint32_t begin = (uint32_t)((uint64_t)lines * w->me->index / w->me->count) * 16;
    uint32_t end = ew_cpu_min((uint32_t)((uint64_t)lines * (w->me->index + 1) / w->me->count) * 16, op->width);
    for (uint32_t c = begin; c < end; c++) {
        float *past = bound->state + c;
        for (uint32_t i = 0; i + 1 < n_taps && w->pos0 == 0; i++) past[i * op->width] = 0;
        convolve_channel(w, op, bound->vector + (size_t)c * n_taps, c, past);
    }
}
