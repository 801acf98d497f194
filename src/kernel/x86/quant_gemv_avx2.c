/* Matrix-vector products of quantized weights for avx2, see quant_gemv_body.h. */
#include "kernel/x86/lanes_avx2.h"

#define EW_ISA avx2
#include "kernel/x86/quant_gemv_body.h"
