/* Which tensors a model of a shape has, in which type, with which random values. */
#ifndef EW_MODEL_SYNTH_LAYOUT_H
#define EW_MODEL_SYNTH_LAYOUT_H

#include "edgewise/quantize.h"
#include "gguf/file_type.h"
#include "model/shapes.h"

enum ew_synth_fill {
    EW_SYNTH_NORMAL,   /* deviation around 0 */
    EW_SYNTH_NEAR_ONE, /* norm weights: deviation around 1 */
    EW_SYNTH_ROPE      /* divisors of the rotary frequencies */
};

struct ew_synth_tensor {
    char name[64];
    uint32_t n_dims;
    uint64_t ne[2]; /* GGUF order */
    enum ew_type type;
    enum ew_synth_fill fill;
    float deviation;
};

struct ew_synth_layout {
    struct ew_synth_tensor *tensors; /* [n] in file order; owned */
    uint32_t n, capacity;
    uint32_t n_fallback; /* tensors whose rows were no whole blocks of the mixture's type */
};

/* Errors: MEMORY. The caller frees with ew_synth_layout_free, also after an error. */
enum ew_status ew_synth_layout_fill(const struct ew_shape *shape, enum ew_file_type file_type,
                                    struct ew_synth_layout *layout, struct ew_error *err);
void ew_synth_layout_free(struct ew_synth_layout *layout);

#endif
