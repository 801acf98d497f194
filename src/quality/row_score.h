/* What rows of logits say about the tokens that really came next, computed by all threads. */
#ifndef EW_QUALITY_ROW_SCORE_H
#define EW_QUALITY_ROW_SCORE_H

#include <stddef.h>
#include <stdint.h>

struct ew_row_score {
    double log_sum; /* ln Σ exp(logit): the log-probability of token i is logits[i] - log_sum */
    double nll;     /* -ln p of the token that came next, in nats */
    int32_t top;    /* the most likely token; the first of equals */
};

/* The most likely token; the first of equals. logits: [n_vocab], n_vocab >= 1. */
int32_t ew_row_top(const float *logits, uint32_t n_vocab);

struct ew_thread_pool;

/* Scores of n rows. logits: [n][n_vocab]; next: [n] tokens that came next. */
void ew_row_score_all(struct ew_thread_pool *pool, uint32_t threads, const float *logits, uint32_t n_vocab,
                      const int32_t *next, size_t n, struct ew_row_score *out);

/* Rows to hold at once: memory stays bounded whatever the vocabulary, and there are enough for the engine's matrix
 * products to be at full speed. */
size_t ew_row_slice(uint32_t n_vocab);

#endif
