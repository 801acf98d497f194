/* Which variants run, where something other than feature flags has decided: plain numbers, zero wherever nothing has.
 * A contest fills them (kernel/contest.h), kernel/choice_text.h writes and reads them, matmul.c looks them up. */
#ifndef EW_KERNEL_KERNEL_CHOICE_H
#define EW_KERNEL_KERNEL_CHOICE_H

#include "gguf/tensor_type.h"

enum { EW_CHOICE_LAYOUTS = 2 }; /* enum ew_layout */

/* Of one weight type in one layout. Numbers of variants are 1 + their place in EW_MATMUL_VARIANTS. */
struct ew_matmul_choice {
    uint8_t few;        /* variant of matrix-vector products; 0: the best by features */
    uint8_t many;       /* variant of products with panels; 0: the same */
    uint8_t few_tokens; /* 1 + most tokens that take the matrix-vector kernel; 0: as many as it can */
};

enum ew_packed_choice { EW_PACKED_AS_LISTED, EW_PACKED_NO, EW_PACKED_YES };

struct ew_kernel_choice {
    struct ew_matmul_choice matmul[EW_TYPE_ID_END][EW_CHOICE_LAYOUTS];
    uint8_t packed[EW_TYPE_ID_END]; /* enum ew_packed_choice: what EW_WEIGHTS_AUTO does */
    bool decided[EW_TYPE_ID_END];   /* a contest has looked at this type */
    uint8_t vector;                 /* 1 + place among the vector variants, "ref" being the first; 0: by features */
};

#endif
