/* Facts about GGUF tensor types: names and block sizes. Source: GGUF specification, ggml type ids. */
#ifndef EW_GGUF_TENSOR_TYPE_H
#define EW_GGUF_TENSOR_TYPE_H

#include "edgewise/quantize.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EW_TYPE_ID_END 40 /* type ids of the specification are below this */

struct ew_type_traits {
    const char *name;     /* "Q4_K" */
    uint32_t block_elems; /* elements a block holds */
    uint32_t block_bytes;
    bool decodable; /* src/quant has a decoder */
};

/* Traits of a type id as found in a file; NULL for an unknown or retired id. Knows every id of the specification (so
 * that sizes can be printed and checked), decodable or not. */
const struct ew_type_traits *ew_type_traits(uint32_t type);

/* Bytes of one row of n elements; 0 when n is not a multiple of the block length, on overflow or unknown types. */
size_t ew_type_row_bytes(uint32_t type, size_t n);

/* Type by name, any case ("q4_k"); false when unknown. */
bool ew_type_by_name(const char *name, enum ew_type *out);

#endif
