/* What turns gradients into better parameters. Matrices inside the layers by Muon, embedding and norms by AdamW; or
 * everything by AdamW, to compare. Work is cut for any number of threads; the result does not depend on how many.
 *
 *   AdamW   m ← β₁ m + (1-β₁) g,  v ← β₂ v + (1-β₂) g²,  w ← w - r (m̂ / (√v̂ + ε) + λ w), m̂ and v̂ corrected for their
 *           beginning at 0; λ only for what is no norm.  Loshchilov and Hutter 2019.
 *   Muon    m ← μ m + g,  O = newton_schulz(g + μ m),  w ← w - r' (0.2 √max(rows, columns) O + λ w).  Jordan et al.
 * 2024; the factor brings its steps to the size of AdamW's: Liu et al. 2025, arXiv 2502.16982.
 */
#ifndef EW_TRAIN_OPTIMIZER_H
#define EW_TRAIN_OPTIMIZER_H

#include "base/thread_pool.h"
#include "train/network_shape.h"
#include <stdbool.h>

struct ew_optimizer_params {
    bool muon;
    float rate;      /* r: AdamW's */
    float muon_rate; /* r' */
    float beta1, beta2, epsilon, momentum, decay;
};

struct ew_optimizer {
    struct ew_net_shape shape;
    struct ew_optimizer_params params;
    float *first, *second; /* [n_params] each: m, and v where AdamW works */
    uint64_t step;         /* steps done */
    float *scratch;        /* of all members */
    size_t scratch_stride;
    uint32_t n_threads;
};

/* 0.9, 0.95, 1e-8, 0.95, 0.1 and rates that suit the model of models/train/README.md. */
struct ew_optimizer_params ew_optimizer_default_params(void);

/* Errors: MEMORY. */
enum ew_status ew_optimizer_open(struct ew_optimizer *optimizer, const struct ew_net_shape *shape,
                                 const struct ew_optimizer_params *params, uint32_t n_threads, struct ew_error *err);
void ew_optimizer_close(struct ew_optimizer *optimizer);

/* What the member `me` has to do of one step; all members of the run call it, with the same numbers. gradients are
 * multiplied with `shrink` (clipping), both rates with `schedule`. Member 0 counts the step when all are done: a
 * barrier of the caller's lies between two calls. */
void ew_optimizer_step(struct ew_optimizer *optimizer, const struct ew_pool_member *me, float *params,
                       const float *gradients, float shrink, float schedule);

/* Warm-up, level, decay: rises in a line over `warmup` steps, stays at 1 and falls in a line to 0 over the last `decay`
 * (0 … 1) of all. step counts from 0. Source: Hu et al. 2024, arXiv 2404.06395, section 4. */
float ew_schedule_at(uint64_t step, uint64_t n_steps, uint64_t warmup, double decay);

#endif
