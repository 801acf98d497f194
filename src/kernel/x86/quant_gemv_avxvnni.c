/* Matrix-vector products of quantized weights for avxvnni, see quant_gemv_body.h. */
#include "kernel/x86/lanes_avx2.h"

#define EW_ISA avxvnni
#include "kernel/x86/quant_gemv_body.h"
