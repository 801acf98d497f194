/* The list of vector kernel variants of this architecture, slowest first: X(isa, feature bit that it needs).
 * It feeds their declarations, the choice in vector.c, the checks and the benches. Private to src/kernel and its tests. */
#ifndef EW_KERNEL_VECTOR_VARIANTS_H
#define EW_KERNEL_VECTOR_VARIANTS_H

#include "kernel/vector.h"
#include "machine/cpu_features.h"

#define EW_VECTOR_VARIANTS(X)

/* Blocking that tiled attention shares with ew_attention_scratch_bytes: query rows and cache positions that are worked
 * on together, and floats of state per row. Scratch holds, in f32: query and output of a block of rows, its scores of a
 * tile, its state, and K and V of the tile. */
enum { EW_ATTENTION_ROWS = 64, EW_ATTENTION_TILE = 64, EW_ATTENTION_ROW_STATE = 4 };

/* Overwrites the entries that this variant has. Call it only where the feature is present. */
#define EW_VECTOR_DECLARE(isa_, feature_) void ew_vector_install_##isa_(struct ew_vector_kernels *v);
EW_VECTOR_VARIANTS(EW_VECTOR_DECLARE)

#endif
