/* A vocabulary on its way from a folder's tokenizer files to tokenizer.* keys of a GGUF file. Filled by one of the
 * readers (tokenizer_json.h, sentencepiece_model.h, llama2c.h), completed by folder_tokenizer.h, put by ew_vocabulary_put.
 */
#ifndef EW_CONVERT_VOCABULARY_H
#define EW_CONVERT_VOCABULARY_H

#include "gguf/gguf_write.h"
#include "token/token_vocab.h"

enum ew_vocabulary_kind { EW_VOCABULARY_SPM, EW_VOCABULARY_BPE };

/* What a file may say, or not. */
enum ew_said { EW_UNSAID, EW_SAID_NO, EW_SAID_YES };

struct ew_vocabulary_token {
    char *text; /* NULL: no token has this id so far */
    size_t size;
    float score;
    enum ew_token_type type;
};

struct ew_chat_template {
    char *name; /* "default" or a use, as "tool_use" */
    char *text;
};

struct ew_vocabulary {
    enum ew_vocabulary_kind kind;
    char pre[32]; /* tokenizer.ggml.pre */
    struct ew_vocabulary_token *tokens;
    uint32_t n_tokens, capacity;
    char **merges; /* "LEFT RIGHT" */
    uint32_t n_merges, merge_capacity;
    int64_t bos, eos, unknown, pad, eot, eom; /* -1: none */
    enum ew_said add_bos, add_eos, add_space_prefix;
    struct ew_chat_template *templates;
    uint32_t n_templates;
    uint32_t n_padded;  /* rows of the embedding without a token of their own */
    uint32_t n_dropped; /* added tokens beyond the embedding */
};

/* Starts empty. */
void ew_vocabulary_init(struct ew_vocabulary *vocabulary, enum ew_vocabulary_kind kind);
void ew_vocabulary_free(struct ew_vocabulary *vocabulary);

/* Sets the token of an id below 2^24; a later call replaces an earlier one. Errors: FORMAT (id, empty or longer than
 * 64 KiB), MEMORY. source stands before messages. */
enum ew_status ew_vocabulary_set(struct ew_vocabulary *vocabulary, const char *source, uint64_t id, const char *text,
                                 size_t size, float score, enum ew_token_type type, struct ew_error *err);
/* Keeps text as the next merge. MEMORY. */
enum ew_status ew_vocabulary_add_merge(struct ew_vocabulary *vocabulary, const char *left, size_t n_left,
                                       const char *right, size_t n_right, struct ew_error *err);
/* Keeps a template; one of that name is replaced. MEMORY. */
enum ew_status ew_vocabulary_add_template(struct ew_vocabulary *vocabulary, const char *name, const char *text,
                                          struct ew_error *err);

/* The id of a text, -1 when there is none. Special tokens are found before others of the same text. */
int64_t ew_vocabulary_find(const struct ew_vocabulary *vocabulary, const char *text);

/* Makes the vocabulary n_vocab tokens long: ids without a token get "[PADid]", and added tokens beyond are dropped
 * (Gemma 3 1B lists one for images). FORMAT where other tokens are beyond. */
enum ew_status ew_vocabulary_fit(struct ew_vocabulary *vocabulary, const char *source, uint32_t n_vocab,
                                 struct ew_error *err);

/* Puts every tokenizer.* key. MEMORY. */
enum ew_status ew_vocabulary_put(const struct ew_vocabulary *vocabulary, struct ew_gguf_writer *writer,
                                 struct ew_error *err);

#endif
