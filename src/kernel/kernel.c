/* Owns the choice of kernel variants for a feature mask. What each variant does is in vector.c, matmul.c and the
 * folders of the instruction sets. */
#include "kernel/kernel.h"

#include "kernel/matmul_table.h"

void ew_kernels_init(struct ew_kernels *kernels, uint64_t features) {
    features &= ew_cpu_features();
    *kernels = (struct ew_kernels){.features = features};
    ew_vector_kernels_init(&kernels->vector, features);
#define CHOOSE(isa_, needs_)                                                                                           \
    if ((features & (needs_)) == (needs_)) kernels->matmul = &ew_matmul_##isa_;
    EW_MATMUL_VARIANTS(CHOOSE)
#undef CHOOSE
}

uint64_t ew_kernels_known_features(void) {
#define ADD(isa_, needs_) | (uint64_t)(needs_)
    return 0 EW_MATMUL_VARIANTS(ADD);
#undef ADD
}
