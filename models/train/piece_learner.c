/* Owns the learning. Every merge looks through all words that are left: some seconds for some thousand pieces, for
 * which lists of where each pair occurs would be much more to keep right. */
#include "train/piece_learner.h"

#include "base/error.h"
#include "base/utf8.h"
#include "train/counted_texts.h"
#include "train/pair_counts.h"
#include "train/token_corpus.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_SPECIAL = 3, N_BYTES = 256, LONGEST_WORD = 1024, LONGEST_PIECE = 48 };
static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */

struct learner {
    const struct ew_piece_params *params;
    struct ew_counted_texts words,
        pieces; /* pieces: characters first, most frequent first; their count: n_chars only */
    uint32_t n_chars;
    uint32_t *symbols; /* of all words: pieces, EW_COUNTED_NONE for a character without one */
    size_t *starts;    /* [words.n] */
    uint32_t *lengths; /* [words.n] */
    struct ew_pair_counts pairs;
};

/* ---- words and characters ---- */

static enum ew_status no_memory(struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "no memory for the words of the text");
}

static bool count_word(struct learner *l, bool spaced, const char *text, size_t size) {
    char word[LONGEST_WORD];
    size_t n = 0;
    if (spaced) memcpy(word, space_mark, n = strlen(space_mark));
    if (size > sizeof word - n) size = sizeof word - n; /* no piece comes near such a length */
    memcpy(word + n, text, size);
    const uint32_t index = ew_counted_texts_add(&l->words, word, (uint32_t)(n + size));
    if (index == EW_COUNTED_NONE) return false;
    l->words.entries[index].count++;
    return true;
}

/* A tokenizer puts a space before a text, so a document's first word counts as spaced. */
static enum ew_status count_document(void *context, const char *text, size_t size, struct ew_error *err) {
    struct learner *l = context;
    bool spaced;
    for (size_t at = 0, n, length; (n = ew_piece_word(text + at, size - at, &spaced, &length)) > 0; at += n)
        if (!count_word(l, spaced || at == 0, text + at + (n - length), length)) return no_memory(err);
    return EW_OK;
}

static uint32_t char_bytes(const char *text, size_t n) {
    const size_t size = ew_utf8_char_bytes((const uint8_t *)text, n);
    return size ? (uint32_t)size : 1;
}

struct counted_char {
    const char *text;
    uint32_t size;
    uint64_t count;
};

static int more_frequent_first(const void *a, const void *b) {
    const struct counted_char *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    const int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return order ? order : (int)x->size - (int)y->size;
}

static bool count_chars(const struct ew_counted_texts *words, struct ew_counted_texts *chars) {
    for (uint32_t i = 0; i < words->n; i++) {
        const char *text = ew_counted_text_at(words, i);
        for (uint32_t at = 0, n; at < words->entries[i].size; at += n) {
            n = char_bytes(text + at, words->entries[i].size - at);
            const uint32_t index = ew_counted_texts_add(chars, text + at, n);
            if (index == EW_COUNTED_NONE) return false;
            chars->entries[index].count += words->entries[i].count;
        }
    }
    return true;
}

/* Bytes that are no character stay bytes. */
static bool may_be_piece(const struct ew_counted_texts *chars, uint32_t i, uint32_t rare) {
    const struct ew_counted_text *e = &chars->entries[i];
    return e->count >= rare && ew_utf8_char_bytes((const uint8_t *)chars->bytes + e->offset, e->size) > 0;
}

static enum ew_status choose_chars(struct learner *l, struct ew_error *err) {
    struct ew_counted_texts chars = {0};
    struct counted_char *sorted = NULL;
    bool good = count_chars(&l->words, &chars) && (sorted = calloc(chars.n + 1, sizeof *sorted)) != NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; good && i < chars.n; i++)
        if (may_be_piece(&chars, i, l->params->rare))
            sorted[n++] =
                (struct counted_char){ew_counted_text_at(&chars, i), chars.entries[i].size, chars.entries[i].count};
    if (good) qsort(sorted, n, sizeof *sorted, more_frequent_first);
    for (uint32_t i = 0; good && i < n; i++)
        good = ew_counted_texts_add(&l->pieces, sorted[i].text, sorted[i].size) != EW_COUNTED_NONE;
    l->n_chars = n;
    free(sorted);
    ew_counted_texts_close(&chars);
    return good ? EW_OK : no_memory(err);
}

/* ---- merging ---- */

static bool change_pairs(struct learner *l, uint32_t word, int64_t sign) {
    const uint32_t *s = l->symbols + l->starts[word];
    const int64_t change = sign * (int64_t)l->words.entries[word].count;
    bool good = true;
    for (uint32_t i = 0; good && i + 1 < l->lengths[word]; i++)
        if (s[i] != EW_COUNTED_NONE && s[i + 1] != EW_COUNTED_NONE)
            good = ew_pair_counts_add(&l->pairs, s[i], s[i + 1], change);
    return good;
}

static enum ew_status spell_words(struct learner *l, struct ew_error *err) {
    l->symbols = calloc(l->words.n_bytes + 1, sizeof *l->symbols);
    l->starts = calloc(l->words.n + 1, sizeof *l->starts);
    l->lengths = calloc(l->words.n + 1, sizeof *l->lengths);
    bool good = l->symbols && l->starts && l->lengths;
    size_t used = 0;
    for (uint32_t i = 0; good && i < l->words.n; i++) {
        const char *text = ew_counted_text_at(&l->words, i);
        l->starts[i] = used;
        for (uint32_t at = 0, n; at < l->words.entries[i].size; at += n) {
            n = char_bytes(text + at, l->words.entries[i].size - at);
            l->symbols[used++] = ew_counted_texts_find(&l->pieces, text + at, n);
        }
        l->lengths[i] = (uint32_t)(used - l->starts[i]);
        good = change_pairs(l, i, 1);
    }
    return good ? EW_OK : no_memory(err);
}

static int compare_pieces(const struct learner *l, uint32_t a, uint32_t b) {
    const uint32_t n = l->pieces.entries[a].size, m = l->pieces.entries[b].size;
    const int order = memcmp(ew_counted_text_at(&l->pieces, a), ew_counted_text_at(&l->pieces, b), n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

static bool better(const struct learner *l, const struct ew_pair *a, const struct ew_pair *b) {
    if (a->count != b->count) return a->count > b->count;
    const int order = compare_pieces(l, a->left, b->left);
    return order ? order < 0 : compare_pieces(l, a->right, b->right) < 0;
}

/* The most frequent pair that is short enough together; count below 2: there is none. */
static struct ew_pair best_pair(const struct learner *l) {
    struct ew_pair best = {.count = 1};
    for (size_t i = 0; l->pairs.slots && i < (size_t)1 << l->pairs.slot_bits; i++) {
        const struct ew_pair *pair = &l->pairs.slots[i];
        if (!l->pairs.used[i] || pair->count < best.count || pair->count < 2) continue;
        if (l->pieces.entries[pair->left].size + l->pieces.entries[pair->right].size > LONGEST_PIECE) continue;
        if (best.count < 2 || better(l, pair, &best)) best = *pair;
    }
    return best;
}

static bool has_pair(const uint32_t *s, uint32_t n, uint32_t left, uint32_t right) {
    for (uint32_t i = 0; i + 1 < n; i++)
        if (s[i] == left && s[i + 1] == right) return true;
    return false;
}

static bool merge_word(struct learner *l, uint32_t word, const struct ew_pair *pair, uint32_t merged) {
    uint32_t *s = l->symbols + l->starts[word], n = 0;
    if (!has_pair(s, l->lengths[word], pair->left, pair->right)) return true;
    if (!change_pairs(l, word, -1)) return false;
    for (uint32_t i = 0; i < l->lengths[word]; n++) {
        const bool both = i + 1 < l->lengths[word] && s[i] == pair->left && s[i + 1] == pair->right;
        s[n] = both ? merged : s[i];
        i += both ? 2 : 1;
    }
    l->lengths[word] = n;
    return change_pairs(l, word, 1);
}

/* Two pairs may spell the same piece; the second only joins it, as the tokenizer will merge either. */
static enum ew_status merge_all(struct learner *l, struct ew_error *err) {
    const uint32_t wanted = l->params->n_vocab - N_SPECIAL - N_BYTES;
    while (l->pieces.n < wanted) {
        const struct ew_pair pair = best_pair(l);
        if (pair.count < 2) break;
        char text[LONGEST_PIECE];
        const uint32_t n = l->pieces.entries[pair.left].size, m = l->pieces.entries[pair.right].size;
        memcpy(text, ew_counted_text_at(&l->pieces, pair.left), n);
        memcpy(text + n, ew_counted_text_at(&l->pieces, pair.right), m);
        const uint32_t merged = ew_counted_texts_add(&l->pieces, text, n + m);
        bool good = merged != EW_COUNTED_NONE;
        for (uint32_t i = 0; good && i < l->words.n; i++) good = merge_word(l, i, &pair, merged);
        if (!good) return no_memory(err);
    }
    return EW_OK;
}

/* ---- the vocabulary ---- */

static enum ew_status fill(const struct learner *l, struct ew_vocabulary *v, struct ew_error *err) {
    static const char source[] = "learned vocabulary";
    static const char *const special[N_SPECIAL] = {"<unk>", "<s>", "</s>"};
    const uint32_t n_merged = l->pieces.n - l->n_chars;
    enum ew_status status = EW_OK;
    uint32_t id = 0;
    for (; id < N_SPECIAL && status == EW_OK; id++)
        status = ew_vocabulary_set(v, source, id, special[id], strlen(special[id]), 0,
                                   id == 0 ? EW_TOKEN_UNKNOWN : EW_TOKEN_CONTROL, err);
    for (unsigned byte = 0; byte < N_BYTES && status == EW_OK; byte++) {
        char name[8];
        const int n = snprintf(name, sizeof name, "<0x%02X>", byte);
        status = ew_vocabulary_set(v, source, id++, name, (size_t)n, 0, EW_TOKEN_BYTE, err);
    }
    for (uint32_t i = 0; i < l->pieces.n && status == EW_OK; i++) {
        const uint32_t piece = i < n_merged ? l->n_chars + i : i - n_merged;
        status = ew_vocabulary_set(v, source, id++, ew_counted_text_at(&l->pieces, piece),
                                   l->pieces.entries[piece].size, -(float)i, EW_TOKEN_NORMAL, err);
    }
    v->unknown = 0;
    v->bos = 1;
    v->eos = 2;
    v->add_bos = EW_SAID_YES;
    v->add_eos = EW_SAID_NO;
    v->add_space_prefix = EW_SAID_YES;
    return status;
}

enum ew_status ew_pieces_learn(const char *text, size_t size, const struct ew_piece_params *params,
                               struct ew_vocabulary *out, struct ew_error *err) {
    struct learner l = {.params = params};
    struct ew_vocabulary v;
    ew_vocabulary_init(&v, EW_VOCABULARY_SPM);
    enum ew_status status = ew_corpus_each_document(text, size, count_document, &l, err);
    if (status == EW_OK) status = choose_chars(&l, err);
    if (status == EW_OK && params->n_vocab < N_SPECIAL + N_BYTES + l.n_chars)
        status = ew_error_set(err, EW_ERR_ARGUMENT, "a vocabulary of %u: %u characters and bytes alone are %u",
                              params->n_vocab, l.n_chars, N_SPECIAL + N_BYTES + l.n_chars);
    if (status == EW_OK) status = spell_words(&l, err);
    if (status == EW_OK) status = merge_all(&l, err);
    if (status == EW_OK) status = fill(&l, &v, err);
    if (status == EW_OK)
        *out = v;
    else
        ew_vocabulary_free(&v);
    ew_counted_texts_close(&l.words);
    ew_counted_texts_close(&l.pieces);
    ew_pair_counts_close(&l.pairs);
    free(l.symbols);
    free(l.starts);
    free(l.lengths);
    return status;
}
