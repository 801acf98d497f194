/* Kernels that are no matrix products: norms, gates, rotations, conversions, attention.
 * Pointers need the alignment of their element only. Outputs may alias inputs only where said. */
#ifndef EW_KERNEL_VECTOR_H
#define EW_KERNEL_VECTOR_H

#include <stddef.h>
#include <stdint.h>

typedef uint16_t ew_f16;  /* IEEE half, as bits */
typedef uint16_t ew_bf16; /* upper half of an IEEE single, as bits */

/* Causal attention of a group of query heads over the one KV head they share.
 * Query row (t, g) lies at q + t * q_stride + g * head_dim (floats) and sees cache positions 0 … pos0 + t.
 * k, v: f16 [positions][head_dim], positions contiguous (stride head_dim halves).
 * out row (t, g) at out + t * out_stride + g * head_dim = Σ_p softmax_p(scale · q·k_p) · v_p.
 * Streams over the cache in tiles with a running maximum: no score row longer than a tile is held.
 * out must not alias q. head_dim is a multiple of 8, at most 256; n_tokens, n_group >= 1. */
struct ew_attention_args {
    const float *q;
    size_t q_stride;
    const ew_f16 *k, *v;
    float *out;
    size_t out_stride;
    uint32_t head_dim, n_group, n_tokens, pos0;
    float scale;
    void *scratch; /* ew_attention_scratch_bytes of it, 64-byte aligned */
};

/* Work space for one call of attention with at most this many query rows (n_tokens * n_group). */
size_t ew_attention_scratch_bytes(uint32_t head_dim, uint32_t n_rows);

struct ew_vector_kernels {
    /* y = x / sqrt(mean(x²) + eps) · weight, n floats each. y may alias x. Source: RMSNorm, arXiv 1910.07467. */
    void (*rms_norm)(size_t n, const float *x, const float *weight, float eps, float *y);
    /* y = silu(gate) · up, silu(z) = z / (1 + exp(-z)). y may alias gate or up. |relative error| <= 2e-6; for
     * gate < -87, where silu is below 1e-35, an absolute error of that size. */
    void (*silu_mul)(size_t n, const float *gate, const float *up, float *y);
    /* y += x */
    void (*add)(size_t n, const float *x, float *y);
    /* Rotates n_rot values in place; cos_sin: [n_rot / 2][2]. adjacent: pairs (2i, 2i+1); halves: (i, i + n_rot/2).
     * Source: RoFormer, arXiv 2104.09864. */
    void (*rope_adjacent)(size_t n_rot, const float *cos_sin, float *x);
    void (*rope_halves)(size_t n_rot, const float *cos_sin, float *x);
    void (*f32_to_f16)(size_t n, const float *x, ew_f16 *y); /* round to nearest even; overflow to infinity */
    void (*f16_to_f32)(size_t n, const ew_f16 *x, float *y);
    void (*attention)(const struct ew_attention_args *args);
    const char *isa; /* "ref", "avx2" … of the fastest variant above, for results */
};

/* Fills every entry for a feature mask (enum ew_cpu_feature): bits that this CPU lacks are ignored; 0 gives plain C. */
void ew_vector_kernels_init(struct ew_vector_kernels *v, uint64_t features);

#endif
