/* Tensor types of GGUF files: facts about them. Encoding follows the block formats of the GGUF specification. */
#ifndef EDGEWISE_QUANTIZE_H
#define EDGEWISE_QUANTIZE_H

#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values are the type ids of the GGUF specification. */
enum ew_type {
    EW_TYPE_F32 = 0,
    EW_TYPE_F16 = 1,
    EW_TYPE_Q4_0 = 2,
    EW_TYPE_Q4_1 = 3,
    EW_TYPE_Q5_0 = 6,
    EW_TYPE_Q5_1 = 7,
    EW_TYPE_Q8_0 = 8,
    EW_TYPE_Q2_K = 10,
    EW_TYPE_Q3_K = 11,
    EW_TYPE_Q4_K = 12,
    EW_TYPE_Q5_K = 13,
    EW_TYPE_Q6_K = 14,
    EW_TYPE_IQ2_XXS = 16,
    EW_TYPE_IQ2_XS = 17,
    EW_TYPE_IQ3_XXS = 18,
    EW_TYPE_IQ1_S = 19,
    EW_TYPE_IQ4_NL = 20,
    EW_TYPE_IQ3_S = 21,
    EW_TYPE_IQ2_S = 22,
    EW_TYPE_IQ4_XS = 23,
    EW_TYPE_IQ1_M = 29,
    EW_TYPE_BF16 = 30,
    EW_TYPE_TQ1_0 = 34,
    EW_TYPE_TQ2_0 = 35,
    EW_TYPE_MXFP4 = 39
};

/* Encodes one row. src: [n] f32; dst: [n / block] blocks of `type`, at least ew_type_row_bytes(type, n) bytes.
 * n is a multiple of the block length. IQ1, IQ2 and IQ3 types are decoded only. Errors: UNSUPPORTED, SHAPE. */
enum ew_status ew_quantize_row(enum ew_type type, const float *src, size_t n, void *dst, struct ew_error *err);

/* The same, so that Σ weight[i] * error[i]² is small: weight: [n], finite and not negative, what each column of the
 * matrix matters; only ratios count. NULL: all the same. Types that do not search, see below, encode as without. */
enum ew_status ew_quantize_row_weighted(enum ew_type type, const float *src, const float *weight, size_t n, void *dst,
                                        struct ew_error *err);

/* Whether a type's encoder makes use of weights: those with fewer than 8 bits, but for ternary types and MXFP4. */
bool ew_quantize_takes_weights(enum ew_type type);

/* Decodes one row: the plain reference. */
enum ew_status ew_dequantize_row(enum ew_type type, const void *src, size_t n, float *dst, struct ew_error *err);

#ifdef __cplusplus
}
#endif

#endif
