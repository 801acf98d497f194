/* What every variant does alike when it rounds activations to 16 bits: which record and group a column falls into, and
 * the scale that goes with a group's largest magnitude. How a group is rounded is the variant's own. Private to
 * src/kernel; inline, so that it is compiled with each variant's flags. Twin of act_q8.h. */
#ifndef EW_KERNEL_ACT_Q16_H
#define EW_KERNEL_ACT_Q16_H

#include "kernel/matmul_table.h"

#include <assert.h>

/* Rounds the EW_ACT_GROUP values of x into group g of a record. */
typedef void ew_act_q16_round_fn(const float *x, struct ew_act_q16 *rec, uint32_t g);

/* The scale of group g, whose magnitudes add up to total, the largest is amax; returns what takes values to q. With an
 * infinity or a NaN the scale is NaN, and so will be every product with the group. */
static inline __attribute__((always_inline)) float ew_act_q16_scale_group(struct ew_act_q16 *rec, uint32_t g,
                                                                          float total, float amax) {
    const float nothing = total * 0.0f; /* or NaN */
    static_assert(EW_Q16_LEAST_STEP == -60, "least step");
    float d = 0x1p-60f;
    if (amax > d * EW_Q16_LARGEST) d = amax / EW_Q16_LARGEST;
    if (total > d * EW_Q16_TOTAL) d = total / EW_Q16_TOTAL;
    rec->d[g] = d + nothing;
    return 1.0f / d;
}

/* Body of an ew_act_prepare_fn; arguments as there. */
static inline __attribute__((always_inline)) void ew_act_q16_prepare(uint32_t n_in, uint32_t n_tokens, const float *x,
                                                                     size_t x_stride, uint32_t token_begin,
                                                                     uint32_t token_end, void *act,
                                                                     ew_act_q16_round_fn *round_group) {
    struct ew_act_q16 *out = act;
    for (uint32_t t = token_begin; t < token_end; t++)
        for (uint32_t i = 0; i < n_in; i += EW_ACT_GROUP)
            round_group(x + t * x_stride + i, &out[(size_t)(i / EW_ACT_Q16_COLS) * n_tokens + t],
                        i % EW_ACT_Q16_COLS / EW_ACT_GROUP);
}

#endif
