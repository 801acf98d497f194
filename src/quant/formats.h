/* The block formats, one file each: an encoder, and an unpacker that gives a block's levels (quant/levels.h); the plain
 * references that kernels are checked against. n is a multiple of the block length; dst and src do not overlap.
 * Encoders expect finite values; a value that is not gives some value, never undefined behaviour. IQ1, IQ2 and IQ3
 * types are read only: without a measure of what matters to the model, their encoders lose to larger types. */
#ifndef EW_QUANT_FORMATS_H
#define EW_QUANT_FORMATS_H

#include "quant/levels.h"
#include <stddef.h>

void ew_quant_encode_f16(const float *src, size_t n, void *dst);
void ew_quant_decode_f16(const void *src, size_t n, float *dst);
void ew_quant_encode_bf16(const float *src, size_t n, void *dst);
void ew_quant_decode_bf16(const void *src, size_t n, float *dst);

void ew_quant_encode_q8_0(const float *src, size_t n, void *dst);
void ew_quant_encode_tq1_0(const float *src, size_t n, void *dst);
void ew_quant_encode_tq2_0(const float *src, size_t n, void *dst);
void ew_quant_encode_mxfp4(const float *src, size_t n, void *dst);

/* Encodes one block so that Σ weight[i] * error[i]² is small; weights as in quant/fit.h. */
typedef void ew_search_fn(const float *x, const float *weight, void *block);

ew_search_fn ew_quant_search_q4_0, ew_quant_search_q4_1, ew_quant_search_q5_0, ew_quant_search_q5_1;
ew_search_fn ew_quant_search_q2_k, ew_quant_search_q3_k, ew_quant_search_q4_k, ew_quant_search_q5_k;
ew_search_fn ew_quant_search_q6_k, ew_quant_search_iq4_nl, ew_quant_search_iq4_xs;

ew_levels_fn ew_quant_unpack_q4_0, ew_quant_unpack_q4_1, ew_quant_unpack_q5_0, ew_quant_unpack_q5_1;
ew_levels_fn ew_quant_unpack_q8_0, ew_quant_unpack_q2_k, ew_quant_unpack_q3_k, ew_quant_unpack_q4_k;
ew_levels_fn ew_quant_unpack_q5_k, ew_quant_unpack_q6_k, ew_quant_unpack_iq4_nl, ew_quant_unpack_iq4_xs;
ew_levels_fn ew_quant_unpack_iq2_xxs, ew_quant_unpack_iq2_xs, ew_quant_unpack_iq2_s, ew_quant_unpack_iq3_xxs;
ew_levels_fn ew_quant_unpack_iq3_s, ew_quant_unpack_iq1_s, ew_quant_unpack_iq1_m, ew_quant_unpack_tq1_0;
ew_levels_fn ew_quant_unpack_tq2_0, ew_quant_unpack_mxfp4;

#endif
