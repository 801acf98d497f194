/* Tokenizers: SentencePiece BPE ("llama") and byte-level BPE ("gpt2") as GGUF files carry them. Immutable after
 * opening; thread-safe. Sources: SentencePiece BPE merge rule, GPT-2 byte alphabet, GGUF tokenizer.ggml.* keys. */
#ifndef EW_TOKEN_TOKENIZER_H
#define EW_TOKEN_TOKENIZER_H

#include "edgewise/model.h"
#include "gguf/gguf_read.h"
#include "token/token_roles.h"

struct ew_tokenizer;

/* Reads the tokenizer.* metadata. The gguf must outlive the tokenizer (strings stay in the mapping).
 * NOT_FOUND when the file has no tokenizer, UNSUPPORTED for a kind that is not known, FORMAT. */
enum ew_status ew_tokenizer_open(const struct ew_gguf *gguf, struct ew_tokenizer **out, struct ew_error *err);
void ew_tokenizer_close(struct ew_tokenizer **tokenizer);

/* Heap bytes that ew_tokenizer_open will take for this file, from its metadata alone; 0 without a usable tokenizer.
 * Exact for the tables (one block); PCRE2's share is the estimate EW_PRETOKENIZE_STAGE_BYTES per pattern. */
uint64_t ew_tokenizer_predict_bytes(const struct ew_gguf *gguf);

uint32_t ew_tokenizer_n_vocab(const struct ew_tokenizer *tokenizer);
int32_t ew_tokenizer_bos(const struct ew_tokenizer *tokenizer);                          /* -1 when there is none */
int32_t ew_tokenizer_eos(const struct ew_tokenizer *tokenizer);                          /* -1 when there is none */
int32_t ew_tokenizer_fim(const struct ew_tokenizer *tokenizer, enum ew_fim_token which); /* -1 when there is none */
/* What had to be guessed because the file does not say it, or says what is not known: one line for the user, which
 * lives as long as the tokenizer; "" when nothing was. */
const char *ew_tokenizer_note(const struct ew_tokenizer *tokenizer);
bool ew_tokenizer_adds_bos(const struct ew_tokenizer *tokenizer);
/* Whether the first piece of a decoded text starts with a space that was not in the text (SentencePiece's prefix):
 * who joins pieces to a whole text drops one leading space then; who continues a text keeps it. */
bool ew_tokenizer_strips_first_space(const struct ew_tokenizer *tokenizer);

enum ew_token_type ew_tokenizer_token_type(const struct ew_tokenizer *tokenizer,
                                           int32_t id); /* UNDEFINED: no such id */

/* Contracts as in edgewise/model.h. */
enum ew_status ew_tokenizer_encode(const struct ew_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                   unsigned flags, int32_t *ids, size_t capacity, size_t *n_ids, struct ew_error *err);
size_t ew_tokenizer_token_bytes(const struct ew_tokenizer *tokenizer, int32_t id, bool special, char *buf,
                                size_t capacity);
bool ew_tokenizer_is_end(const struct ew_tokenizer *tokenizer, int32_t id);

#endif
