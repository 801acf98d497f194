/* Conversion: a Hugging Face folder or a llama2.c checkpoint becomes one GGUF file, as a stream. What is not understood
 * is refused: a model that loads but computes something else would be worse than none. */
#ifndef EW_CONVERT_CONVERT_H
#define EW_CONVERT_CONVERT_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stdint.h>

struct ew_convert_params {
    const char *source;    /* a folder, or a llama2.c .bin file */
    const char *tokenizer; /* llama2.c: its tokenizer.bin; NULL: tokenizer.bin beside the checkpoint */
    const char *type;      /* "auto", "f32", "f16", "bf16", "q8_0" */
    const char *name;      /* general.name; NULL: the folder's or file's own */
    const char *pre;       /* tokenizer.ggml.pre; NULL: found from the tokenizer's patterns */
    /* May be NULL; called some times a second with bytes done and in all; false stops the writing (CANCELLED). */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

struct ew_convert_summary {
    char architecture[32], name[128], file_type[16], pre[32];
    uint64_t file_bytes, n_params;
    uint32_t n_tensors, n_vocab;
    uint32_t n_fallback; /* matrices in F16 because their rows are no multiple of the type's block */
    uint32_t n_ignored;  /* stored tensors that carry nothing of the model: masks, vision towers … */
    uint32_t n_padded;   /* rows of the embedding that no token has */
    uint32_t n_dropped;  /* added tokens that have no row of the embedding */
};

/* Whether type is one of the names above, any case. */
bool ew_convert_knows_type(const char *type);

/* Reads and checks everything but the weights' values, and says what the file would be. Errors: as ew_convert_write,
 * less IO. */
enum ew_status ew_convert_measure(const struct ew_convert_params *params, struct ew_convert_summary *out,
                                  struct ew_error *err);

/* Writes the file; memory: the tokenizer and some MiB, whatever the model's size. An older file of that name is
 * replaced once the new one is complete. summary may be NULL. Errors: NOT_FOUND (source, weights, tokenizer, tensor),
 * FORMAT, SHAPE, UNSUPPORTED (architecture, type …), ARGUMENT (type), LIMIT, MEMORY, CANCELLED, and what
 * ew_gguf_writer_begin gives. */
enum ew_status ew_convert_write(const struct ew_convert_params *params, const char *path,
                                struct ew_convert_summary *summary, struct ew_error *err);

#endif
