/* Owns the tables of keys and names behind token_roles.h. Sources: GGUF tokenizer.ggml.*_token_id; the chat and infill
 * formats that the models' authors publish, as llama.cpp's loader collects them too. */
#include "token/token_roles.h"
#include "base/error.h"

#include <string.h>

#define BAR "\xef\xbd\x9c"   /* U+FF5C, as DeepSeek writes it */
#define BLOCK "\xe2\x96\x81" /* U+2581 */

static const char *const end_names[] = {
    "</s>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<eos>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<" BAR "end" BLOCK "of" BLOCK "sentence" BAR ">",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<turn|>",
    "[e~[",
};
_Static_assert(sizeof end_names / sizeof *end_names == EW_TOKEN_END_NAMES, "the count in token_roles.h");

bool ew_token_name_ends_text(const char *name) {
    for (size_t i = 0; i < EW_TOKEN_END_NAMES; i++)
        if (strcmp(name, end_names[i]) == 0) return true;
    return false;
}

static const struct {
    const char *key, *older_key;
    const char *names[8];
} fim_table[EW_N_FIM] = {
    [EW_FIM_PREFIX] = {"tokenizer.ggml.fim_pre_token_id",
                       "tokenizer.ggml.prefix_token_id",
                       {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<" BAR "fim" BLOCK "begin" BAR ">", "<PRE>",
                        BLOCK "<PRE>", "<|code_prefix|>", "<|prefix|>"}},
    [EW_FIM_SUFFIX] = {"tokenizer.ggml.fim_suf_token_id",
                       "tokenizer.ggml.suffix_token_id",
                       {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<" BAR "fim" BLOCK "hole" BAR ">", "<SUF>",
                        BLOCK "<SUF>", "<|code_suffix|>", "<|suffix|>"}},
    [EW_FIM_MIDDLE] = {"tokenizer.ggml.fim_mid_token_id",
                       "tokenizer.ggml.middle_token_id",
                       {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<" BAR "fim" BLOCK "end" BAR ">", "<MID>",
                        BLOCK "<MID>", "<|code_middle|>", "<|middle|>"}},
    [EW_FIM_PAD] = {"tokenizer.ggml.fim_pad_token_id", NULL, {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>"}},
    [EW_FIM_REPO] = {"tokenizer.ggml.fim_rep_token_id",
                     NULL,
                     {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
    [EW_FIM_FILE] = {"tokenizer.ggml.fim_sep_token_id", NULL, {"<|file_sep|>"}},
};

static enum ew_status read_id(const struct ew_gguf *gguf, const char *key, uint32_t n_vocab, uint32_t missing,
                              uint32_t *out, struct ew_error *err) {
    if (!ew_gguf_find_kv(gguf, key)) {
        *out = missing < n_vocab ? missing : EW_TOKEN_NONE;
        return EW_OK;
    }
    uint64_t id;
    enum ew_status status = ew_gguf_get_u64(gguf, key, &id, err);
    if (status) return status;
    if (id >= n_vocab && id != UINT32_MAX) /* writers put -1 for none */
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %s: %llu is outside the vocabulary of %u tokens",
                            ew_gguf_path(gguf), key, (unsigned long long)id, n_vocab);
    *out = (uint32_t)id;
    return EW_OK;
}

enum ew_status ew_token_roles_read(const struct ew_gguf *gguf, uint32_t n_vocab, bool spm, struct ew_token_roles *out,
                                   struct ew_error *err) {
    struct ew_token_roles roles;
    const struct {
        const char *key;
        uint32_t missing, *out;
    } ids[] = {
        {"tokenizer.ggml.bos_token_id", spm ? 1 : EW_TOKEN_NONE, &roles.bos},
        {"tokenizer.ggml.eos_token_id", spm ? 2 : EW_TOKEN_NONE, &roles.eos},
        {"tokenizer.ggml.unknown_token_id", spm ? 0 : EW_TOKEN_NONE, &roles.unknown},
        {"tokenizer.ggml.eot_token_id", EW_TOKEN_NONE, &roles.eot},
        {"tokenizer.ggml.eom_token_id", EW_TOKEN_NONE, &roles.eom},
    };
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < sizeof ids / sizeof *ids && !status; i++)
        status = read_id(gguf, ids[i].key, n_vocab, ids[i].missing, ids[i].out, err);
    for (size_t i = 0; i < EW_N_FIM && !status; i++) {
        const char *older = fim_table[i].older_key, *key = fim_table[i].key;
        if (older && !ew_gguf_find_kv(gguf, key)) key = older;
        status = read_id(gguf, key, n_vocab, EW_TOKEN_NONE, &roles.fim[i], err);
    }
    if (!status) *out = roles;
    return status;
}

static void mark_end(struct ew_vocab *vocab, uint32_t id) {
    if (id != EW_TOKEN_NONE) vocab->attrs[id] |= EW_TOKEN_IS_END;
}

static bool has_token(const struct ew_vocab *vocab, const char *name) {
    return ew_vocab_find(vocab, name, strlen(name)) != EW_TOKEN_NONE;
}

static void apply_ends(struct ew_vocab *vocab) {
    /* Where <|call|> and its kin end a turn, <|end|> only ends a message within it. */
    const bool inner_end = (has_token(vocab, "<|return|>") && has_token(vocab, "<|call|>")) ||
                           (has_token(vocab, "<|flush|>") && has_token(vocab, "<|calls|>"));
    for (size_t i = 0; i < EW_TOKEN_END_NAMES; i++) {
        const char *name = end_names[i];
        const uint32_t id = ew_vocab_find(vocab, name, strlen(name));
        if (id == EW_TOKEN_NONE) continue;
        /* Where it is no control token it closes struck-out text: Gemma and Qwen2 have HTML tags among their tokens. */
        if (strcmp(name, "</s>") == 0 && ew_vocab_type(vocab, id) != EW_TOKEN_CONTROL) continue;
        vocab->attrs[id] = EW_TOKEN_CONTROL;
        if (!inner_end || strcmp(name, "<|end|>") != 0) mark_end(vocab, id);
    }
}

static uint32_t find_fim(const struct ew_vocab *vocab, size_t which) {
    for (size_t i = 0; i < sizeof fim_table->names / sizeof *fim_table->names && fim_table[which].names[i]; i++) {
        const char *name = fim_table[which].names[i];
        const uint32_t id = ew_vocab_find(vocab, name, strlen(name));
        /* A plain token may spell an HTML <PRE>; CodeLlama's begin with the mark of a space. */
        if (id != EW_TOKEN_NONE && (ew_vocab_type(vocab, id) != EW_TOKEN_NORMAL || strncmp(name, BLOCK, 3) == 0))
            return id;
    }
    return EW_TOKEN_NONE;
}

void ew_token_roles_apply(struct ew_token_roles *roles, struct ew_vocab *vocab) {
    apply_ends(vocab);
    mark_end(vocab, roles->eos);
    mark_end(vocab, roles->eot);
    mark_end(vocab, roles->eom);
    for (size_t i = 0; i < EW_N_FIM; i++)
        if (roles->fim[i] == EW_TOKEN_NONE) roles->fim[i] = find_fim(vocab, i);
    /* A model that fills a gap goes on to the next file when it is done. */
    for (size_t i = EW_FIM_PAD; i < EW_N_FIM; i++) mark_end(vocab, roles->fim[i]);
}
