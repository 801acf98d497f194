/* Merging adjacent symbols, best pair first: the one algorithm behind both kinds of BPE. O(n log n). */
#ifndef EW_TOKEN_MERGE_QUEUE_H
#define EW_TOKEN_MERGE_QUEUE_H

#include "token/token_vocab.h"

struct ew_merge_symbol {
    uint32_t start, size; /* bytes of the word; size 0: merged into a symbol to the left */
    uint32_t id;          /* token, or EW_TOKEN_NONE */
    uint32_t prev, next;  /* neighbours that live; EW_TOKEN_NONE at the ends */
    uint32_t rank;        /* of merging with next; EW_TOKEN_NONE when the two do not merge */
    uint32_t merged_id;   /* what that merge gives */
};

/* Grows as needed and is used again for each word; freed by ew_merge_work_free. Zero-initialised is empty. */
struct ew_merge_work {
    struct ew_merge_symbol *symbols;
    uint64_t *heap;
    size_t capacity; /* symbols */
    const uint8_t *text;
};

/* Whether two neighbours merge: fills rank (lower merges earlier; equal ranks: leftmost first) and the token. */
typedef bool ew_merge_pair_fn(const void *context, const uint8_t *text, const struct ew_merge_symbol *left,
                              const struct ew_merge_symbol *right, uint32_t *rank, uint32_t *merged_id);

enum ew_status ew_merge_work_reserve(struct ew_merge_work *work, size_t n_symbols, struct ew_error *err);
void ew_merge_work_free(struct ew_merge_work *work);

/* Merges symbols[0..n) (start, size, id filled) until no pair merges. symbols[0] stays; walk by next. */
void ew_merge_work_run(struct ew_merge_work *work, uint32_t n, ew_merge_pair_fn *pair, const void *context);

#endif
