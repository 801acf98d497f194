/* Matrix-vector products of types without a decoder of vectors, for every variant of x86: a block becomes levels
 * (quant/levels.h), whose making takes most of the time, and the levels are multiplied 32 columns at a time. A row's
 * sum stays spread over the lanes until it ends; columns 0 … 15 of a group are in the lower half of them. */
#include "kernel/x86/lanes_avx2.h"
#include "kernel/x86/quant_gemv.h"
#include "quant/levels.h"

enum { TOKENS = EW_GEMV_TOKENS };

/* Adds a block's columns from col on to the sums of n_tokens tokens. None of these types has minima. */
EW_INLINE void add_block(const struct ew_gemv_args *a, const struct ew_levels *levels, uint32_t col, uint32_t n_cols,
                         __m256 sums[TOKENS]) {
    const struct ew_act_q8 *x = (const struct ew_act_q8 *)a->act + (size_t)(col / EW_ACT_Q8_COLS) * a->n_tokens;
    uint32_t g = col % EW_ACT_Q8_COLS / EW_ACT_GROUP;
    for (uint32_t k = 0; k < n_cols / EW_ACT_GROUP; k++, g++) {
        const vint q = v_load(levels->q + k * EW_ACT_GROUP);
        const __m256 scale = _mm256_set_m128(_mm_set1_ps(levels->scale[2 * k + 1]), _mm_set1_ps(levels->scale[2 * k]));
        for (uint32_t t = 0; t < a->n_tokens; t++) {
            vint sum = v_dot_signed(v_zero(), q, v_load(x[t].q + g * EW_ACT_GROUP));
            sums[t] = vf_fma(v_to_float(sum), vf_mul(scale, vf_set(x[t].d[g])), sums[t]);
        }
    }
}

void ew_gemv_levels_avx2(const struct ew_gemv_args *a) {
    const struct ew_type_traits *traits = ew_type_traits(a->w->type);
    const size_t row_bytes = ew_type_row_bytes(a->w->type, a->w->n_in);
    ew_levels_fn *unpack = ew_quant_levels(a->w->type);
    for (uint32_t row = a->row_begin; row < a->row_end; row++) {
        const uint8_t *block = (const uint8_t *)a->w->data + row * row_bytes;
        __m256 sums[TOKENS];
        for (uint32_t t = 0; t < a->n_tokens; t++) sums[t] = vf_zero();
        for (uint32_t col = 0; col < a->w->n_in; col += traits->block_elems, block += traits->block_bytes) {
            struct ew_levels levels;
            unpack(block, &levels);
            add_block(a, &levels, col, traits->block_elems, sums);
        }
        for (uint32_t t = 0; t < a->n_tokens; t++) {
            float *y = a->y + t * a->y_stride + row;
            *y = (a->accumulate ? *y : 0) + vf_sum(sums[t]);
        }
    }
}
