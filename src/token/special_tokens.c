/* Owns the search for special tokens: a sorted list narrowed byte by byte, as a trie without nodes.
 * Leftmost first, then longest. What is done with the text around them: tokenizer.c. */
#include "token/special_tokens.h"

#include <stdlib.h>
#include <string.h>

static int compare_texts(const void *a, const void *b, void *context) {
    const struct ew_vocab *vocab = context;
    size_t n_a, n_b;
    const uint8_t *text_a = ew_vocab_text(vocab, *(const uint32_t *)a, &n_a);
    const uint8_t *text_b = ew_vocab_text(vocab, *(const uint32_t *)b, &n_b);
    int order = memcmp(text_a, text_b, n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static bool in_set(const uint64_t set[4], uint8_t byte) { return set[byte >> 6] >> (byte & 63) & 1; }

void ew_special_tokens_fill(struct ew_special_tokens *special, const struct ew_vocab *vocab) {
    special->n = 0;
    memset(special->first, 0, sizeof special->first);
    for (uint32_t id = 0; id < vocab->n; id++) {
        enum ew_token_type type = ew_vocab_type(vocab, id);
        size_t n;
        const uint8_t *text = ew_vocab_text(vocab, id, &n);
        /* Of equal texts only the one that the table finds: a token has one id. */
        if (!ew_special_tokens_has_type(type) || n == 0 || ew_vocab_find(vocab, text, n) != id) continue;
        special->ids[special->n++] = id;
        special->first[1][text[0] >> 6] |= (uint64_t)1 << (text[0] & 63);
        if (type == EW_TOKEN_USER_DEFINED) special->first[0][text[0] >> 6] |= (uint64_t)1 << (text[0] & 63);
    }
    if (special->n) qsort_r(special->ids, special->n, sizeof *special->ids, compare_texts, (void *)vocab);
}

/* First index in [low, high) whose text has a byte at `depth` that is >= byte; shorter texts sort before all. */
static uint32_t lower_bound(const struct ew_special_tokens *special, const struct ew_vocab *vocab, uint32_t low,
                            uint32_t high, size_t depth, unsigned byte) {
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        size_t n;
        const uint8_t *text = ew_vocab_text(vocab, special->ids[middle], &n);
        if (n <= depth || text[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t longest_at(const struct ew_special_tokens *special, const struct ew_vocab *vocab, const uint8_t *text,
                           size_t n, bool parse_special) {
    uint32_t low = 0, high = special->n, found = EW_TOKEN_NONE;
    for (size_t depth = 0; depth < n; depth++) {
        low = lower_bound(special, vocab, low, high, depth, text[depth]);
        high = lower_bound(special, vocab, low, high, depth, text[depth] + 1u);
        if (low == high) break;
        size_t length;
        uint32_t id = special->ids[low];
        ew_vocab_text(vocab, id, &length);
        if (length == depth + 1 && (parse_special || ew_vocab_type(vocab, id) == EW_TOKEN_USER_DEFINED)) found = id;
    }
    return found;
}

bool ew_special_tokens_next(const struct ew_special_tokens *special, const struct ew_vocab *vocab, const uint8_t *text,
                            size_t n, size_t from, bool parse_special, size_t *at, uint32_t *id) {
    if (special->n == 0) return false;
    const uint64_t *first = special->first[parse_special];
    for (size_t i = from; i < n; i++) {
        if (!in_set(first, text[i])) continue;
        uint32_t found = longest_at(special, vocab, text + i, n - i, parse_special);
        if (found == EW_TOKEN_NONE) continue;
        *at = i;
        *id = found;
        return true;
    }
    return false;
}
