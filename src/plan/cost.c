/* Owns the arithmetic of work: bytes and operations per plan. Attention counts visible positions only; experts count
 * as often as they are chosen, their weights as often as some token chooses them when all are equally likely. */
#include "plan/cost.h"

#include "gguf/tensor_type.h"
#include <math.h>

/* A matrix, of which `share` is read, against n_rows activations. */
static void add_matrix(const struct ew_gguf_tensor *t, double share, double n_rows, struct ew_plan_cost *c) {
    c->weight_bytes += share * (double)t->size_bytes;
    double ops = 2.0 * (double)t->ne[0] * (double)t->ne[1] * n_rows;
    c->matmul_ops += ops;
    const struct ew_type_traits *traits = ew_type_traits(t->type);
    if (traits && traits->block_elems == 1) c->float_matmul_ops += ops;
    if (t->type == EW_TYPE_F16 || t->type == EW_TYPE_BF16) c->half_matmul_ops += ops;
}

/* (query, key) pairs of n tokens after `depth` positions when each sees at most `window` positions. */
static double visible_pairs(double n, double depth, double window) {
    double growing = window > depth ? fmin(n, window - depth) : 0; /* tokens that still see everything */
    return growing * depth + growing * (growing + 1) / 2 + (n - growing) * window;
}

/* Keys and values of one position in one layer. */
static double position_bytes(const struct ew_op *op, struct ew_kv_types kv) {
    size_t row = ew_type_row_bytes(kv.k, op->head_dim) + ew_type_row_bytes(kv.v, op->head_dim);
    return (double)op->n_head_kv * (double)row;
}

static void add_attention(const struct ew_op *op, struct ew_kv_types kv, double n, double depth,
                          struct ew_plan_cost *c) {
    double window = op->window ? op->window : depth + n;
    c->kv_bytes += fmin(depth + n, window + n - 1) * position_bytes(op, kv);
    c->attention_ops += 4.0 * visible_pairs(n, depth, window) * op->n_head * op->head_dim;
}

static void add_experts(const struct ew_op *op, double n, struct ew_plan_cost *c) {
    double used = op->n_used, idle = pow(1 - used / op->n_expert, n); /* share of experts that no token chooses */
    for (uint32_t w = 0; w < op->n_weights; w++) add_matrix(op->weights[w], 1 - idle, n * used, c);
}

static void add_op(const struct ew_op *op, struct ew_kv_types kv, double n, double depth, struct ew_plan_cost *c) {
    switch (op->kind) {
    case EW_OP_MATMUL:
        for (uint32_t w = 0; w < op->n_weights; w++) add_matrix(op->weights[w], 1, n, c);
        break;
    case EW_OP_EXPERTS: add_experts(op, n, c); break;
    case EW_OP_HEAD: add_matrix(op->weights[1], 1, 1, c); break;
    case EW_OP_CACHE: c->kv_bytes += n * position_bytes(op, kv); break;
    case EW_OP_ATTENTION: add_attention(op, kv, n, depth, c); break;
    case EW_OP_CONV: /* reads and writes its state; its arithmetic is a few operations per value */
        c->kv_bytes += 2.0 * (double)(op->weights[0]->ne[0] - 1) * op->width * sizeof(float);
        break;
    case EW_OP_EMBED:
    case EW_OP_NORM:
    case EW_OP_ROPE:
    case EW_OP_GATE:
    case EW_OP_ADD:
    case EW_OP_ROUTE:
    case EW_OP_MIX: break;
    }
}

struct ew_plan_cost ew_plan_op_cost(const struct ew_op *op, struct ew_kv_types kv, uint32_t n_tokens, uint32_t depth) {
    struct ew_plan_cost c = {0};
    add_op(op, kv, n_tokens, depth, &c);
    return c;
}

struct ew_plan_cost ew_plan_sum_cost(const struct ew_plan *plan, struct ew_kv_types kv, uint32_t n_tokens,
                                     uint32_t depth) {
    struct ew_plan_cost c = {0};
    for (size_t i = 0; i < plan->n_ops; i++) add_op(&plan->ops[i], kv, n_tokens, depth, &c);
    return c;
}
