/* Shapes of well-known models: what `edgewise synth` writes and what predictions for models one does not have are
 * made from. Facts only; each row names its source. */
#ifndef EW_MODEL_SHAPES_H
#define EW_MODEL_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which stand-in tokenizer a synthetic file of this shape gets: kind and special tokens as the model has them. */
enum ew_shape_tokenizer {
    EW_SHAPE_TOKENS_LLAMA2, /* SentencePiece with byte tokens: <unk> <s> </s> */
    EW_SHAPE_TOKENS_MISTRAL,
    EW_SHAPE_TOKENS_PHI3,
    EW_SHAPE_TOKENS_GEMMA,
    EW_SHAPE_TOKENS_LLAMA3, /* byte-level BPE */
    EW_SHAPE_TOKENS_QWEN2,
    EW_SHAPE_TOKENS_SMOLLM2
};

struct ew_shape {
    const char *name;         /* "llama-3.2-1b": the word on the command line */
    const char *title;        /* "Llama 3.2 1B" */
    const char *architecture; /* as in general.architecture */
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_ctx_train;
    double rope_base;
    double rope_factor; /* Llama 3 frequency scaling: its factor; 0 = none */
    double norm_epsilon;
    bool tied; /* the embedding is the output matrix, too */
    enum ew_shape_tokenizer tokenizer;
    const char *source; /* where the figures stand */
};

size_t ew_shape_count(void);
const struct ew_shape *ew_shape_at(size_t index);       /* NULL beyond the end */
const struct ew_shape *ew_shape_find(const char *name); /* any case; NULL when unknown */

/* Whether this engine runs the architecture. */
bool ew_shape_runs(const struct ew_shape *shape);

/* Weights counted from the shape (norms and biases included; a tied matrix once). Equals the count its makers publish:
 * rope frequency factors are not parameters. */
uint64_t ew_shape_n_params(const struct ew_shape *shape);

/* Llama 3 frequency scaling: what position angles of dimension pair i (0 … head_dim / 2 - 1) are divided by. Wave
 * lengths below 8192 / 4 keep their frequency, those above 8192 get 1 / factor, those between a blend.
 * Source: rope_scaling of the model's config.json (low_freq_factor 1, high_freq_factor 4, 8192 original positions). */
float ew_shape_rope_divisor(const struct ew_shape *shape, uint32_t i);

#endif
