/* Owns the sums behind a perplexity and its two errors; perplexity.h has the formulas. */
#include "quality/perplexity.h"

#include <math.h>

void ew_perplexity_add(struct ew_perplexity_sum *sum, const struct ew_scored_rows *rows, uint64_t n_bytes) {
    for (size_t i = 0; i < rows->n; i++) {
        double nll = rows->score[i].nll;
        sum->nll += nll;
        sum->nll_squared += nll * nll;
        sum->window_nll += nll;
    }
    sum->n += rows->n;
    sum->window_n += rows->n;
    sum->n_bytes += n_bytes;
}

void ew_perplexity_end_window(struct ew_perplexity_sum *sum) {
    if (sum->window_n == 0) return;
    double mean = sum->window_nll / (double)sum->window_n;
    sum->window_mean += mean;
    sum->window_mean_squared += mean * mean;
    sum->n_windows++;
    sum->window_n = 0;
    sum->window_nll = 0;
}

/* Standard error of a mean from sums; rounding must not make it the root of something negative. */
static double error_of_mean(double sum, double sum_squared, uint64_t n) {
    if (n < 2) return NAN;
    double mean = sum / (double)n, variance = sum_squared / (double)n - mean * mean;
    return variance > 0 ? sqrt(variance / (double)(n - 1)) : 0;
}

struct ew_perplexity ew_perplexity_of(const struct ew_perplexity_sum *s) {
    struct ew_perplexity p = {.n_tokens = s->n, .n_bytes = s->n_bytes, .n_windows = s->n_windows};
    p.mean_nll = s->n > 0 ? s->nll / (double)s->n : NAN;
    p.perplexity = exp(p.mean_nll);
    p.error = p.perplexity * error_of_mean(s->nll, s->nll_squared, s->n);
    p.error_windows = p.perplexity * error_of_mean(s->window_mean, s->window_mean_squared, s->n_windows);
    p.bits_per_byte = s->n_bytes > 0 ? s->nll / (log(2.0) * (double)s->n_bytes) : NAN;
    return p;
}
