/* Matrix products for ARMv8.6 with 8-bit matrix multiplication (Cortex-A510, A710, X2 and later, Neoverse N2 and V1:
 * Graviton 3, Jetson Thor): panels go by smmla, 32 products per instruction (matmul_tile_pairs.h). One token leaves
 * half of such an instruction idle, so matrix-vector products stay with sdot. */
#include "kernel/matmul_table.h"

#include <arm_neon.h>

#define NAME(text) text "_i8mm"
#include "kernel/arm/matmul_dots_sdot.h"
#include "kernel/arm/matmul_tile_pairs.h"

#include "kernel/arm/matmul_body.h"

const struct ew_matmul_kernels ew_matmul_i8mm = {
    .isa = "i8mm",
    .base = &ew_matmul_dotprod,
    .entry = MATMUL_BODY_ENTRIES,
};
