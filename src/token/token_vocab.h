/* The vocabulary as a table over the mapped file: texts stay in the file; the heap holds one offset, one attribute
 * byte and about two hash slots per token. Immutable once filled. Source: GGUF keys tokenizer.ggml.tokens, .token_type.
 */
#ifndef EW_TOKEN_VOCAB_H
#define EW_TOKEN_VOCAB_H

#include "edgewise/status.h"
#include "gguf/gguf_read.h"

#define EW_TOKEN_NONE UINT32_MAX

/* Values of tokenizer.ggml.token_type. */
enum ew_token_type {
    EW_TOKEN_UNDEFINED,
    EW_TOKEN_NORMAL,
    EW_TOKEN_UNKNOWN,
    EW_TOKEN_CONTROL,
    EW_TOKEN_USER_DEFINED,
    EW_TOKEN_UNUSED,
    EW_TOKEN_BYTE
};
enum { EW_TOKEN_TYPE_MASK = 0x0f, EW_TOKEN_IS_END = 0x10 }; /* of an attribute byte */

struct ew_vocab {
    uint32_t n;
    const uint8_t *text; /* the first element of tokenizer.ggml.tokens, inside the mapping */
    uint32_t *offsets;   /* [n + 1] from text to a token's 8-byte length; the last one is the end */
    uint8_t *attrs;      /* [n] */
    uint32_t *slots;     /* [1 << slot_bits]: 0, or id + 1 in the low id_bits and bits of the hash above */
    unsigned slot_bits, id_bits;
    uint32_t max_bytes; /* longest text */
};

/* Bits such that a table of 1 << bits slots is at most two thirds full with n entries. */
unsigned ew_vocab_slot_bits(uint32_t n);

/* Streaming hash: hash(a + b) == ew_vocab_hash(ew_vocab_hash(EW_VOCAB_HASH_SEED, a), b). */
#define EW_VOCAB_HASH_SEED 0xcbf29ce484222325u
static inline uint64_t ew_vocab_hash(uint64_t state, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) state = (state ^ bytes[i]) * 0x100000001b3u;
    return state;
}

/* Fills offsets, attrs and slots (all allocated, slots zeroed; n and the bit counts set) from the arrays of the file.
 * types may be NULL. Of tokens with equal texts the last is found. FORMAT on broken arrays. */
enum ew_status ew_vocab_fill(struct ew_vocab *vocab, const struct ew_gguf_kv *tokens, const struct ew_gguf_kv *types,
                             const char *path, struct ew_error *err);

/* The id of a text given in two parts (b may be empty), hash being that of a + b; EW_TOKEN_NONE when there is none. */
uint32_t ew_vocab_find_joined(const struct ew_vocab *vocab, uint64_t hash, const uint8_t *a, size_t n_a,
                              const uint8_t *b, size_t n_b);
uint32_t ew_vocab_find(const struct ew_vocab *vocab, const void *text, size_t n);

/* For who will look up many texts: asks memory for the slot of a hash, and, a while later, for what that slot leads to.
 */
void ew_vocab_ask_slot(const struct ew_vocab *vocab, uint64_t hash);
void ew_vocab_ask_text(const struct ew_vocab *vocab, uint64_t hash);

static inline const uint8_t *ew_vocab_text(const struct ew_vocab *vocab, uint32_t id, size_t *n) {
    *n = vocab->offsets[id + 1] - vocab->offsets[id] - 8u;
    return vocab->text + vocab->offsets[id] + 8;
}
static inline enum ew_token_type ew_vocab_type(const struct ew_vocab *vocab, uint32_t id) {
    return (enum ew_token_type)(vocab->attrs[id] & EW_TOKEN_TYPE_MASK);
}

/* Whether plain text may become this token by merging. Control, unknown and byte tokens never come out of their
 * spelling, as in SentencePiece: otherwise a user's text could forge them. */
static inline bool ew_vocab_is_text(const struct ew_vocab *vocab, uint32_t id) {
    enum ew_token_type type = ew_vocab_type(vocab, id);
    return type != EW_TOKEN_CONTROL && type != EW_TOKEN_UNKNOWN && type != EW_TOKEN_BYTE;
}

#endif
