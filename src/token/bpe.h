/* Byte-level BPE: every byte is a token of its own, pairs of tokens merge by their place in a list.
 * Source: GPT-2 (byte alphabet, merges), GGUF tokenizer.ggml.model = "gpt2". */
#ifndef EW_TOKEN_BPE_H
#define EW_TOKEN_BPE_H

#include "token/merge_queue.h"
#include "token/pretokenize.h"
#include "token/token_sink.h"

struct ew_bpe_merge {
    uint32_t left, right, result;
};

struct ew_bpe {
    const struct ew_vocab *vocab;
    struct ew_bpe_merge *merges; /* in order of rank; those that name unknown tokens are left out */
    uint32_t *slots;             /* [1 << slot_bits] rank + 1 by hash of (left, right); 0: empty */
    unsigned slot_bits;
    uint32_t n_merges;
    uint32_t byte_ids[256];
    bool ignore_merges;
    struct ew_pretokenizer pretokenizer;
};

/* Fills byte_ids, merges and slots (allocated, slots zeroed, slot_bits set, vocab set) from the array of the file. */
enum ew_status ew_bpe_fill(struct ew_bpe *bpe, const struct ew_gguf_kv *merges, const char *path, struct ew_error *err);

/* Bytes that are not UTF-8 and have no token become the tokens of U+FFFD. Errors: MEMORY, LIMIT, UNSUPPORTED (a byte of
 * text that has no token). */
enum ew_status ew_bpe_encode(const struct ew_bpe *bpe, const uint8_t *text, size_t n, struct ew_token_sink *sink,
                             struct ew_error *err);

/* Bytes of a token as text; see ew_tokenizer_token_bytes. */
size_t ew_bpe_token_bytes(const struct ew_bpe *bpe, uint32_t id, char *buf, size_t capacity);

#endif
