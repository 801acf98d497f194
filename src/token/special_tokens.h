/* Tokens that are found in a text before it is cut into words: control, unknown and user-defined ones. */
#ifndef EW_TOKEN_SPECIAL_TOKENS_H
#define EW_TOKEN_SPECIAL_TOKENS_H

#include "token/token_vocab.h"

struct ew_special_tokens {
    uint32_t *ids; /* [n] sorted by text */
    uint32_t n;
    uint64_t first[2][4]; /* set of first bytes: [0] of user-defined tokens, [1] of all */
};

/* Whether a token of this type is found in texts before anything else. */
static inline bool ew_special_tokens_has_type(enum ew_token_type type) {
    return type == EW_TOKEN_CONTROL || type == EW_TOKEN_UNKNOWN || type == EW_TOKEN_USER_DEFINED;
}

/* Collects and sorts; ids has room for at least the special tokens of the vocabulary. */
void ew_special_tokens_fill(struct ew_special_tokens *special, const struct ew_vocab *vocab);

/* The first place at or after `from` where a special token stands, and the longest one there. User-defined tokens
 * always count, control and unknown ones only with parse_special. false when there is none. Time: text length times
 * the longest partial match. */
bool ew_special_tokens_next(const struct ew_special_tokens *special, const struct ew_vocab *vocab, const uint8_t *text,
                            size_t n, size_t from, bool parse_special, size_t *at, uint32_t *id);

#endif
