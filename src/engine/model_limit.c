/* Owns what a model could reach at most: its plan's bytes and operations under the machine's limits (a roofline).
 * Products of quantized weights count against the 8-bit peak, those of half-precision weights with many tokens against
 * the 16-bit peak where there are kernels for that, everything else against the float peak: that is how the kernels
 * work, and a limit that they cannot use would tell nobody anything. */
#include "engine/machine_limits.h"

#include "engine/session_inside.h"
#include "kernel/matmul.h"
#include "model/model_inside.h"
#include "plan/cost.h"

#include <math.h>

struct ew_model_work ew_model_work_of(const struct ew_model *model, const struct ew_work_request *r) {
    struct ew_plan_cost c = ew_plan_sum_cost(&model->plan, ew_kv_types_of(r->kv_k, r->kv_v), r->n_tokens, r->depth);
    double half = r->n_tokens > EW_FEW_TOKENS ? c.half_matmul_ops : 0;
    return (struct ew_model_work){.bytes = c.weight_bytes + c.kv_bytes,
                                  .int8_ops = c.matmul_ops - c.float_matmul_ops,
                                  .half_ops = half,
                                  .float_ops = c.float_matmul_ops - half + c.attention_ops};
}

double ew_machine_limits_least_s(const struct ew_machine_limits *l, const struct ew_model_work *work) {
    bool known = l->read_bytes_per_s > 0 && l->int8_ops_per_s > 0 && l->half_ops_per_s > 0 && l->f32_ops_per_s > 0;
    if (!known) return NAN;
    double computing =
        work->int8_ops / l->int8_ops_per_s + work->half_ops / l->half_ops_per_s + work->float_ops / l->f32_ops_per_s;
    return fmax(work->bytes / l->read_bytes_per_s, computing);
}

double ew_machine_limits_prefill_rate(const struct ew_machine_limits *l, const struct ew_model *model,
                                      const struct ew_work_request *prompt, uint32_t n_batch) {
    double seconds = 0;
    if (n_batch == 0) n_batch = prompt->n_tokens;
    for (uint32_t at = 0; at < prompt->n_tokens;) {
        struct ew_work_request batch = *prompt;
        batch.n_tokens = prompt->n_tokens - at < n_batch ? prompt->n_tokens - at : n_batch;
        batch.depth += at;
        struct ew_model_work work = ew_model_work_of(model, &batch);
        seconds += ew_machine_limits_least_s(l, &work);
        at += batch.n_tokens;
    }
    return prompt->n_tokens / seconds;
}

/* The work of a token grows evenly with its depth: the middle one stands for all. */
double ew_machine_limits_decode_rate(const struct ew_machine_limits *l, const struct ew_model *model,
                                     const struct ew_work_request *tokens) {
    struct ew_work_request middle = *tokens;
    middle.depth += tokens->n_tokens / 2;
    middle.n_tokens = 1;
    struct ew_model_work work = ew_model_work_of(model, &middle);
    return 1 / ew_machine_limits_least_s(l, &work);
}
