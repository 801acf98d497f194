/* Owns the hash table from token text to id. Refuses arrays that do not fit each other and texts made to collide.
 * Where the arrays come from: token_metadata.c; who searches: spm.c, bpe.c, special_tokens.c. */
#include "token/token_vocab.h"
#include "base/error.h"

#include <string.h>

enum { MAX_PROBES = 4096 }; /* at two thirds full a probe beyond 100 does not happen by chance */

unsigned ew_vocab_slot_bits(uint32_t n) {
    unsigned bits = 1;
    while (((uint64_t)1 << bits) < n + (uint64_t)n / 2) bits++;
    return bits;
}

/* FNV leaves the last bytes in the low bits; the slot index and the tag are taken from high ones. */
static uint64_t finish_hash(uint64_t hash) {
    hash ^= hash >> 32;
    hash *= 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static bool same_text(const struct ew_vocab *vocab, uint32_t id, const uint8_t *a, size_t n_a, const uint8_t *b,
                      size_t n_b) {
    size_t n;
    const uint8_t *text = ew_vocab_text(vocab, id, &n);
    return n == n_a + n_b && memcmp(text, a, n_a) == 0 && (n_b == 0 || memcmp(text + n_a, b, n_b) == 0);
}

/* The slot that holds the text, or the empty one where it would go; NULL when neither is near. */
static uint32_t *find_slot(const struct ew_vocab *vocab, uint64_t hash, const uint8_t *a, size_t n_a, const uint8_t *b,
                           size_t n_b, uint32_t *tag) {
    hash = finish_hash(hash);
    const uint32_t id_mask = ((uint32_t)1 << vocab->id_bits) - 1, slot_mask = ((uint32_t)1 << vocab->slot_bits) - 1;
    *tag = (uint32_t)hash & ~id_mask;
    uint32_t at = (uint32_t)(hash >> (64 - vocab->slot_bits));
    for (unsigned probe = 0; probe < MAX_PROBES; probe++, at = (at + 1) & slot_mask) {
        uint32_t slot = vocab->slots[at];
        if (slot == 0) return &vocab->slots[at];
        if ((slot & ~id_mask) == *tag && same_text(vocab, (slot & id_mask) - 1, a, n_a, b, n_b))
            return &vocab->slots[at];
    }
    return NULL;
}

uint32_t ew_vocab_find_joined(const struct ew_vocab *vocab, uint64_t hash, const uint8_t *a, size_t n_a,
                              const uint8_t *b, size_t n_b) {
    uint32_t tag;
    const uint32_t *slot = find_slot(vocab, hash, a, n_a, b, n_b, &tag);
    if (!slot || *slot == 0) return EW_TOKEN_NONE;
    return (*slot & (((uint32_t)1 << vocab->id_bits) - 1)) - 1;
}

uint32_t ew_vocab_find(const struct ew_vocab *vocab, const void *text, size_t n) {
    if (n == 0 || n > vocab->max_bytes) return EW_TOKEN_NONE;
    return ew_vocab_find_joined(vocab, ew_vocab_hash(EW_VOCAB_HASH_SEED, text, n), text, n, NULL, 0);
}

static const uint32_t *first_slot(const struct ew_vocab *vocab, uint64_t hash) {
    return &vocab->slots[finish_hash(hash) >> (64 - vocab->slot_bits)];
}

void ew_vocab_ask_slot(const struct ew_vocab *vocab, uint64_t hash) { __builtin_prefetch(first_slot(vocab, hash)); }

void ew_vocab_ask_text(const struct ew_vocab *vocab, uint64_t hash) {
    uint32_t id = *first_slot(vocab, hash) & (((uint32_t)1 << vocab->id_bits) - 1);
    if (id > 0) __builtin_prefetch(&vocab->offsets[id - 1]);
}

static enum ew_status fill_attrs(struct ew_vocab *vocab, const struct ew_gguf_kv *types, const char *path,
                                 struct ew_error *err) {
    for (uint32_t id = 0; id < vocab->n; id++) {
        uint32_t type = EW_TOKEN_NORMAL;
        if (types) memcpy(&type, types->data + (size_t)id * sizeof type, sizeof type);
        if (type > EW_TOKEN_BYTE)
            return ew_error_set(err, EW_ERR_FORMAT, "%s: tokenizer.ggml.token_type[%u]: %d is not known (0-6 are)",
                                path, id, (int)type);
        vocab->attrs[id] = (uint8_t)(type == EW_TOKEN_UNDEFINED ? EW_TOKEN_NORMAL : type);
    }
    return EW_OK;
}

enum ew_status ew_vocab_fill(struct ew_vocab *vocab, const struct ew_gguf_kv *tokens, const struct ew_gguf_kv *types,
                             const char *path, struct ew_error *err) {
    enum ew_status status = fill_attrs(vocab, types, path, err);
    if (status) return status;
    vocab->text = tokens->data;
    vocab->max_bytes = 0;
    vocab->offsets[0] = 0;
    const uint8_t *cursor = tokens->data;
    for (uint32_t id = 0; id < vocab->n; id++) {
        struct ew_gguf_string s;
        if (!ew_gguf_next_string(tokens, &cursor, &s))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: tokenizer.ggml.tokens: ends after %u of %u tokens", path, id,
                                vocab->n);
        vocab->offsets[id + 1] = (uint32_t)(cursor - tokens->data);
        if (s.size == 0) continue;
        if (s.size > vocab->max_bytes) vocab->max_bytes = (uint32_t)s.size;
        const uint8_t *text = (const uint8_t *)s.data;
        uint32_t tag,
            *slot = find_slot(vocab, ew_vocab_hash(EW_VOCAB_HASH_SEED, text, s.size), text, s.size, NULL, 0, &tag);
        if (!slot)
            return ew_error_set(err, EW_ERR_FORMAT, "%s: tokenizer.ggml.tokens[%u]: too many tokens with equal hashes",
                                path, id);
        *slot = tag | (id + 1);
    }
    return EW_OK;
}
