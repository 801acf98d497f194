/* Text as token ids, and the order in which training sees it. */
#ifndef EW_TRAIN_TOKEN_CORPUS_H
#define EW_TRAIN_TOKEN_CORPUS_H

#include "token/tokenizer.h"

/* A line that is exactly this stands between documents. */
#define EW_CORPUS_SEPARATOR "<|doc|>"

struct ew_corpus {
    uint16_t *ids; /* [n] */
    size_t n;
};

/* Calls take with each document of a text in turn: what lies between separator lines, empty ones left out. Ends with
 * the first status that is not EW_OK. */
typedef enum ew_status ew_corpus_take(void *context, const char *document, size_t size, struct ew_error *err);
enum ew_status ew_corpus_each_document(const char *text, size_t size, ew_corpus_take *take, void *context,
                                       struct ew_error *err);

/* For training: BOS, a document's ids, EOS, and so on. Errors: UNSUPPORTED (more than 65536 tokens, no BOS or EOS),
 * MEMORY. */
enum ew_status ew_corpus_of_documents(const struct ew_tokenizer *tokenizer, const char *text, size_t size,
                                      struct ew_corpus *out, struct ew_error *err);
/* For validation: the whole text as it is, special tokens as the vocabulary asks for them: what `edgewise eval` does.
 */
enum ew_status ew_corpus_of_text(const struct ew_tokenizer *tokenizer, const char *text, size_t size,
                                 struct ew_corpus *out, struct ew_error *err);
void ew_corpus_close(struct ew_corpus *corpus);

/* Windows of n_ctx tokens (and the one that follows) lie side by side and are shuffled; each pass over the text has an
 * order and a first token of its own. A pure function of the seed and a window's number, so that a training that was
 * stopped goes on with the same windows. */
struct ew_window_order {
    uint64_t seed, pass;
    size_t n_windows, n_ctx, shift;
    uint32_t *order; /* [n_windows] of the pass */
};

/* Errors: ARGUMENT (a text of less than two windows), MEMORY. */
enum ew_status ew_window_order_open(struct ew_window_order *order, uint64_t seed, size_t n_ids, size_t n_ctx,
                                    struct ew_error *err);
void ew_window_order_close(struct ew_window_order *order);
/* Where window `number` (of all passes) begins. */
size_t ew_window_order_at(struct ew_window_order *order, uint64_t number);

#endif
