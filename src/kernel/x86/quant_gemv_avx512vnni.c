/* Matrix-vector products of quantized weights for avx512vnni, see quant_gemv_body.h. */
#include "kernel/x86/lanes_avx512.h"

#define EW_ISA avx512vnni
#include "kernel/x86/quant_gemv_body.h"
