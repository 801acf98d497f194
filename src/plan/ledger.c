/* Owns the memory sums. Every term mirrors one allocation or mapping of the CPU backend. */
#include "plan/ledger.h"

#include "base/bytes.h"
#include "base/error.h"

enum { KV_POSITION_ALIGN = 32, CACHE_LINE = 64 };

bool ew_plan_packs(const struct ew_kernels *kernels, enum ew_weights_layout layout,
                   const struct ew_gguf_tensor *tensor) {
    if (layout == EW_WEIGHTS_MAPPED) return false;
    if (layout == EW_WEIGHTS_PACKED) return ew_matmul_can_pack(kernels, tensor->type);
    return ew_matmul_prefers_packed(kernels, tensor->type);
}

uint32_t ew_plan_kv_positions(uint32_t n_ctx) {
    return (n_ctx + KV_POSITION_ALIGN - 1) / KV_POSITION_ALIGN * KV_POSITION_ALIGN;
}

size_t ew_plan_kv_layer_bytes(const struct ew_plan_shape *s, uint32_t n_ctx) {
    return (size_t)s->n_head_kv * ew_plan_kv_positions(n_ctx) * s->head_dim * sizeof(ew_f16);
}

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

static void add_matrix(const struct ew_kernels *k, const struct ew_plan_request *request, uint32_t n_tokens,
                       const struct ew_gguf_tensor *t, struct ew_plan_memory *m) {
    struct ew_weight w = {.type = t->type, .n_in = (uint32_t)t->ne[0], .n_out = (uint32_t)t->ne[1]};
    if (ew_plan_packs(k, request->layout, t)) {
        w.layout = EW_LAYOUT_R16;
        m->weights_packed_bytes += (ew_matmul_packed_bytes(w.type, w.n_in, w.n_out) + CACHE_LINE - 1) & ~63ul;
    } else {
        w.layout = EW_LAYOUT_ROWS;
        m->weights_mapped_bytes += t->size_bytes;
    }
    enum ew_act_kind kind = ew_matmul_act_kind(k, &w);
    m->act_bytes[kind] = max_size(m->act_bytes[kind], ew_matmul_act_bytes(k, kind, w.n_in, n_tokens));
}

static void add_op(const struct ew_plan *plan, const struct ew_kernels *k, const struct ew_plan_request *request,
                   const struct ew_op *op, struct ew_plan_memory *m) {
    switch (op->kind) {
    case EW_OP_EMBED: m->row_bytes = ew_type_row_bytes(op->weights[0]->type, op->weights[0]->ne[0]); break;
    case EW_OP_NORM: m->vectors_bytes += op->weights[0]->ne[0] * sizeof(float); break;
    case EW_OP_MATMUL:
        for (uint32_t i = 0; i < op->n_weights; i++) add_matrix(k, request, request->n_batch, op->weights[i], m);
        break;
    case EW_OP_HEAD:
        m->vectors_bytes += op->weights[0]->ne[0] * sizeof(float);
        add_matrix(k, request, 1, op->weights[1], m);
        m->logits_bytes = (size_t)plan->shape.n_vocab * sizeof(float);
        break;
    case EW_OP_CACHE: m->kv_bytes += 2 * ew_plan_kv_layer_bytes(&plan->shape, request->n_ctx); break;
    case EW_OP_ROPE:
    case EW_OP_ATTENTION:
    case EW_OP_GATE: break;
    }
}

enum ew_status ew_plan_sum_memory(const struct ew_plan *plan, const struct ew_kernels *kernels,
                                  const struct ew_plan_request *request, struct ew_plan_memory *out,
                                  struct ew_error *err) {
    const struct ew_plan_shape *s = &plan->shape;
    size_t kv, offsets[EW_BUF_COUNT], floats = ew_plan_place_buffers(plan, offsets);
    if (request->n_ctx > UINT32_MAX - KV_POSITION_ALIGN ||
        !ew_mul_size((size_t)s->n_head_kv * s->head_dim * 2 * sizeof(ew_f16), s->n_layer, &kv) ||
        !ew_mul_size(kv, ew_plan_kv_positions(request->n_ctx), &kv))
        return ew_error_set(err, EW_ERR_LIMIT,
                            "context of %u tokens: its KV cache does not fit this machine's addresses", request->n_ctx);
    struct ew_plan_memory m = {0};
    for (size_t i = 0; i < plan->n_ops; i++) add_op(plan, kernels, request, &plan->ops[i], &m);
    m.buffers_bytes = floats * request->n_batch * sizeof(float);
    uint32_t tokens = request->n_batch < EW_PLAN_ATTENTION_TOKENS ? request->n_batch : EW_PLAN_ATTENTION_TOKENS;
    m.attention_scratch_bytes = ew_attention_scratch_bytes(s->head_dim, tokens * (s->n_head / s->n_head_kv));
    m.matmul_scratch_bytes = ew_matmul_scratch_bytes(kernels, request->n_batch);
    *out = m;
    return EW_OK;
}
