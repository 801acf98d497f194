/* Owns the memory sums. Every term mirrors one allocation or mapping of the CPU backend. */
#include "plan/ledger.h"

#include "base/bytes.h"
#include "base/error.h"

enum { KV_POSITION_ALIGN = 32, CACHE_LINE = 64 };

bool ew_plan_packs(const struct ew_kernels *kernels, enum ew_weights_layout layout,
                   const struct ew_gguf_tensor *tensor) {
    /* The packed layout interleaves 16 rows, which must not mix experts. */
    if (layout == EW_WEIGHTS_MAPPED || (tensor->ne[2] > 1 && tensor->ne[1] % 16 != 0)) return false;
    if (layout == EW_WEIGHTS_PACKED) return ew_matmul_can_pack(kernels, tensor->type);
    return ew_matmul_prefers_packed(kernels, tensor->type);
}

uint32_t ew_plan_kv_positions(uint32_t n_ctx) {
    return (n_ctx + KV_POSITION_ALIGN - 1) / KV_POSITION_ALIGN * KV_POSITION_ALIGN;
}

static size_t align(size_t size) { return (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1); }

size_t ew_plan_kv_layer_bytes(const struct ew_op *cache, enum ew_type type, uint32_t n_ctx) {
    return cache->n_head_kv * ew_plan_kv_positions(n_ctx) * ew_type_row_bytes(type, cache->head_dim);
}

size_t ew_plan_state_bytes(const struct ew_op *conv) {
    return (size_t)(conv->weights[0]->ne[0] - 1) * conv->width * sizeof(float);
}

size_t ew_plan_vector_floats(const struct ew_gguf_tensor *vector) { return (size_t)(vector->ne[0] * vector->ne[1]); }

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

/* What is summed over the ops, and for what. */
struct sum {
    const struct ew_plan *plan;
    const struct ew_kernels *kernels;
    const struct ew_plan_request *request;
    struct ew_plan_memory *m;
};

/* Prepared input of a matrix, of n_rows rows in all. Few rows may be prepared in another kind than all of them; those
 * of experts lie side by side, so that few of them may lie anywhere among n_rows. */
static void add_act(struct sum *s, const struct ew_weight *w, uint32_t n_rows, bool experts) {
    for (int kind = 0; kind < EW_ACT_KINDS; kind++) {
        uint32_t n = ew_matmul_kind_tokens(s->kernels, w, (enum ew_act_kind)kind, n_rows);
        if (n > 0 && experts) n = n_rows;
        size_t *act = &s->m->act_bytes[kind];
        *act = max_size(*act, ew_matmul_act_bytes(s->kernels, (enum ew_act_kind)kind, w->n_in, n));
        if (ew_matmul_act_kind(s->kernels, w, 1) != (enum ew_act_kind)kind) continue;
        size_t *own = &s->m->own_act_bytes[kind];
        *own = max_size(*own, ew_matmul_act_bytes(s->kernels, (enum ew_act_kind)kind, w->n_in, 1));
    }
}

/* n_rows: activation rows that meet the matrix at once, at most. */
static void add_matrix(struct sum *s, const struct ew_gguf_tensor *t, uint32_t n_rows, bool experts) {
    struct ew_weight w = {.type = t->type, .n_in = (uint32_t)t->ne[0], .n_out = (uint32_t)(t->ne[1] * t->ne[2])};
    if (ew_plan_packs(s->kernels, s->request->layout, t)) {
        w.layout = EW_LAYOUT_R16;
        size_t bytes = align(ew_matmul_packed_bytes(w.type, w.n_in, w.n_out));
        *(s->request->side_file ? &s->m->weights_side_bytes : &s->m->weights_packed_bytes) += bytes;
    } else {
        w.layout = EW_LAYOUT_ROWS;
        s->m->weights_mapped_bytes += t->size_bytes;
    }
    add_act(s, &w, n_rows, experts);
}

static void add_vector(struct sum *s, const struct ew_gguf_tensor *t) {
    if (t) s->m->vectors_bytes += align(ew_plan_vector_floats(t) * sizeof(float));
}

static void add_attention(struct sum *s, const struct ew_op *op) {
    uint32_t batch = s->request->n_batch;
    uint32_t tokens = batch < EW_PLAN_ATTENTION_TOKENS ? batch : EW_PLAN_ATTENTION_TOKENS;
    size_t bytes = ew_attention_scratch_bytes(op->head_dim, tokens * (op->n_head / op->n_head_kv));
    s->m->attention_scratch_bytes = max_size(s->m->attention_scratch_bytes, bytes);
    size_t chunks = ((size_t)s->request->n_ctx + EW_ATTENTION_CHUNK - 1) / EW_ATTENTION_CHUNK;
    size_t parts = align(chunks * op->n_head * ew_attention_part_floats(op->head_dim) * sizeof(float));
    if (chunks > 1) s->m->attention_parts_bytes = max_size(s->m->attention_parts_bytes, parts);
}

static void add_op(struct sum *s, const struct ew_op *op) {
    struct ew_plan_memory *m = s->m;
    switch (op->kind) {
    case EW_OP_EMBED:
        for (uint32_t i = 0; i < op->n_weights; i++) {
            const struct ew_gguf_tensor *t = op->weights[i];
            m->row_bytes = max_size(m->row_bytes, align(ew_type_row_bytes(t->type, t->ne[0])) + align(4 * t->ne[0]));
        }
        break;
    case EW_OP_NORM:
        add_vector(s, op->weights[0]);
        add_vector(s, op->bias[0]);
        break;
    case EW_OP_MATMUL:
        for (uint32_t i = 0; i < op->n_weights; i++) {
            add_matrix(s, op->weights[i], s->request->n_batch, false);
            add_vector(s, op->bias[i]);
        }
        break;
    case EW_OP_EXPERTS:
        for (uint32_t i = 0; i < op->n_weights; i++)
            add_matrix(s, op->weights[i], s->request->n_batch * op->n_used, true);
        break;
    case EW_OP_HEAD:
        add_vector(s, op->weights[0]);
        add_matrix(s, op->weights[1],
                   s->request->n_batch < EW_PLAN_HEAD_TOKENS ? s->request->n_batch : EW_PLAN_HEAD_TOKENS, false);
        for (int i = 0; i < 2; i++) add_vector(s, op->bias[i]);
        m->logits_bytes = (size_t)s->plan->n_vocab * sizeof(float);
        break;
    case EW_OP_CACHE:
        m->kv_bytes += ew_plan_kv_layer_bytes(op, s->request->kv.k, s->request->n_ctx) +
                       ew_plan_kv_layer_bytes(op, s->request->kv.v, s->request->n_ctx);
        break;
    case EW_OP_ATTENTION: add_attention(s, op); break;
    case EW_OP_CONV:
        add_vector(s, op->weights[0]);
        m->state_bytes += align(ew_plan_state_bytes(op));
        break;
    case EW_OP_ROUTE: {
        size_t choices = (size_t)s->request->n_batch * op->n_used;
        m->routing_bytes = max_size(m->routing_bytes, align(4 * choices * 4 + (op->n_expert + 1) * sizeof(uint32_t)));
        break;
    }
    case EW_OP_ROPE:
    case EW_OP_GATE:
    case EW_OP_ADD:
    case EW_OP_MIX: break;
    }
}

static enum ew_status check_type(const struct ew_op *cache, const char *what, enum ew_type type, struct ew_error *err) {
    if (ew_attention_takes(type, cache->head_dim)) return EW_OK;
    const struct ew_type_traits *traits = ew_type_traits(type);
    return ew_error_set(err, EW_ERR_UNSUPPORTED,
                        "KV cache: layer %d: heads of %u values do not divide into blocks of %u; %s cannot be %s",
                        cache->layer, cache->head_dim, traits->block_elems, what, traits->name);
}

/* Whether the KV caches of all layers can be of their types, and have a size that this machine can count. */
static enum ew_status check_cache(const struct ew_plan *plan, const struct ew_plan_request *r, struct ew_error *err) {
    size_t per_position = 0, bytes;
    bool fits = r->n_ctx <= UINT32_MAX - KV_POSITION_ALIGN;
    for (size_t i = 0; i < plan->n_ops; i++) {
        const struct ew_op *op = &plan->ops[i];
        if (op->kind != EW_OP_CACHE) continue;
        enum ew_status status = check_type(op, "keys", r->kv.k, err);
        if (status == EW_OK) status = check_type(op, "values", r->kv.v, err);
        if (status != EW_OK) return status;
        size_t row = ew_type_row_bytes(r->kv.k, op->head_dim) + ew_type_row_bytes(r->kv.v, op->head_dim);
        fits = fits && ew_add_size(per_position, op->n_head_kv * row, &per_position);
    }
    if (fits && ew_mul_size(per_position, ew_plan_kv_positions(r->n_ctx), &bytes)) return EW_OK;
    return ew_error_set(err, EW_ERR_LIMIT, "context of %u tokens: its KV cache does not fit this machine's addresses",
                        r->n_ctx);
}

enum ew_status ew_plan_sum_memory(const struct ew_plan *plan, const struct ew_kernels *kernels,
                                  const struct ew_plan_request *request, struct ew_plan_memory *out,
                                  struct ew_error *err) {
    enum ew_status status = check_cache(plan, request, err);
    if (status != EW_OK) return status;
    if (plan->n_positions > 0 && request->n_ctx > plan->n_positions)
        return ew_error_set(err, EW_ERR_LIMIT, "context of %u tokens: the model has embeddings of %u positions only",
                            request->n_ctx, plan->n_positions);
    struct ew_plan_memory m = {0};
    struct sum s = {plan, kernels, request, &m};
    for (size_t i = 0; i < plan->n_ops; i++) add_op(&s, &plan->ops[i]);
    size_t offsets[EW_BUF_COUNT];
    m.buffers_bytes = ew_plan_place_buffers(plan, offsets) * request->n_batch * sizeof(float);
    m.own_row_bytes = align(plan->width[EW_BUF_NORMED] * sizeof(float));
    m.matmul_scratch_bytes = ew_matmul_scratch_bytes(kernels, request->n_batch);
    *out = m;
    return EW_OK;
}
