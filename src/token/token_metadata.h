/* What a GGUF file says about its tokenizer, checked, before anything is allocated. */
#ifndef EW_TOKEN_METADATA_H
#define EW_TOKEN_METADATA_H

#include "token/pretokenize.h"
#include "token/token_roles.h"
#include "token/token_vocab.h"

enum ew_tokenizer_kind { EW_TOKENIZER_SPM, EW_TOKENIZER_BPE };

struct ew_token_metadata {
    enum ew_tokenizer_kind kind;
    const struct ew_gguf_kv *tokens;
    const struct ew_gguf_kv *types;         /* NULL: all normal */
    const struct ew_gguf_kv *scores;        /* SPM; NULL: all equal */
    const struct ew_gguf_kv *merges;        /* BPE */
    const struct ew_pretokenize_rule *rule; /* BPE */
    uint32_t n_vocab, n_merges, n_special;  /* n_special: at most so many tokens are found before words */
    struct ew_token_roles roles;
    bool add_bos, add_eos, add_space_prefix;
    bool collapse_spaces;      /* SPM: of spaces in a row one stays, those around the text go */
    bool special_strips_right; /* blanks after a special token go with it */
    char note[192];            /* what was guessed; "" when nothing was */
};

/* Errors: NOT_FOUND without a tokenizer, UNSUPPORTED naming the kind or the pre-tokenizer, FORMAT. */
enum ew_status ew_token_metadata_read(const struct ew_gguf *gguf, struct ew_token_metadata *out, struct ew_error *err);

#endif
