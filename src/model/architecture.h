/* Architectures: one file each maps a configuration and a file's tensors to a plan. */
#ifndef EW_MODEL_ARCHITECTURE_H
#define EW_MODEL_ARCHITECTURE_H

#include "model/config.h"
#include "plan/plan.h"

struct ew_architecture {
    const char *name; /* as in general.architecture */
    /* Fills an empty plan. Errors: NOT_FOUND (tensor), SHAPE, UNSUPPORTED, MEMORY; the caller frees the plan. */
    enum ew_status (*build)(const struct ew_gguf *gguf, const struct ew_config *config, struct ew_plan *plan,
                            struct ew_error *err);
};

/* NULL when the engine does not run it. */
const struct ew_architecture *ew_architecture_find(const char *name);

extern const struct ew_architecture ew_architecture_llama;

/* Binding: finds tensors by name, checks type and dimensions, and keeps the first error, so that a builder reads as a
 * list of what the model has. */
struct ew_binder {
    const struct ew_gguf *gguf;
    struct ew_plan *plan;
    enum ew_status status;
    struct ew_error *err;
};

/* "blk.<layer>.<name>" or, for layer -1, "<name>": a matrix [n_out][n_in] or (n_out = 0) a vector [n_in]. */
const struct ew_gguf_tensor *ew_bind(struct ew_binder *b, int32_t layer, const char *name, uint64_t n_in,
                                     uint64_t n_out);
/* Whether the file has it. */
bool ew_bind_has(const struct ew_binder *b, int32_t layer, const char *name);
/* Appends an op, remembering a failure in the binder; never NULL (a dummy after failure). */
struct ew_op *ew_bind_op(struct ew_binder *b, enum ew_op_kind kind, int32_t layer);

#endif
