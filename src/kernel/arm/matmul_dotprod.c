/* Matrix products for ARMv8.2 with dot products (Cortex-A55, A76 and later: Raspberry Pi 5, Jetson Orin): the integer
 * primitives are in matmul_dots_sdot.h, the kernels in matmul_body.h. */
#include "kernel/matmul_table.h"

#include <arm_neon.h>

#define NAME(text) text "_dotprod"
#include "kernel/arm/matmul_dots_sdot.h"
#include "kernel/arm/matmul_tile_quads.h"

#include "kernel/arm/matmul_body.h"

const struct ew_matmul_kernels ew_matmul_dotprod = {
    .isa = "dotprod",
    .base = &ew_matmul_neon,
    .entry = MATMUL_BODY_ENTRIES,
};
