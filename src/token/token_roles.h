/* Which tokens end a generation, and which ones frame a text with a gap: by the keys of the file, and by names that
 * well-known models use where the file has no key. */
#ifndef EW_TOKEN_ROLES_H
#define EW_TOKEN_ROLES_H

#include "token/token_vocab.h"

/* Fill in the middle: the text goes PREFIX before SUFFIX after MIDDLE, and the model writes what was between. */
enum ew_fim_token {
    EW_FIM_PREFIX,
    EW_FIM_SUFFIX,
    EW_FIM_MIDDLE,
    EW_FIM_PAD,
    EW_FIM_REPO, /* before a repository's name */
    EW_FIM_FILE, /* between files */
    EW_N_FIM
};

struct ew_token_roles {
    uint32_t bos, eos, unknown, eot, eom, fim[EW_N_FIM]; /* EW_TOKEN_NONE: none */
};

/* Reads the keys; spm gives the defaults that SentencePiece files leave out. FORMAT for ids outside the vocabulary. */
enum ew_status ew_token_roles_read(const struct ew_gguf *gguf, uint32_t n_vocab, bool spm, struct ew_token_roles *out,
                                   struct ew_error *err);

/* Marks the tokens that end a generation, and fills in what the keys left open, by name. Tokens with names that end a
 * generation become control tokens whatever their type says: at most EW_TOKEN_END_NAMES of them. */
void ew_token_roles_apply(struct ew_token_roles *roles, struct ew_vocab *vocab);
enum { EW_TOKEN_END_NAMES = 21 };

/* Whether a token of this name ends a generation wherever it is a control token. */
bool ew_token_name_ends_text(const char *name);

#endif
