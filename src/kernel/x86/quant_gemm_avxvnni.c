/* Matrix products of AVX-VNNI: those of AVX2 with one instruction per four products of bytes or two of words. */
#include "kernel/x86/lanes_avx2.h"

#define EW_ISA avxvnni
#include "kernel/x86/quant_gemm_body.h"

#include "kernel/x86/float_words_body.h"

const struct ew_matmul_kernels ew_matmul_avxvnni = {
    .isa = "avxvnni",
    .base = &ew_matmul_avx2,
    .entry = ENTRIES(avxvnni),
    .many = WORD_ENTRIES(avxvnni),
};
