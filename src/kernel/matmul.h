/* Matrix products of weights in file or packed layout with one or many activation rows.
 *
 * y[t][r] (+)= Σ_i W[r][i] · x[t][i].   W: [n_out, n_in] of any decodable type; x: [n_tokens, n_in] f32; y f32.
 *
 * Quantized weights meet activations rounded to 8 bits in groups of 32 with one f32 scale per group (EW_ACT_Q8). Float
 * weights meet float activations; F16 and BF16 weights meet many tokens as 16-bit integers (EW_ACT_Q16) where that is
 * faster. A caller prepares each distinct input once per kind and shares it among products:
 *
 *     kind = ew_matmul_act_kind(k, &w, n);  ew_matmul_act_prepare(…, act);  barrier;  ew_matmul_rows(… my rows …);
 *
 * For many tokens weights are unpacked tile by tile into panels that all tokens share; for one token, or a few, fused
 * matrix-vector kernels stream the weights once. Nothing here allocates, blocks or starts threads. */
#ifndef EW_KERNEL_MATMUL_H
#define EW_KERNEL_MATMUL_H

#include "kernel/kernel.h"
#include <stdbool.h>

enum ew_layout {
    EW_LAYOUT_ROWS, /* GGUF blocks, row after row, as in the file */
    EW_LAYOUT_R16   /* 16 rows interleaved, see docs/formats.md; n_out is padded to 16 */
};

const char *ew_matmul_layout_name(enum ew_layout layout); /* "rows", "r16" */

struct ew_weight {
    const void *data;
    uint32_t type; /* enum ew_type */
    enum ew_layout layout;
    uint32_t n_in; /* a multiple of the type's block length */
    uint32_t n_out;
};

enum ew_act_kind { EW_ACT_F32, EW_ACT_Q8, EW_ACT_Q16 };
enum { EW_ACT_KINDS = 3 };
/* Up to this many tokens at once float weights meet floats everywhere: a few tokens get the bits of single ones. */
enum { EW_FEW_TOKENS = 16 };

/* ---- packing ---- */

/* Whether this table has R16 kernels for a type and they are worth using by default (EW_WEIGHTS_AUTO). */
bool ew_matmul_prefers_packed(const struct ew_kernels *k, uint32_t type);
/* Whether R16 kernels exist for it at all. */
bool ew_matmul_can_pack(const struct ew_kernels *k, uint32_t type);
/* Bytes of a weight in R16 layout. Not larger than the file's layout by more than the padding to 16 rows, except
 * where docs/formats.md says so. */
size_t ew_matmul_packed_bytes(uint32_t type, uint32_t n_in, uint32_t n_out);
/* A number that changes when the order of a type's R16 bytes does: what was packed with another one is not for these
 * kernels. */
uint32_t ew_matmul_packed_order(uint32_t type);
/* Packs rows [row_begin, row_end) of a ROWS weight into packed (the whole weight's R16 memory, 64-byte aligned).
 * row_begin is a multiple of 16; row_end too unless it is n_out (padding rows become zero). Thread-safe on disjoint
 * rows. Every table writes the same bytes. */
void ew_matmul_pack_rows(const struct ew_kernels *k, const struct ew_weight *w, uint32_t row_begin, uint32_t row_end,
                         void *packed);

/* Whether there is a kernel for a type in a layout. */
bool ew_matmul_serves(const struct ew_kernels *k, uint32_t type, enum ew_layout layout);
/* Up to this many tokens at once go through the type's matrix-vector kernel; 0: it has none, or panels are faster. */
uint32_t ew_matmul_gemv_tokens(const struct ew_kernels *k, uint32_t type, enum ew_layout layout);

/* ---- activations ---- */

/* The kind in which n_tokens rows at once meet a weight. */
enum ew_act_kind ew_matmul_act_kind(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens);
/* The most rows, of max_tokens, that ever meet a weight at once in this kind; 0: none do. */
uint32_t ew_matmul_kind_tokens(const struct ew_kernels *k, const struct ew_weight *w, enum ew_act_kind kind,
                               uint32_t max_tokens);
/* Bytes for n_tokens rows of n_in values; a multiple of 64. */
size_t ew_matmul_act_bytes(const struct ew_kernels *k, enum ew_act_kind kind, uint32_t n_in, uint32_t n_tokens);
/* Prepares tokens [token_begin, token_end) of x ([n_tokens] rows, x_stride floats apart) into act (64-byte aligned).
 * n_in is a multiple of 32. Thread-safe on disjoint tokens. */
void ew_matmul_act_prepare(const struct ew_kernels *k, enum ew_act_kind kind, uint32_t n_in, uint32_t n_tokens,
                           const float *x, size_t x_stride, uint32_t token_begin, uint32_t token_end, void *act);

/* ---- products ---- */

/* Rows come in steps of this many: callers split [0, n_out) at multiples of it, or of the grain. A power of two, >= 16,
 * <= 128. */
uint32_t ew_matmul_row_step(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens);
/* Finer cuts that are still right, at the price of some speed: a row step is a multiple of this, a power of two. */
uint32_t ew_matmul_row_grain(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens);
/* Work space that one thread needs, the maximum over all weights and n_tokens <= max_tokens. A multiple of 64. */
size_t ew_matmul_scratch_bytes(const struct ew_kernels *k, uint32_t max_tokens);

/* Up to this many tokens get from ew_matmul_rows, to the bit, what each of them gets alone, whatever rows are asked for
 * together: at least 16, and any number where all kernels of a weight add up in the same order. */
uint32_t ew_matmul_exact_tokens(const struct ew_kernels *k, const struct ew_weight *w);

/* Computes rows [row_begin, row_end) for all n_tokens; y[t * y_stride + r]. accumulate adds to y instead of
 * overwriting. act as prepared for the weight's kind at n_tokens, with the same n_in and n_tokens. y must not alias act
 * or scratch. Thread-safe on disjoint rows with separate scratch. */
void ew_matmul_rows(const struct ew_kernels *k, const struct ew_weight *w, const void *act, uint32_t n_tokens,
                    uint32_t row_begin, uint32_t row_end, bool accumulate, float *y, size_t y_stride, void *scratch);

/* Name of the kernel that ew_matmul_rows uses, e.g. "gemm_q4_0_avx512vnni"; a static string. */
const char *ew_matmul_kernel_name(const struct ew_kernels *k, const struct ew_weight *w, uint32_t n_tokens);

#endif
