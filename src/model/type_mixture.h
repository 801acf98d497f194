/* Which type a matrix has in a file of a file type: the mixture of llama.cpp's quantizer (llama-quant.cpp, choice of
 * the tensor type, without an importance matrix), so that a synthetic file has the bytes of a real one. */
#ifndef EW_MODEL_TYPE_MIXTURE_H
#define EW_MODEL_TYPE_MIXTURE_H

#include "edgewise/quantize.h"
#include "gguf/file_type.h"
#include <stdbool.h>

/* What the choice depends on. ROLE_HEAD: the output matrix, also where it is the embedding. */
enum ew_matrix_role {
    EW_ROLE_PLAIN,
    EW_ROLE_HEAD,
    EW_ROLE_KEY,
    EW_ROLE_VALUE,
    EW_ROLE_DOWN,
    EW_ROLE_ATTENTION_OUTPUT,
    EW_ROLE_FUSED_QKV
};

struct ew_matrix_place {
    enum ew_matrix_role role;
    uint32_t layer, n_layer;
    uint32_t heads_per_kv; /* query heads that share a key */
    uint64_t row;          /* elements */
    uint32_t n_expert;     /* 0: none; with eight, keys, values and the attention's output get more bits */
};

/* The type of a matrix; *fallback: whether it is another than the mixture's because the row is no whole number of
 * blocks. A row is a multiple of 32. */
enum ew_type ew_mixture_type(enum ew_file_type file_type, struct ew_matrix_place place, bool *fallback);

#endif
