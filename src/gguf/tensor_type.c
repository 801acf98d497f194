/* Owns the table of tensor types. Sizes of all types of the specification are here, so that any well-formed file can be
 * listed; which of them can be computed with is src/quant's matter. */
#include "gguf/tensor_type.h"

#include <strings.h>

enum { DECODABLE = true, SIZE_ONLY = false };

/* Ids 4, 5, 31-33 and 36-38 were retired from the specification. */
static const struct ew_type_traits table[] = {
    [0] = {"F32", 1, 4, DECODABLE},         [1] = {"F16", 1, 2, DECODABLE},
    [2] = {"Q4_0", 32, 18, DECODABLE},      [3] = {"Q4_1", 32, 20, DECODABLE},
    [6] = {"Q5_0", 32, 22, DECODABLE},      [7] = {"Q5_1", 32, 24, DECODABLE},
    [8] = {"Q8_0", 32, 34, DECODABLE},      [9] = {"Q8_1", 32, 36, SIZE_ONLY},
    [10] = {"Q2_K", 256, 84, DECODABLE},    [11] = {"Q3_K", 256, 110, DECODABLE},
    [12] = {"Q4_K", 256, 144, DECODABLE},   [13] = {"Q5_K", 256, 176, DECODABLE},
    [14] = {"Q6_K", 256, 210, DECODABLE},   [15] = {"Q8_K", 256, 292, SIZE_ONLY},
    [16] = {"IQ2_XXS", 256, 66, DECODABLE}, [17] = {"IQ2_XS", 256, 74, DECODABLE},
    [18] = {"IQ3_XXS", 256, 98, DECODABLE}, [19] = {"IQ1_S", 256, 50, DECODABLE},
    [20] = {"IQ4_NL", 32, 18, DECODABLE},   [21] = {"IQ3_S", 256, 110, DECODABLE},
    [22] = {"IQ2_S", 256, 82, DECODABLE},   [23] = {"IQ4_XS", 256, 136, DECODABLE},
    [24] = {"I8", 1, 1, SIZE_ONLY},         [25] = {"I16", 1, 2, SIZE_ONLY},
    [26] = {"I32", 1, 4, SIZE_ONLY},        [27] = {"I64", 1, 8, SIZE_ONLY},
    [28] = {"F64", 1, 8, SIZE_ONLY},        [29] = {"IQ1_M", 256, 56, DECODABLE},
    [30] = {"BF16", 1, 2, DECODABLE},       [34] = {"TQ1_0", 256, 54, DECODABLE},
    [35] = {"TQ2_0", 256, 66, DECODABLE},   [39] = {"MXFP4", 32, 17, DECODABLE},
};
enum { N_TYPES = sizeof table / sizeof *table };
_Static_assert(N_TYPES == EW_TYPE_ID_END, "EW_TYPE_ID_END is one past the last type id");

const struct ew_type_traits *ew_type_traits(uint32_t type) {
    return type < N_TYPES && table[type].name ? &table[type] : NULL;
}

size_t ew_type_row_bytes(uint32_t type, size_t n) {
    const struct ew_type_traits *traits = ew_type_traits(type);
    size_t bytes;
    if (!traits || n % traits->block_elems != 0) return 0;
    return __builtin_mul_overflow(n / traits->block_elems, (size_t)traits->block_bytes, &bytes) ? 0 : bytes;
}

bool ew_type_by_name(const char *name, enum ew_type *out) {
    for (uint32_t type = 0; type < N_TYPES; type++) {
        if (!table[type].name || strcasecmp(name, table[type].name) != 0) continue;
        *out = (enum ew_type)type;
        return true;
    }
    return false;
}
