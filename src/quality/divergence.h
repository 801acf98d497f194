/* How far a model's predictions are from those of a reference (usually the same model before quantization), token by
 * token, over what a reference run holds. With p the reference's probabilities and q the model's:
 *
 *     KL         Σ p ln(p / q) of a row, in nats: 0 where they agree. What quantization costs, free of the text's own
 *                difficulty.
 *     same top   rows where both find the same token most likely.
 *     Δp         q - p of the token that came next, in percentage points: below 0 where the model knows less.
 *     ln ratio   mean of ln p - ln q of the token that came next: the logarithm of the ratio of both perplexities.
 *
 * Errors are standard errors over rows, as llama.cpp prints them; the ratio's is of paired differences, so it is much
 * smaller than those of the two perplexities. */
#ifndef EW_QUALITY_DIVERGENCE_H
#define EW_QUALITY_DIVERGENCE_H

#include "quality/reference_run.h"

struct ew_divergence_sum;

enum ew_status ew_divergence_open(struct ew_divergence_sum **out, struct ew_error *err);
void ew_divergence_close(struct ew_divergence_sum **sum);

/* Holds rows of a walk against the next rows of the run. Errors: those of the reader, MEMORY. */
enum ew_status ew_divergence_add(struct ew_divergence_sum *sum, struct ew_reference_reader *reference,
                                 const struct ew_scored_rows *rows, struct ew_error *err);

struct ew_divergence_mean {
    double value, error; /* error NAN with fewer than 2 rows */
};

struct ew_divergence {
    uint64_t n;
    struct ew_divergence_mean kl; /* nats */
    double kl_median, kl_p90, kl_p99, kl_max;
    struct ew_divergence_mean same_top; /* 0 … 1 */
    struct ew_divergence_mean delta_p;  /* percentage points */
    double delta_p_rms;
    double reference_perplexity;
    struct ew_divergence_mean log_ratio; /* ln(perplexity / reference_perplexity) */
};

/* Sorts what was added; more may follow. NAN throughout where nothing was. */
struct ew_divergence ew_divergence_of(struct ew_divergence_sum *sum);

#endif
