/* Perplexity: how surprised a model is by a text, as the number of equally likely tokens that would surprise as much.
 *
 *     mean_nll = Σ nll / n      perplexity = exp(mean_nll)      over the n scored tokens
 *
 * error is the standard error of the perplexity if tokens were independent, perplexity · sqrt((mean nll² - mean_nll²) /
 * (n - 1)): what llama.cpp prints. Tokens of one window are not independent: error_windows takes windows as the units
 * instead and is the one to judge by where there are many. bits_per_byte does not depend on the vocabulary. */
#ifndef EW_QUALITY_PERPLEXITY_H
#define EW_QUALITY_PERPLEXITY_H

#include "quality/text_score.h"

struct ew_perplexity_sum { /* zero-filled at first */
    uint64_t n, n_bytes;
    double nll, nll_squared;
    /* Of the window under way, and of those that are complete. */
    uint64_t window_n, n_windows;
    double window_nll, window_mean, window_mean_squared;
};

struct ew_perplexity {
    uint64_t n_tokens, n_bytes, n_windows;
    double mean_nll; /* nats per token; NAN without tokens */
    double perplexity;
    double error;         /* NAN with fewer than 2 tokens */
    double error_windows; /* NAN with fewer than 2 windows */
    double bits_per_byte; /* NAN where no token has bytes */
};

/* n_bytes: of the tokens that came next, as text. */
void ew_perplexity_add(struct ew_perplexity_sum *sum, const struct ew_scored_rows *rows, uint64_t n_bytes);
void ew_perplexity_end_window(struct ew_perplexity_sum *sum);
struct ew_perplexity ew_perplexity_of(const struct ew_perplexity_sum *sum);

#endif
