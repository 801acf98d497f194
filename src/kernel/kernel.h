/* The kernel table: every entry starts as the plain C reference and is overwritten by the variants that the CPU and
 * the operating system support. Filled once, then read-only and shared between threads. */
#ifndef EW_KERNEL_KERNEL_H
#define EW_KERNEL_KERNEL_H

#include "kernel/kernel_choice.h"
#include "kernel/vector.h"
#include <stdint.h>

struct ew_matmul_kernels; /* kernel/matmul_table.h: private to src/kernel */

struct ew_kernels {
    uint64_t features; /* enum ew_cpu_feature bits that entries may use */
    struct ew_vector_kernels vector;
    const struct ew_matmul_kernels *matmul;
    struct ew_kernel_choice choice; /* overrides the above where it says something */
};

/* Fills the table for a feature mask: bits that this CPU lacks are ignored; 0 gives the plain C reference. */
void ew_kernels_init(struct ew_kernels *kernels, uint64_t features);

/* Lets a choice override what features say. Variants whose features the table may not use are left out of it. */
void ew_kernels_choose(struct ew_kernels *kernels, const struct ew_kernel_choice *choice);

/* Variants of matrix products, slowest first, the plain C reference being number 0: name, and whether a table may use
 * it. The number that a choice keeps is one more. */
uint32_t ew_kernels_n_variants(void);
const char *ew_kernels_variant_name(uint32_t number);
bool ew_kernels_may_use(const struct ew_kernels *kernels, uint32_t number);
/* false: no such variant in this build. */
bool ew_kernels_variant_by_name(const char *name, uint32_t *number);

/* The same of the vector kernels. */
uint32_t ew_kernels_n_vector_variants(void);
const char *ew_kernels_vector_name(uint32_t number);
bool ew_kernels_may_use_vector(const struct ew_kernels *kernels, uint32_t number);
bool ew_kernels_vector_by_name(const char *name, uint32_t *number);

/* A number that changes with the kernels of this build: what was decided under another one must be decided again. */
uint64_t ew_kernels_fingerprint(void);

/* All features that some variant of a matrix product in this build uses. */
uint64_t ew_kernels_known_features(void);

#endif
