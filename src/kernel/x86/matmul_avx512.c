/* Matrix products of AVX-512 without VNNI: float weights. Quantized ones come from AVX2 or AVX-512-VNNI. */
#include "kernel/x86/lanes_avx512.h"

#define EW_FLOAT_TOKENS 12
#include "kernel/x86/float_body.h"

const struct ew_matmul_kernels ew_matmul_avx512 = {
    .isa = "avx512",
    .base = &ew_matmul_avx2,
    .pack_strip = ew_pack_strip_avx512,
    .entry = {[EW_LAYOUT_ROWS] = {FLOAT_ENTRIES(avx512)}},
};
