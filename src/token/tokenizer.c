/* Owns the tokenizer as a whole: one block of memory planned from the metadata, special tokens around the words,
 * BOS and EOS. How words become tokens: spm.c and bpe.c. */
#include "token/tokenizer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "token/bpe.h"
#include "token/special_tokens.h"
#include "token/spm.h"
#include "token/token_metadata.h"

#include <stdlib.h>
#include <string.h>

struct ew_tokenizer {
    struct ew_token_metadata meta;
    struct ew_vocab vocab;
    struct ew_special_tokens special;
    union {
        struct ew_spm spm;
        struct ew_bpe bpe;
    };
};

/* ---- memory: laid out twice, first without a base to learn the size ---- */

struct layout {
    uint8_t *base; /* NULL: only count */
    size_t size;
    bool overflow;
};

static void *take(struct layout *layout, size_t n, size_t elem_bytes) {
    size_t bytes, start = layout->size;
    if (!ew_mul_size(n, elem_bytes, &bytes) || !ew_align_size(bytes, 16, &bytes) ||
        !ew_add_size(layout->size, bytes, &layout->size))
        layout->overflow = true;
    return layout->base && !layout->overflow ? layout->base + start : NULL;
}

static struct ew_tokenizer *lay_out(struct layout *layout, const struct ew_token_metadata *meta) {
    struct ew_vocab vocab = {.n = meta->n_vocab, .slot_bits = ew_vocab_slot_bits(meta->n_vocab)};
    while (vocab.n >> vocab.id_bits) vocab.id_bits++;
    struct ew_tokenizer *tokenizer = take(layout, 1, sizeof *tokenizer);
    vocab.slots = take(layout, (size_t)1 << vocab.slot_bits, sizeof *vocab.slots);
    vocab.offsets = take(layout, (size_t)vocab.n + 1, sizeof *vocab.offsets);
    vocab.attrs = take(layout, vocab.n, sizeof *vocab.attrs);
    uint32_t *special = take(layout, meta->n_special, sizeof *special);
    struct ew_bpe bpe = {.slot_bits = ew_vocab_slot_bits(meta->n_merges)};
    if (meta->kind == EW_TOKENIZER_BPE) {
        bpe.merges = take(layout, meta->n_merges, sizeof *bpe.merges);
        bpe.slots = take(layout, (size_t)1 << bpe.slot_bits, sizeof *bpe.slots);
    }
    if (!tokenizer) return NULL;
    tokenizer->meta = *meta;
    tokenizer->vocab = vocab;
    tokenizer->special.ids = special;
    if (meta->kind == EW_TOKENIZER_BPE) tokenizer->bpe = bpe;
    return tokenizer;
}

uint64_t ew_tokenizer_predict_bytes(const struct ew_gguf *gguf) {
    struct ew_token_metadata meta;
    if (ew_token_metadata_read(gguf, &meta, NULL)) return 0;
    struct layout layout = {0};
    lay_out(&layout, &meta);
    if (layout.overflow) return 0;
    const uint64_t n_stages = meta.rule ? ew_pretokenize_n_stages(meta.rule) : 0;
    return layout.size + n_stages * EW_PRETOKENIZE_STAGE_BYTES;
}

/* ---- opening ---- */

static enum ew_status fill(struct ew_tokenizer *tokenizer, const char *path, struct ew_error *err) {
    struct ew_token_metadata *meta = &tokenizer->meta;
    enum ew_status status = ew_vocab_fill(&tokenizer->vocab, meta->tokens, meta->types, path, err);
    if (status) return status;
    ew_token_roles_apply(&meta->roles, &tokenizer->vocab);
    ew_special_tokens_fill(&tokenizer->special, &tokenizer->vocab);
    if (meta->kind == EW_TOKENIZER_SPM) {
        ew_spm_fill(&tokenizer->spm, &tokenizer->vocab, meta->scores ? meta->scores->data : NULL, meta->roles.unknown);
        return EW_OK;
    }
    struct ew_bpe *bpe = &tokenizer->bpe;
    bpe->vocab = &tokenizer->vocab;
    bpe->ignore_merges = meta->rule->ignore_merges;
    status = ew_bpe_fill(bpe, meta->merges, path, err);
    if (!status) status = ew_pretokenizer_compile(meta->rule, &bpe->pretokenizer, err);
    return status;
}

enum ew_status ew_tokenizer_open(const struct ew_gguf *gguf, struct ew_tokenizer **out, struct ew_error *err) {
    struct ew_token_metadata meta;
    enum ew_status status = ew_token_metadata_read(gguf, &meta, err);
    if (status) return status;
    struct layout layout = {0};
    lay_out(&layout, &meta);
    if (!layout.overflow) layout.base = calloc(1, layout.size);
    if (!layout.base)
        return ew_error_set(err, EW_ERR_MEMORY, "%s: tokenizer: no memory for %zu bytes", ew_gguf_path(gguf),
                            layout.size);
    layout.size = 0;
    struct ew_tokenizer *tokenizer = lay_out(&layout, &meta);
    status = fill(tokenizer, ew_gguf_path(gguf), err);
    if (status)
        ew_tokenizer_close(&tokenizer);
    else
        *out = tokenizer;
    return status;
}

void ew_tokenizer_close(struct ew_tokenizer **tokenizer) {
    if (!tokenizer || !*tokenizer) return;
    if ((*tokenizer)->meta.kind == EW_TOKENIZER_BPE) ew_pretokenizer_free(&(*tokenizer)->bpe.pretokenizer);
    free(*tokenizer); /* the first thing in its block */
    *tokenizer = NULL;
}

/* ---- questions ---- */

static int32_t id_or_none(uint32_t id) { return id == EW_TOKEN_NONE ? -1 : (int32_t)id; }
static bool in_vocab(const struct ew_tokenizer *tokenizer, int32_t id) {
    return id >= 0 && (uint32_t)id < tokenizer->vocab.n;
}

uint32_t ew_tokenizer_n_vocab(const struct ew_tokenizer *tokenizer) { return tokenizer->vocab.n; }
int32_t ew_tokenizer_bos(const struct ew_tokenizer *tokenizer) { return id_or_none(tokenizer->meta.roles.bos); }
int32_t ew_tokenizer_eos(const struct ew_tokenizer *tokenizer) { return id_or_none(tokenizer->meta.roles.eos); }

int32_t ew_tokenizer_fim(const struct ew_tokenizer *tokenizer, enum ew_fim_token which) {
    return which < EW_N_FIM ? id_or_none(tokenizer->meta.roles.fim[which]) : -1;
}

const char *ew_tokenizer_note(const struct ew_tokenizer *tokenizer) { return tokenizer->meta.note; }

bool ew_tokenizer_adds_bos(const struct ew_tokenizer *tokenizer) {
    return tokenizer->meta.add_bos && tokenizer->meta.roles.bos != EW_TOKEN_NONE;
}

bool ew_tokenizer_strips_first_space(const struct ew_tokenizer *tokenizer) {
    return tokenizer->meta.kind == EW_TOKENIZER_SPM && tokenizer->meta.add_space_prefix;
}

bool ew_tokenizer_is_end(const struct ew_tokenizer *tokenizer, int32_t id) {
    return in_vocab(tokenizer, id) && tokenizer->vocab.attrs[id] & EW_TOKEN_IS_END;
}

enum ew_token_type ew_tokenizer_token_type(const struct ew_tokenizer *tokenizer, int32_t id) {
    return in_vocab(tokenizer, id) ? ew_vocab_type(&tokenizer->vocab, (uint32_t)id) : EW_TOKEN_UNDEFINED;
}

size_t ew_tokenizer_token_bytes(const struct ew_tokenizer *tokenizer, int32_t id, bool special, char *buf,
                                size_t capacity) {
    if (!in_vocab(tokenizer, id)) return 0;
    const enum ew_token_type type = ew_vocab_type(&tokenizer->vocab, (uint32_t)id);
    const bool hidden = type == EW_TOKEN_CONTROL || type == EW_TOKEN_UNKNOWN || type == EW_TOKEN_UNUSED;
    if (hidden && !special) return 0;
    if (hidden || type == EW_TOKEN_USER_DEFINED) {
        size_t n;
        const uint8_t *text = ew_vocab_text(&tokenizer->vocab, (uint32_t)id, &n);
        if (n && capacity) memcpy(buf, text, n < capacity ? n : capacity);
        return n;
    }
    if (tokenizer->meta.kind == EW_TOKENIZER_SPM)
        return ew_spm_token_bytes(&tokenizer->spm, (uint32_t)id, buf, capacity);
    return ew_bpe_token_bytes(&tokenizer->bpe, (uint32_t)id, buf, capacity);
}

/* ---- encoding ---- */

static bool is_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Where the text goes on after a special token that ends at `at`. */
static size_t after_special(const struct ew_tokenizer *tokenizer, uint32_t id, const uint8_t *text, size_t n,
                            size_t at) {
    if (!tokenizer->meta.special_strips_right) return at;
    size_t size;
    const uint8_t *name = ew_vocab_text(&tokenizer->vocab, id, &size);
    static const char *const keepers[] = {"<unk>", "<s>", "<|endoftext|>"};
    for (size_t i = 0; i < sizeof keepers / sizeof *keepers; i++)
        if (size == strlen(keepers[i]) && memcmp(name, keepers[i], size) == 0) return at;
    while (at < n && is_blank(text[at])) at++;
    return at;
}

/* The part [from, to) of a text of n bytes, which holds no special token. SentencePiece puts a space before the first
 * part and after each special token. */
static enum ew_status encode_part(const struct ew_tokenizer *tokenizer, const uint8_t *text, size_t n, size_t from,
                                  size_t to, struct ew_token_sink *sink, struct ew_error *err) {
    if (from == to) return EW_OK;
    const struct ew_token_metadata *meta = &tokenizer->meta;
    if (meta->kind == EW_TOKENIZER_BPE) return ew_bpe_encode(&tokenizer->bpe, text + from, to - from, sink, err);
    const struct ew_spm_spacing spacing = {meta->add_space_prefix, meta->collapse_spaces, from == 0, to == n};
    return ew_spm_encode(&tokenizer->spm, text + from, to - from, spacing, sink, err);
}

enum ew_status ew_tokenizer_encode(const struct ew_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                   unsigned flags, int32_t *ids, size_t capacity, size_t *n_ids, struct ew_error *err) {
    if (flags & ~(unsigned)(EW_TOKENIZE_ADD_SPECIAL | EW_TOKENIZE_PARSE_SPECIAL))
        return ew_error_set(err, EW_ERR_ARGUMENT, "tokenize: flags 0x%x are not known", flags);
    const struct ew_token_metadata *meta = &tokenizer->meta;
    const uint8_t *bytes = (const uint8_t *)(n_bytes ? text : "");
    const bool add_special = flags & EW_TOKENIZE_ADD_SPECIAL, parse_special = flags & EW_TOKENIZE_PARSE_SPECIAL;
    struct ew_token_sink sink = {ids, capacity, 0};
    enum ew_status status = EW_OK;

    if (add_special && ew_tokenizer_adds_bos(tokenizer)) ew_token_push(&sink, meta->roles.bos);
    size_t done = 0, at;
    uint32_t id;
    while (!status && ew_special_tokens_next(&tokenizer->special, &tokenizer->vocab, bytes, n_bytes, done,
                                             parse_special, &at, &id)) {
        status = encode_part(tokenizer, bytes, n_bytes, done, at, &sink, err);
        ew_token_push(&sink, id);
        size_t size;
        ew_vocab_text(&tokenizer->vocab, id, &size);
        done = after_special(tokenizer, id, bytes, n_bytes, at + size);
    }
    if (!status) status = encode_part(tokenizer, bytes, n_bytes, done, n_bytes, &sink, err);
    if (status) return status;
    if (add_special && meta->add_eos && meta->roles.eos != EW_TOKEN_NONE) ew_token_push(&sink, meta->roles.eos);

    *n_ids = sink.n;
    if (sink.n > capacity)
        return ew_error_set(err, EW_ERR_LIMIT, "tokenize: %zu tokens, room for %zu", sink.n, capacity);
    return EW_OK;
}
