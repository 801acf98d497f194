/* SentencePiece BPE: pairs merge by the score of the token they give; what has no token is spelled in bytes.
 * Source: SentencePiece (bpe_model), GGUF tokenizer.ggml.model = "llama". */
#ifndef EW_TOKEN_SPM_H
#define EW_TOKEN_SPM_H

#include "token/merge_queue.h"
#include "token/token_sink.h"

struct ew_spm {
    const struct ew_vocab *vocab;
    const uint8_t *scores; /* float32 [n] in the mapping, any alignment; NULL: all equal */
    uint32_t byte_ids[256];
    uint32_t unknown_id; /* EW_TOKEN_NONE: none */
    bool spaces_inside;  /* some token has a space after another character, so words cannot be taken one by one */
};

/* Finds the byte tokens and looks through the texts. scores as in the struct. */
void ew_spm_fill(struct ew_spm *spm, const struct ew_vocab *vocab, const uint8_t *scores, uint32_t unknown_id);

struct ew_spm_spacing {
    bool prefix;                  /* a space is put before the text */
    bool collapse;                /* of spaces in a row one stays */
    bool strip_left, strip_right; /* with collapse: the text begins or ends here, and none stays */
};

/* Tokens of text. Errors: MEMORY, LIMIT, UNSUPPORTED (a character that has neither token nor bytes nor an unknown
 * token). */
enum ew_status ew_spm_encode(const struct ew_spm *spm, const uint8_t *text, size_t n, struct ew_spm_spacing spacing,
                             struct ew_token_sink *sink, struct ew_error *err);

/* Bytes of a token as text; see ew_tokenizer_token_bytes. */
size_t ew_spm_token_bytes(const struct ew_spm *spm, uint32_t id, char *buf, size_t capacity);

#endif
