/* Owns the way from a text to ids and to windows. */
#include "train/token_corpus.h"

#include "base/error.h"
#include "base/seeded_random.h"
#include <stdlib.h>
#include <string.h>

static const char *find_separator(const char *text, const char *end) {
    const size_t n = strlen(EW_CORPUS_SEPARATOR);
    for (const char *line = text; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        if ((size_t)(stop - line) == n && memcmp(line, EW_CORPUS_SEPARATOR, n) == 0) return line;
        line = stop + 1;
    }
    return NULL;
}

enum ew_status ew_corpus_each_document(const char *text, size_t size, ew_corpus_take *take, void *context,
                                       struct ew_error *err) {
    const char *end = text + size;
    enum ew_status status = EW_OK;
    while (text < end && status == EW_OK) {
        const char *separator = find_separator(text, end), *stop = separator ? separator : end;
        if (stop > text) status = take(context, text, (size_t)(stop - text), err);
        text = separator ? separator + strlen(EW_CORPUS_SEPARATOR) + 1 : end;
    }
    return status;
}

struct gathering {
    const struct ew_tokenizer *tokenizer;
    struct ew_corpus corpus;
    size_t capacity;
    int32_t *ids; /* of one document */
    size_t ids_capacity;
};

static enum ew_status append(struct gathering *g, const int32_t *ids, size_t n, struct ew_error *err) {
    if (g->corpus.n + n > g->capacity) {
        const size_t capacity = 2 * (g->corpus.n + n);
        uint16_t *grown = realloc(g->corpus.ids, capacity * sizeof *grown);
        if (!grown) return ew_error_set(err, EW_ERR_MEMORY, "no memory for %zu token ids", capacity);
        g->corpus.ids = grown;
        g->capacity = capacity;
    }
    for (size_t i = 0; i < n; i++) g->corpus.ids[g->corpus.n++] = (uint16_t)ids[i];
    return EW_OK;
}

static enum ew_status encode(struct gathering *g, const char *text, size_t size, unsigned flags, struct ew_error *err) {
    if (size + 4 >
        g->ids_capacity) { /* a byte is a token at most; a space before the text, BOS and EOS may join them */
        free(g->ids);
        g->ids_capacity = size + 4;
        g->ids = malloc(g->ids_capacity * sizeof *g->ids);
        if (!g->ids) {
            g->ids_capacity = 0;
            return ew_error_set(err, EW_ERR_MEMORY, "no memory for the ids of %zu bytes", size);
        }
    }
    size_t n = 0;
    enum ew_status status = ew_tokenizer_encode(g->tokenizer, text, size, flags, g->ids, g->ids_capacity, &n, err);
    return status == EW_OK ? append(g, g->ids, n, err) : status;
}

static enum ew_status take_document(void *context, const char *document, size_t size, struct ew_error *err) {
    struct gathering *g = context;
    const int32_t bos = ew_tokenizer_bos(g->tokenizer), eos = ew_tokenizer_eos(g->tokenizer);
    enum ew_status status = append(g, &bos, 1, err);
    if (status == EW_OK) status = encode(g, document, size, 0, err);
    return status == EW_OK ? append(g, &eos, 1, err) : status;
}

static enum ew_status gather(const struct ew_tokenizer *tokenizer, const char *text, size_t size, bool documents,
                             struct ew_corpus *out, struct ew_error *err) {
    struct gathering g = {.tokenizer = tokenizer};
    if (ew_tokenizer_n_vocab(tokenizer) > UINT16_MAX + 1 || ew_tokenizer_bos(tokenizer) < 0 ||
        ew_tokenizer_eos(tokenizer) < 0)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "a vocabulary of %u tokens, BOS %d, EOS %d: training needs at most "
                            "65536 and both",
                            ew_tokenizer_n_vocab(tokenizer), ew_tokenizer_bos(tokenizer), ew_tokenizer_eos(tokenizer));
    enum ew_status status = documents ? ew_corpus_each_document(text, size, take_document, &g, err)
                                      : encode(&g, text, size, EW_TOKENIZE_ADD_SPECIAL, err);
    free(g.ids);
    if (status == EW_OK)
        *out = g.corpus;
    else
        free(g.corpus.ids);
    return status;
}

enum ew_status ew_corpus_of_documents(const struct ew_tokenizer *tokenizer, const char *text, size_t size,
                                      struct ew_corpus *out, struct ew_error *err) {
    return gather(tokenizer, text, size, true, out, err);
}

enum ew_status ew_corpus_of_text(const struct ew_tokenizer *tokenizer, const char *text, size_t size,
                                 struct ew_corpus *out, struct ew_error *err) {
    return gather(tokenizer, text, size, false, out, err);
}

void ew_corpus_close(struct ew_corpus *corpus) {
    free(corpus->ids);
    *corpus = (struct ew_corpus){0};
}

static void shuffle(struct ew_window_order *o, uint64_t pass) {
    uint64_t state = o->seed + (pass + 1) * 0x9e3779b97f4a7c15u;
    o->pass = pass;
    o->shift = (size_t)ew_random_below(&state, o->n_ctx);
    for (uint32_t i = 0; i < o->n_windows; i++) o->order[i] = i;
    for (size_t i = o->n_windows - 1; i > 0; i--) {
        const size_t j = (size_t)ew_random_below(&state, i + 1);
        const uint32_t kept = o->order[i];
        o->order[i] = o->order[j];
        o->order[j] = kept;
    }
}

enum ew_status ew_window_order_open(struct ew_window_order *o, uint64_t seed, size_t n_ids, size_t n_ctx,
                                    struct ew_error *err) {
    /* A shift of up to n_ctx - 1 and the token after the last window must fit. */
    if (n_ids < 2 * n_ctx || n_ids / n_ctx > UINT32_MAX)
        return ew_error_set(err, EW_ERR_ARGUMENT, "a text of %zu tokens: training needs two windows of %zu at least",
                            n_ids, n_ctx);
    *o = (struct ew_window_order){.seed = seed, .n_windows = n_ids / n_ctx - 1, .n_ctx = n_ctx};
    o->order = malloc(o->n_windows * sizeof *o->order);
    if (!o->order) return ew_error_set(err, EW_ERR_MEMORY, "no memory for the order of %zu windows", o->n_windows);
    shuffle(o, 0);
    return EW_OK;
}

void ew_window_order_close(struct ew_window_order *o) {
    free(o->order);
    *o = (struct ew_window_order){0};
}

size_t ew_window_order_at(struct ew_window_order *o, uint64_t number) {
    const uint64_t pass = number / o->n_windows;
    if (pass != o->pass) shuffle(o, pass);
    return o->shift + o->order[number % o->n_windows] * o->n_ctx;
}
