/* Architectures: one file each maps a configuration and a file's tensors to a plan. Most of what they have in common is
 * in decoder_blocks.h; here is the list, and the binding of tensors. */
#ifndef EW_MODEL_ARCHITECTURE_H
#define EW_MODEL_ARCHITECTURE_H

#include "model/config.h"
#include "plan/plan.h"

/* Binding: finds tensors by name, checks type and dimensions, and keeps the first error, so that a builder reads as a
 * list of what the model has. */
struct ew_binder {
    const struct ew_gguf *gguf;
    const struct ew_config *config;
    struct ew_plan *plan;
    int32_t layer;          /* the one being built; -1 outside the layers */
    enum ew_norm_kind norm; /* the architecture's; set first */
    bool *used;             /* [tensors of the file] bound so far */
    enum ew_status status;
    struct ew_error *err;
};

struct ew_architecture {
    const char *name;                   /* as in general.architecture */
    void (*build)(struct ew_binder *b); /* fills the empty plan */
};

/* NULL when the engine does not run it. */
const struct ew_architecture *ew_architecture_find(const char *name);

/* Names of all architectures, separated by ", ". A static string. */
const char *ew_architecture_names(void);

/* Fills an empty plan; the caller frees it, also after an error. Refuses files with tensors that the architecture does
 * not know: a result without them would be wrong and look right.
 * Errors: NOT_FOUND (tensor), SHAPE, UNSUPPORTED, MEMORY. */
enum ew_status ew_architecture_build(const struct ew_architecture *architecture, const struct ew_gguf *gguf,
                                     const struct ew_config *config, struct ew_plan *plan, struct ew_error *err);

/* X(name): the architectures; each is ew_architecture_<name> in arch_<name>.c, or in its sibling's file. */
#define EW_ARCHITECTURES(X)                                                                                            \
    X(llama)                                                                                                           \
    X(qwen2)                                                                                                           \
    X(qwen3)                                                                                                           \
    X(qwen3moe)                                                                                                        \
    X(gemma)                                                                                                           \
    X(gemma2)                                                                                                          \
    X(gemma3)                                                                                                          \
    X(phi2)                                                                                                            \
    X(phi3)                                                                                                            \
    X(gptneox)                                                                                                         \
    X(gpt2)                                                                                                            \
    X(starcoder2)                                                                                                      \
    X(internlm2)                                                                                                       \
    X(stablelm)                                                                                                        \
    X(olmo2)                                                                                                           \
    X(granite)                                                                                                         \
    X(smollm3)                                                                                                         \
    X(lfm2)

#define EW_ARCHITECTURE_DECLARE(name_) extern const struct ew_architecture ew_architecture_##name_;
EW_ARCHITECTURES(EW_ARCHITECTURE_DECLARE)

/* The tensor "<name>", or inside a layer "blk.<layer>.<name>", as a vector of n, a matrix [n_out][n_in], or matrices
 * [n_expert][n_out][n_in]. Never NULL (a dummy after failure). */
const struct ew_gguf_tensor *ew_bind_vector(struct ew_binder *b, const char *name, uint64_t n);
const struct ew_gguf_tensor *ew_bind_matrix(struct ew_binder *b, const char *name, uint64_t n_in, uint64_t n_out);
const struct ew_gguf_tensor *ew_bind_experts(struct ew_binder *b, const char *name, uint64_t n_in, uint64_t n_out,
                                             uint64_t n_expert);
/* count vectors of n that no product takes, [count][n]: a norm's for each head, the taps of a convolution. */
const struct ew_gguf_tensor *ew_bind_vectors(struct ew_binder *b, const char *name, uint64_t n, uint64_t count);
/* The same vector where the file has it, else NULL. */
const struct ew_gguf_tensor *ew_bind_optional(struct ew_binder *b, const char *name, uint64_t n);
/* The tensor as it is, without binding it; NULL where the file has none. */
const struct ew_gguf_tensor *ew_bind_peek(const struct ew_binder *b, const char *name);
bool ew_bind_has(const struct ew_binder *b, const char *name);

/* Rows [row, row + n_rows) of a bound tensor; never NULL. */
const struct ew_gguf_tensor *ew_bind_rows(struct ew_binder *b, const struct ew_gguf_tensor *tensor, uint64_t row,
                                          uint64_t n_rows);

/* Appends an op of the binder's layer, remembering a failure; never NULL (a dummy after failure). */
struct ew_op *ew_bind_op(struct ew_binder *b, enum ew_op_kind kind);

/* Makes a buffer at least this wide, and returns it. */
enum ew_buffer ew_bind_buffer(struct ew_binder *b, enum ew_buffer buffer, uint32_t width);

#endif
