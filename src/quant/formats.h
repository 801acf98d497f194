/* One encoder and one decoder per block format: the plain references that kernels are checked against. Each file
 * q*.c owns one format. n is a multiple of the block length; dst and src do not overlap.
 * Encoders expect finite values; a value that is not gives some value, never undefined behaviour. */
#ifndef EW_QUANT_FORMATS_H
#define EW_QUANT_FORMATS_H

#include "quant/blocks.h"
#include <stddef.h>

void ew_quant_encode_f16(const float *src, size_t n, void *dst);
void ew_quant_decode_f16(const void *src, size_t n, float *dst);
void ew_quant_encode_bf16(const float *src, size_t n, void *dst);
void ew_quant_decode_bf16(const void *src, size_t n, float *dst);
void ew_quant_encode_q8_0(const float *src, size_t n, void *dst);
void ew_quant_decode_q8_0(const void *src, size_t n, float *dst);
void ew_quant_encode_q4_0(const float *src, size_t n, void *dst);
void ew_quant_decode_q4_0(const void *src, size_t n, float *dst);
void ew_quant_encode_q4_k(const float *src, size_t n, void *dst);
void ew_quant_decode_q4_k(const void *src, size_t n, float *dst);
void ew_quant_encode_q5_k(const float *src, size_t n, void *dst);
void ew_quant_decode_q5_k(const void *src, size_t n, float *dst);
void ew_quant_encode_q6_k(const float *src, size_t n, void *dst);
void ew_quant_decode_q6_k(const void *src, size_t n, float *dst);

#endif
