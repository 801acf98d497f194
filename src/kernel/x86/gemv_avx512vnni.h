/* The matrix-vector kernels of AVX-512 with VNNI, for the table in matmul_avx512vnni.c. n_tokens is at most
 * EW_GEMV_TOKENS_AVX512VNNI. */
#ifndef EW_KERNEL_X86_GEMV_AVX512VNNI_H
#define EW_KERNEL_X86_GEMV_AVX512VNNI_H

#include "kernel/matmul_table.h"

enum { EW_GEMV_TOKENS_AVX512VNNI = 4 };

#define EW_GEMV_DECLARE(name_)                                                                                         \
    void ew_gemv_##name_##_q8_avx512vnni(const struct ew_gemv_args *a);                                                \
    void ew_gemv_##name_##_r16_q8_avx512vnni(const struct ew_gemv_args *a);
EW_GEMV_DECLARE(q4_0)
EW_GEMV_DECLARE(q8_0)
EW_GEMV_DECLARE(q4_k)
EW_GEMV_DECLARE(q5_k)
EW_GEMV_DECLARE(q6_k)
#undef EW_GEMV_DECLARE

#endif
