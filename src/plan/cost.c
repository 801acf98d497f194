/* Owns the arithmetic of work: bytes and operations per plan. Attention counts causal positions only. */
#include "plan/cost.h"

#include "gguf/tensor_type.h"

static void add_matrix(const struct ew_gguf_tensor *t, double n_tokens, struct ew_plan_cost *c) {
    c->weight_bytes += (double)t->size_bytes;
    double ops = 2.0 * (double)t->ne[0] * (double)t->ne[1] * n_tokens;
    c->matmul_ops += ops;
    const struct ew_type_traits *traits = ew_type_traits(t->type);
    if (traits && traits->block_elems == 1) c->float_matmul_ops += ops;
}

struct ew_plan_cost ew_plan_sum_cost(const struct ew_plan *plan, uint32_t n_tokens, uint32_t depth) {
    const struct ew_plan_shape *s = &plan->shape;
    struct ew_plan_cost c = {0};
    double n = n_tokens;
    double positions = n * depth + n * (n + 1) / 2; /* (query, key) pairs under the causal mask */
    double kv_row_bytes = 2.0 * s->n_head_kv * s->head_dim * 2;
    for (size_t i = 0; i < plan->n_ops; i++) {
        const struct ew_op *op = &plan->ops[i];
        if (op->kind == EW_OP_MATMUL)
            for (uint32_t w = 0; w < op->n_weights; w++) add_matrix(op->weights[w], n, &c);
        if (op->kind == EW_OP_HEAD) add_matrix(op->weights[1], 1, &c);
        if (op->kind == EW_OP_CACHE) c.kv_bytes += n * kv_row_bytes;
        if (op->kind == EW_OP_ATTENTION) {
            c.kv_bytes += (depth + n) * kv_row_bytes;
            c.attention_ops += 4.0 * positions * s->n_head * s->head_dim;
        }
    }
    return c;
}
