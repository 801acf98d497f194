/* All vector kernels of one variant. Its translation unit defines these primitives and then includes this file:
 *
 *   vf                      a vector of VF_N floats (VF_N an enum constant: 4, 8 or 16)
 *   VF_REGISTERS            how many of them the architecture has: 16 or 32
 *   vf_load(p) vf_store(p, v) vf_load_some(p, n) vf_store_some(p, v, n)    the first n < VF_N lanes, others read as 0
 *   vf_load_half(p) vf_store_half(p, v) vf_load_half_some(p, n)           IEEE halves, round to nearest even
 *   vf_load_bytes(p)        VF_N signed bytes
 *   vf_convert8(from, to)   8 halves to 8 floats
 *   vf_load_pairs(p, &a, &b) vf_store_pairs(p, a, b)                      a: even, b: odd elements of 2 * VF_N
 *   vf_set1(x) vf_add vf_sub vf_mul vf_div vf_max vf_min                  max and min give NaN when b is NaN
 *   vf_fma(a, b, c)         a * b + c
 *   vf_round(v)             to the nearest whole number
 *   vf_scale(v, n)          v * 2^n, n whole, -126 <= n <= 126
 *   vf_sum(v) vf_top(v)     the sum of all lanes, the largest of them; floats
 *   vf_sum4(a, b, c, d, p)  the four sums into p[0..3]
 *   vf_transpose(v)         VF_N vectors in place: lane i of vector j becomes lane j of vector i
 *   vf_or_below(v, x, limit)  v where x <= limit, -infinity elsewhere
 *
 * A new instruction set is one such file. */
#ifndef EW_KERNEL_VECTOR_BODY_H
#define EW_KERNEL_VECTOR_BODY_H

#include "kernel/vector_variants.h"

#include "kernel/vector_elementwise.h"

/* Running maxima start here, not at minus infinity: a tile whose positions are all masked then leaves weights of 2^-126
 * that the first visible score wipes out, instead of the NaN of infinity minus infinity. */
#define LOWEST_SCORE -1e30f

/* What queries are multiplied with: softmax runs on powers of two; a capped score needs twice its argument, because
 * tanh x comes from exp 2x. */
static inline float query_factor(const struct ew_attention_args *a) {
    return a->scale * EW_LOG2_E * (a->soft_cap > 0 ? 2 / a->soft_cap : 1);
}

/* The capped score, times log2(e), of one as query_factor gives it. */
static inline vf capped_score(vf score, vf cap_log2_e) {
    vf one = vf_set1(1), power = exp2_lanes(vf_min(vf_set1(126.0f), score));
    return vf_mul(cap_log2_e, vf_sub(one, vf_div(vf_set1(2), vf_add(power, one))));
}

#include "kernel/attention_rows.h"

#include "kernel/attention_decode.h"
#include "kernel/attention_tiles.h"

/* Few tokens share each cache value too rarely to pay for unpacking it to f32, and must not see how many they are. */
static void attention(const struct ew_attention_args *a) {
    if (a->n_tokens <= EW_ATTENTION_EXACT_TOKENS) {
        attention_decode(a);
    } else {
        attention_tiles(a);
    }
}

#define EW_VECTOR_DEFINE_INSTALL(isa_)                                                                                 \
    void ew_vector_install_##isa_(struct ew_vector_kernels *v) {                                                       \
        *v = (struct ew_vector_kernels){.rms_norm = rms_norm,                                                          \
                                        .layer_norm = layer_norm,                                                      \
                                        .silu_mul = silu_mul,                                                          \
                                        .gelu_mul = gelu_mul,                                                          \
                                        .gelu = gelu,                                                                  \
                                        .gelu_erf = gelu_erf,                                                          \
                                        .soft_cap = soft_cap,                                                          \
                                        .add = add,                                                                    \
                                        .add_scaled = add_scaled,                                                      \
                                        .rope_adjacent = rope_adjacent,                                                \
                                        .rope_halves = rope_halves,                                                    \
                                        .f32_to_f16 = f32_to_f16,                                                      \
                                        .f16_to_f32 = f16_to_f32,                                                      \
                                        .attention = attention,                                                        \
                                        .attention_chunk = attention_chunk,                                            \
                                        .attention_merge = attention_merge,                                            \
                                        .isa = #isa_};                                                                 \
    }

#endif
