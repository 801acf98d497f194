/* Owns the tokenizer.* keys: their defaults per kind, and the checks that arrays and ids fit the vocabulary.
 * The tables built from this: token_vocab.c, bpe.c; how much memory they take: tokenizer.c. */
#include "token/token_metadata.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

static bool same(struct ew_gguf_string s, const char *text) {
    return s.size == strlen(text) && memcmp(s.data, text, s.size) == 0;
}

/* For messages: file strings may be long or no text at all. */
static int shown(struct ew_gguf_string s) { return s.size < 60 ? (int)s.size : 60; }

static enum ew_status read_flag(const struct ew_gguf *gguf, const char *key, bool missing, bool *out,
                                struct ew_error *err) {
    if (ew_gguf_find_kv(gguf, key)) return ew_gguf_get_bool(gguf, key, out, err);
    *out = missing;
    return EW_OK;
}

/* An array with one 4-byte number per token; *out stays NULL where the key is missing. */
static enum ew_status find_per_token(const struct ew_gguf *gguf, const char *key, enum ew_gguf_value_type type,
                                     uint32_t n_vocab, const struct ew_gguf_kv **out, struct ew_error *err) {
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(gguf, key);
    if (!kv) return EW_OK;
    if (type == EW_GGUF_I32 && kv->type == EW_GGUF_ARRAY && kv->element_type == EW_GGUF_U32) type = EW_GGUF_U32;
    enum ew_status status = ew_gguf_get_array(gguf, key, type, out, err);
    if (status) return status;
    if (kv->n != n_vocab)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %s: has %llu elements for %u tokens", ew_gguf_path(gguf), key,
                            (unsigned long long)kv->n, n_vocab);
    return EW_OK;
}

static enum ew_status read_kind(const struct ew_gguf *gguf, struct ew_token_metadata *meta, struct ew_error *err) {
    struct ew_gguf_string model;
    if (!ew_gguf_find_kv(gguf, "tokenizer.ggml.model"))
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: has no tokenizer (tokenizer.ggml.model is missing)",
                            ew_gguf_path(gguf));
    enum ew_status status = ew_gguf_get_string(gguf, "tokenizer.ggml.model", &model, err);
    if (status) return status;
    if (same(model, "none") || same(model, "no_vocab"))
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: has no tokenizer (tokenizer.ggml.model is `%.*s`)",
                            ew_gguf_path(gguf), shown(model), model.data);
    if (same(model, "llama")) {
        meta->kind = EW_TOKENIZER_SPM;
    } else if (same(model, "gpt2")) {
        meta->kind = EW_TOKENIZER_BPE;
    } else {
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: tokenizer `%.*s` (tokenizer.ggml.model) is not supported (`llama` and `gpt2` are)",
                            ew_gguf_path(gguf), shown(model), model.data);
    }
    return EW_OK;
}

static enum ew_status read_tokens(const struct ew_gguf *gguf, struct ew_token_metadata *meta, struct ew_error *err) {
    enum ew_status status = ew_gguf_get_array(gguf, "tokenizer.ggml.tokens", EW_GGUF_STRING, &meta->tokens, err);
    if (status == EW_ERR_NOT_FOUND)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: tokenizer.ggml.tokens is missing", ew_gguf_path(gguf));
    if (status) return status;
    if (meta->tokens->n == 0 || meta->tokens->n > INT32_MAX || meta->tokens->size_bytes > UINT32_MAX)
        return ew_error_set(err, EW_ERR_FORMAT,
                            "%s: tokenizer.ggml.tokens: %llu tokens in %zu bytes (at least 1, below 4 GiB)",
                            ew_gguf_path(gguf), (unsigned long long)meta->tokens->n, meta->tokens->size_bytes);
    meta->n_vocab = (uint32_t)meta->tokens->n;
    status = find_per_token(gguf, "tokenizer.ggml.token_type", EW_GGUF_I32, meta->n_vocab, &meta->types, err);
    if (status) return status;
    meta->n_special = EW_TOKEN_END_NAMES;
    for (uint32_t id = 0; meta->types && id < meta->n_vocab; id++) {
        uint32_t type;
        memcpy(&type, meta->types->data + (size_t)id * sizeof type, sizeof type);
        meta->n_special += type >= EW_TOKEN_UNKNOWN && type <= EW_TOKEN_USER_DEFINED;
    }
    return EW_OK;
}

/* A file without the key comes from the time when GPT-2's words were all there was. A name from after our time is most
 * likely a relative of the known ones: its ids may differ here and there, and the note says so. */
static enum ew_status read_rule(const struct ew_gguf *gguf, struct ew_token_metadata *meta, struct ew_error *err) {
    static const char fallback[] = "gpt-2";
    struct ew_gguf_string name;
    meta->rule = ew_pretokenize_find_rule(fallback, strlen(fallback));
    if (!ew_gguf_find_kv(gguf, "tokenizer.ggml.pre")) {
        snprintf(meta->note, sizeof meta->note, "tokenizer.ggml.pre is missing: text is cut into words as for %s",
                 fallback);
        return EW_OK;
    }
    enum ew_status status = ew_gguf_get_string(gguf, "tokenizer.ggml.pre", &name, err);
    if (status) return status;
    if (ew_pretokenize_is_foreign(name.data, name.size))
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: tokenizer.ggml.pre: `%.*s` is not supported",
                            ew_gguf_path(gguf), shown(name), name.data);
    const struct ew_pretokenize_rule *rule = ew_pretokenize_find_rule(name.data, name.size);
    if (rule) {
        meta->rule = rule;
        return EW_OK;
    }
    char clean[64];
    snprintf(
        meta->note, sizeof meta->note,
        "tokenizer.ggml.pre: `%s` is not known: text is cut into words as for %s, and some ids may differ from the "
        "model's own",
        ew_gguf_print_string(name, clean, sizeof clean), fallback);
    return EW_OK;
}

static enum ew_status read_bpe(const struct ew_gguf *gguf, struct ew_token_metadata *meta, struct ew_error *err) {
    enum ew_status status = ew_gguf_get_array(gguf, "tokenizer.ggml.merges", EW_GGUF_STRING, &meta->merges, err);
    if (status == EW_ERR_NOT_FOUND)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: tokenizer.ggml.merges is missing", ew_gguf_path(gguf));
    if (status) return status;
    if (meta->merges->n > INT32_MAX)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: tokenizer.ggml.merges: %llu are too many", ew_gguf_path(gguf),
                            (unsigned long long)meta->merges->n);
    meta->n_merges = (uint32_t)meta->merges->n;
    return read_rule(gguf, meta, err);
}

/* Phi-3 strips blanks after its special tokens; GGUF has no key for that, so the model's name decides. */
static bool name_is_phi3(const struct ew_gguf *gguf) {
    struct ew_gguf_string name;
    if (ew_gguf_get_string(gguf, "general.name", &name, NULL)) return false;
    for (size_t i = 0; i + 4 <= name.size; i++) {
        if (strncasecmp(name.data + i, "phi3", 4) == 0) return true;
        if (i + 5 <= name.size && strncasecmp(name.data + i, "phi-3", 5) == 0) return true;
    }
    return false;
}

static enum ew_status read_special(const struct ew_gguf *gguf, struct ew_token_metadata *meta, struct ew_error *err) {
    const bool spm = meta->kind == EW_TOKENIZER_SPM;
    const struct {
        const char *key;
        bool missing, *out;
    } flags[] = {
        {"tokenizer.ggml.add_bos_token", spm || meta->rule->adds_bos, &meta->add_bos},
        {"tokenizer.ggml.add_eos_token", false, &meta->add_eos},
        {"tokenizer.ggml.add_space_prefix", spm, &meta->add_space_prefix},
        {"tokenizer.ggml.remove_extra_whitespaces", false, &meta->collapse_spaces},
    };
    enum ew_status status = ew_token_roles_read(gguf, meta->n_vocab, spm, &meta->roles, err);
    for (size_t i = 0; i < sizeof flags / sizeof *flags && !status; i++)
        status = read_flag(gguf, flags[i].key, flags[i].missing, flags[i].out, err);
    meta->special_strips_right = name_is_phi3(gguf);
    return status;
}

enum ew_status ew_token_metadata_read(const struct ew_gguf *gguf, struct ew_token_metadata *out, struct ew_error *err) {
    struct ew_token_metadata meta = {0};
    enum ew_status status = read_kind(gguf, &meta, err);
    if (!status) status = read_tokens(gguf, &meta, err);
    if (!status && meta.kind == EW_TOKENIZER_BPE) status = read_bpe(gguf, &meta, err);
    if (!status && meta.kind == EW_TOKENIZER_SPM)
        status = find_per_token(gguf, "tokenizer.ggml.scores", EW_GGUF_F32, meta.n_vocab, &meta.scores, err);
    if (!status) status = read_special(gguf, &meta, err);
    if (!status) *out = meta;
    return status;
}
