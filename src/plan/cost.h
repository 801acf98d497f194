/* What running a plan moves and computes: the numerator of every "share of the limit". */
#ifndef EW_PLAN_COST_H
#define EW_PLAN_COST_H

#include "plan/ledger.h"

struct ew_plan_cost {
    double weight_bytes;     /* read once per call, as stored */
    double kv_bytes;         /* read and written */
    double matmul_ops;       /* multiplications and additions of matrix products, 2 per weight and token */
    double float_matmul_ops; /* those of matmul_ops whose weights are floats */
    double half_matmul_ops;  /* those of float_matmul_ops whose weights are F16 or BF16 */
    double attention_ops;
};

/* The same for a single op. */
struct ew_plan_cost ew_plan_op_cost(const struct ew_op *op, struct ew_kv_types kv, uint32_t n_tokens, uint32_t depth);

/* One call with n_tokens in flight after `depth` positions; the head runs for one token. kv: types of the cache, which
 * the heads divide into. */
struct ew_plan_cost ew_plan_sum_cost(const struct ew_plan *plan, struct ew_kv_types kv, uint32_t n_tokens,
                                     uint32_t depth);

#endif
