/* Kernels that are no matrix products: norms, gates, rotations, conversions, attention.
 * Pointers need the alignment of their element only. Outputs may alias inputs only where said. */
#ifndef EW_KERNEL_VECTOR_H
#define EW_KERNEL_VECTOR_H

#include "gguf/tensor_type.h"

typedef uint16_t ew_f16;  /* IEEE half, as bits */
typedef uint16_t ew_bf16; /* upper half of an IEEE single, as bits */

/* Causal attention of a group of query heads over the one KV head they share.
 * Query row (t, g) lies at q + t * q_stride + g * head_dim (floats) and sees cache positions 0 … pos0 + t, or only the
 * last `window` of them; what no row sees is not read.
 * k, v: [positions][head_dim] of their types, F16, F32 or Q8_0 each; rows follow each other without gaps. Q8_0 needs a
 * head_dim that is a multiple of 32; its values are what the blocks decode to, nothing else is rounded to 8 bits.
 * out row (t, g) at out + t * out_stride + g * head_dim = Σ_p softmax_p(s_p) · v_p, s_p = scale · q·k_p, or with a soft
 * cap s_p = soft_cap · tanh(scale · q·k_p / soft_cap) (Gemma 2, arXiv 2408.00118).
 * Streams over the cache in tiles with a running maximum: no score row longer than a tile is held.
 * out must not alias q. head_dim is a multiple of 8, at most 256; n_tokens, n_group >= 1. */
struct ew_attention_args {
    const float *q;
    size_t q_stride;
    const void *k, *v;
    enum ew_type k_type, v_type;
    float *out;
    size_t out_stride;
    uint32_t head_dim, n_group, n_tokens, pos0;
    float scale;
    float soft_cap;  /* 0: none */
    uint32_t window; /* 0: all positions */
    void *scratch;   /* ew_attention_scratch_bytes of it, 64-byte aligned */
};

/* Up to this many tokens get from one call of attention, to the bit, what each of them gets alone. */
enum { EW_ATTENTION_EXACT_TOKENS = 16 };

/* Positions [i * EW_ATTENTION_CHUNK, (i + 1) * EW_ATTENTION_CHUNK) are chunk i. Attention of up to
 * EW_ATTENTION_EXACT_TOKENS tokens sums every chunk apart and puts them together in their order; threads that share the
 * chunks of a call therefore change no bit of its result. */
enum { EW_ATTENTION_CHUNK = 1024 };
/* What a chunk leaves of one query row, in floats: [head_dim, padded] sums of values relative to the largest score of
 * the chunk, that score, the sum of the weights. */
size_t ew_attention_part_floats(uint32_t head_dim);

/* Whether keys or values of heads of this size can be kept in a type. */
bool ew_attention_takes(uint32_t type, uint32_t head_dim);

/* Work space for one call of attention with at most this many query rows (n_tokens * n_group). */
size_t ew_attention_scratch_bytes(uint32_t head_dim, uint32_t n_rows);

struct ew_vector_kernels {
    /* y = x / sqrt(mean(x²) + eps) · weight, n floats each. y may alias x. Source: RMSNorm, arXiv 1910.07467. */
    void (*rms_norm)(size_t n, const float *x, const float *weight, float eps, float *y);
    /* y = (x - mean(x)) / sqrt(variance(x) + eps) · weight + bias, n floats each; bias NULL: zeros. y may alias x.
     * Source: layer normalisation, arXiv 1607.06450. */
    void (*layer_norm)(size_t n, const float *x, const float *weight, const float *bias, float eps, float *y);
    /* y = silu(gate) · up, silu(z) = z / (1 + exp(-z)). y may alias gate or up. |relative error| <= 2e-6; for
     * gate < -87, where silu is below 1e-35, an absolute error of that size. */
    void (*silu_mul)(size_t n, const float *gate, const float *up, float *y);
    /* y = gelu(gate) · up. gelu is the approximation z / (1 + exp(-2u)), u = sqrt(2/π) (z + 0.044715 z³), which is
     * 0.5 z (1 + tanh u). y may alias gate or up. |relative error| <= 4e-6; where exp(-2u) leaves the range of floats,
     * an absolute error of 1e-37 |z|. Source: GELU, arXiv 1606.08415, section 2. */
    void (*gelu_mul)(size_t n, const float *gate, const float *up, float *y);
    void (*gelu)(size_t n, const float *x, float *y); /* the same without up */
    /* y = z · Φ(z), the exact form, with Φ from a polynomial: |absolute error| <= 5e-7 (1 + |z|). y may alias x. */
    void (*gelu_erf)(size_t n, const float *x, float *y);
    /* x = cap · tanh(x / cap) in place. |absolute error| <= 4e-7 cap. */
    void (*soft_cap)(size_t n, float cap, float *x);
    /* y += x */
    void (*add)(size_t n, const float *x, float *y);
    /* y += scale · x */
    void (*add_scaled)(size_t n, float scale, const float *x, float *y);
    /* Rotates n_rot values in place; cos_sin: [n_rot / 2][2]. adjacent: pairs (2i, 2i+1); halves: (i, i + n_rot/2).
     * Source: RoFormer, arXiv 2104.09864. */
    void (*rope_adjacent)(size_t n_rot, const float *cos_sin, float *x);
    void (*rope_halves)(size_t n_rot, const float *cos_sin, float *x);
    void (*f32_to_f16)(size_t n, const float *x, ew_f16 *y); /* round to nearest even; overflow to infinity */
    void (*f16_to_f32)(size_t n, const ew_f16 *x, float *y);
    void (*attention)(const struct ew_attention_args *args);
    /* The same in two steps, for at most EW_ATTENTION_EXACT_TOKENS tokens: chunks 0 … n_parts - 1 cover what they see.
     * part: [rows][part_floats], out and its stride are not used; parts: [n_parts][rows][part_floats], only n_tokens,
     * n_group, head_dim, out and its stride are used. */
    void (*attention_chunk)(const struct ew_attention_args *args, uint32_t chunk, float *part);
    void (*attention_merge)(const struct ew_attention_args *args, const float *parts, uint32_t n_parts);
    const char *isa; /* "ref", "avx2" … of the fastest variant above, for results */
};

/* Fills every entry for a feature mask (enum ew_cpu_feature): bits that this CPU lacks are ignored; 0 gives plain C. */
void ew_vector_kernels_init(struct ew_vector_kernels *v, uint64_t features);

#endif
