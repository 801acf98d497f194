/* The matrix-vector kernels of the x86 variants, for the tables in their quant_gemm files: ew_gemv_<type>_q8_<isa> and
 * ew_gemv_<type>_r16_q8_<isa>. */
#ifndef EW_KERNEL_X86_QUANT_GEMV_H
#define EW_KERNEL_X86_QUANT_GEMV_H

#include "kernel/matmul_table.h"

#define EW_GEMV_DECLARE(name_, isa_)                                                                                   \
    void ew_gemv_##name_##_q8_##isa_(const struct ew_gemv_args *a);                                                    \
    void ew_gemv_##name_##_r16_q8_##isa_(const struct ew_gemv_args *a);
#define EW_GEMV_DECLARE_ALL(isa_)                                                                                      \
    EW_GEMV_DECLARE(q4_0, isa_)                                                                                        \
    EW_GEMV_DECLARE(q4_1, isa_)                                                                                        \
    EW_GEMV_DECLARE(q5_0, isa_)                                                                                        \
    EW_GEMV_DECLARE(q5_1, isa_)                                                                                        \
    EW_GEMV_DECLARE(iq4_nl, isa_)                                                                                      \
    EW_GEMV_DECLARE(q2_k, isa_)                                                                                        \
    EW_GEMV_DECLARE(q3_k, isa_)                                                                                        \
    EW_GEMV_DECLARE(iq4_xs, isa_)                                                                                      \
    EW_GEMV_DECLARE(q8_0, isa_)                                                                                        \
    EW_GEMV_DECLARE(q4_k, isa_)                                                                                        \
    EW_GEMV_DECLARE(q5_k, isa_)                                                                                        \
    EW_GEMV_DECLARE(q6_k, isa_)
EW_GEMV_DECLARE_ALL(avx2)
EW_GEMV_DECLARE_ALL(avxvnni)
EW_GEMV_DECLARE_ALL(avx512vnni)

/* Types that none of those serves, in the file's layout: with a scale per 32 columns, and per 16. */
void ew_gemv_levels_avx2(const struct ew_gemv_args *a);
void ew_gemv_halves_avx2(const struct ew_gemv_args *a);

#endif
