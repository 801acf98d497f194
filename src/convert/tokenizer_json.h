/* tokenizer.json, the tokenizer of a Hugging Face folder, and its older form vocab.json with merges.txt.
 * Source: the serialised form of the tokenizers library. */
#ifndef EW_CONVERT_TOKENIZER_JSON_H
#define EW_CONVERT_TOKENIZER_JSON_H

#include "convert/vocabulary.h"
#include <jansson.h>

/* Fills an uninitialised vocabulary: byte-level BPE, or SentencePiece-like BPE, whose scores follow from the order of
 * the merges. `pre` not NULL: the name to use instead of the one found from the patterns. name stands before messages.
 * Errors: FORMAT, UNSUPPORTED (other models, patterns that no pre-tokenizer here has), MEMORY. */
enum ew_status ew_tokenizer_json_read(const char *name, const json_t *root, const char *pre, struct ew_vocabulary *out,
                                      struct ew_error *err);

/* The same from vocab.json and merges.txt; `pre` says how text is cut, which those files do not. */
enum ew_status ew_vocab_json_read(const char *name, const json_t *vocab, const char *merges, size_t n_merges,
                                  const char *pre, struct ew_vocabulary *out, struct ew_error *err);

/* Whether it is byte-level BPE, which writes bytes as characters; the others spell unknown ones in byte tokens. */
bool ew_tokenizer_json_is_byte_level(const json_t *root);

/* Sets the tokens in its list added_tokens, which keep the score they have. FORMAT, MEMORY. */
enum ew_status ew_tokenizer_json_read_added(const char *name, const json_t *root, struct ew_vocabulary *vocabulary,
                                            struct ew_error *err);

/* The name in tokenizer.ggml.pre for the pre_tokenizer of a tokenizer.json; NULL for patterns not known. */
const char *ew_tokenizer_json_pre(const json_t *root);

#endif
