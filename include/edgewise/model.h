/* Model files: open, describe, tokenize.
 *
 * A model is an opened GGUF file with its weights mapped, not read. It is immutable after ew_model_open and may be
 * shared by any number of sessions and threads. Sessions must be closed before their model. */
#ifndef EDGEWISE_MODEL_H
#define EDGEWISE_MODEL_H

#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ew_model;

struct ew_model_info {
    const char *name;           /* general.name, or "" */
    const char *architecture;   /* general.architecture, e.g. "llama" */
    const char *file_type;      /* e.g. "Q4_K_M"; "" when the file does not say */
    const char *tokenizer_note; /* what of the tokenizer had to be guessed, one line for the user; "" for nothing */
    bool synthetic;             /* weights are random: speed and memory are real, text is not */
    uint64_t n_params;
    uint64_t weights_bytes; /* all tensors, as stored */
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab;
    uint32_t n_ctx_train; /* context length the model was trained for */
};

/* Opens and maps a GGUF file, binds the tensors of its architecture and loads its tokenizer.
 * *out is owned by the caller: ew_model_close. Errors: IO, FORMAT, UNSUPPORTED, SHAPE, MEMORY. */
enum ew_status ew_model_open(const char *path, struct ew_model **out, struct ew_error *err);
void ew_model_close(struct ew_model **model); /* NULL and *NULL are fine; sets *model to NULL */

/* Strings live as long as the model. */
struct ew_model_info ew_model_info(const struct ew_model *model);

/* What running the model does, one line per operation, layers that do the same told once: for people. Owned by the
 * caller (free); NULL when memory is short. */
char *ew_model_explain(const struct ew_model *model);

enum ew_tokenize_flags {
    EW_TOKENIZE_ADD_SPECIAL = 1,  /* add BOS (and EOS) where the model's metadata asks for them */
    EW_TOKENIZE_PARSE_SPECIAL = 2 /* text such as "<|eot_id|>" becomes the control token it names */
};

/* Token ids of text[0..n_bytes) into ids[0..capacity); *n_ids is the full count even where capacity is smaller
 * (then the status is EW_ERR_LIMIT and ids holds the first `capacity`). Invalid UTF-8 is passed through as bytes. */
enum ew_status ew_model_tokenize(const struct ew_model *model, const char *text, size_t n_bytes, unsigned flags,
                                 int32_t *ids, size_t capacity, size_t *n_ids, struct ew_error *err);

/* The bytes of one token into buf (not NUL-terminated); returns their count, or the count needed when larger than
 * capacity. Control tokens give 0 bytes unless `special`. Ids outside the vocabulary give 0.
 * A piece may be half of a UTF-8 character: text_stream.h joins them. */
size_t ew_model_token_bytes(const struct ew_model *model, int32_t id, bool special, char *buf, size_t capacity);

/* Whether generation should stop after this token (EOS, EOT, EOM …). */
bool ew_model_token_is_end(const struct ew_model *model, int32_t id);

#ifdef __cplusplus
}
#endif

#endif
