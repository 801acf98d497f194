/* The list of vector kernel variants of this architecture, slowest first: X(isa, feature bit that it needs).
 * It feeds their declarations, the choice in vector.c, the checks and the benches. Private to src/kernel. */
#ifndef EW_KERNEL_VECTOR_VARIANTS_H
#define EW_KERNEL_VECTOR_VARIANTS_H

#include "kernel/vector.h"
#include "machine/cpu_features.h"

#if defined(__x86_64__)
#define EW_VECTOR_VARIANTS(X) X(avx2, EW_CPU_AVX2) X(avx512, EW_CPU_AVX512)
#elif defined(__aarch64__)
#define EW_VECTOR_VARIANTS(X) X(neon, EW_CPU_NEON)
#else
#define EW_VECTOR_VARIANTS(X)
#endif

/* Blocking that tiled attention shares with ew_attention_scratch_bytes: query rows that share an unpacked tile, the
 * most rows of a register block, cache positions of a tile, and floats of state per row. Scratch holds, in f32: query
 * and output of a block of rows, its scores of a tile, its state, and K and V of the tile. Attention of a few tokens
 * takes at most EW_ATTENTION_LANES rows at once and then needs no more than that. */
enum { EW_ATTENTION_ROWS = 96, EW_ATTENTION_LANES = 48, EW_ATTENTION_TILE = 64, EW_ATTENTION_ROW_STATE = 4 };

enum { EW_ATTENTION_MAX_DIM = 256 };

#define EW_LOG2_E 0x1.715476p+0f

/* First position that the queries of token t see. */
static inline uint32_t ew_attention_first(const struct ew_attention_args *a, uint32_t t) {
    uint32_t end = a->pos0 + t + 1;
    return a->window && end > a->window ? end - a->window : 0;
}

/* Where the chunk of a position ends, or the positions do. */
static inline uint32_t ew_attention_next_chunk(uint32_t position, uint32_t end) {
    uint32_t next = position / EW_ATTENTION_CHUNK * EW_ATTENTION_CHUNK + EW_ATTENTION_CHUNK;
    return next < end ? next : end;
}

/* Overwrites the entries that this variant has. Call it only where the feature is present. */
#define EW_VECTOR_DECLARE(isa_, feature_) void ew_vector_install_##isa_(struct ew_vector_kernels *v);
EW_VECTOR_VARIANTS(EW_VECTOR_DECLARE)

#endif
