/* The kernel table: every entry starts as the plain C reference and is overwritten by the variants that the CPU and
 * the operating system support. Filled once, then read-only and shared between threads. */
#ifndef EW_KERNEL_KERNEL_H
#define EW_KERNEL_KERNEL_H

#include "kernel/vector.h"
#include <stdint.h>

struct ew_matmul_kernels; /* kernel/matmul_table.h: private to src/kernel */

struct ew_kernels {
    uint64_t features; /* enum ew_cpu_feature bits that entries may use */
    struct ew_vector_kernels vector;
    const struct ew_matmul_kernels *matmul;
};

/* Fills the table for a feature mask: bits that this CPU lacks are ignored; 0 gives the plain C reference. */
void ew_kernels_init(struct ew_kernels *kernels, uint64_t features);

/* All features that some variant of a matrix product in this build uses. */
uint64_t ew_kernels_known_features(void);

#endif
