/* What every variant does alike when it rounds activations to 8 bits: which record and group a column falls into, and
 * the scale and sums that go with a group's values. How a group is rounded is the variant's own. Private to src/kernel;
 * inline, so that it is compiled with each variant's flags. */
#ifndef EW_KERNEL_ACT_Q8_H
#define EW_KERNEL_ACT_Q8_H

#include "kernel/matmul_table.h"

/* Rounds the EW_ACT_GROUP values of x into group g of a record. */
typedef void ew_act_q8_round_fn(const float *x, struct ew_act_q8 *rec, uint32_t g);

/* Scale and sums of a group whose largest magnitude is amax; sum_low, sum_high: Σ q of its halves. */
static inline __attribute__((always_inline)) void ew_act_q8_finish_group(struct ew_act_q8 *rec, uint32_t g, float amax,
                                                                         int sum_low, int sum_high) {
    rec->d[g] = amax / 127.0f;
    rec->ds[g] = rec->d[g] * (float)(sum_low + sum_high);
    rec->sum32[g] = -128 * (sum_low + sum_high);
    rec->sum16[2 * g] = -128 * sum_low;
    rec->sum16[2 * g + 1] = -128 * sum_high;
}

/* Body of an ew_act_prepare_fn; arguments as there. */
static inline __attribute__((always_inline)) void ew_act_q8_prepare(uint32_t n_in, uint32_t n_tokens, const float *x,
                                                                    size_t x_stride, uint32_t token_begin,
                                                                    uint32_t token_end, void *act,
                                                                    ew_act_q8_round_fn *round_group) {
    struct ew_act_q8 *out = act;
    for (uint32_t t = token_begin; t < token_end; t++)
        for (uint32_t i = 0; i < n_in; i += EW_ACT_GROUP)
            round_group(x + t * x_stride + i, &out[(size_t)(i / EW_ACT_Q8_COLS) * n_tokens + t],
                        i % EW_ACT_Q8_COLS / EW_ACT_GROUP);
}

#endif
