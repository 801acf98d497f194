/* Owns medians, spreads and the interval of a median. Knows nothing of trials, and resamples nothing: bootstrap.c does.
 * Why the median's interval is not a bootstrap: docs/statistics.md has the coverage of both. */
#include "study/statistics.h"
#include "base/error.h"
#include "study/distributions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST_FOR_INTERVAL = 5 };

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void ew_stat_sort(double *values, size_t n) {
    if (n > 1) qsort(values, n, sizeof *values, compare);
}

double ew_stat_mean(const double *values, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    return n ? sum / (double)n : NAN;
}

double ew_stat_stddev(const double *values, size_t n) {
    if (n < 2) return NAN;
    double mean = ew_stat_mean(values, n), squares = 0;
    for (size_t i = 0; i < n; i++) squares += (values[i] - mean) * (values[i] - mean);
    return sqrt(squares / (double)(n - 1));
}

double ew_stat_median_of_sorted(const double *sorted, size_t n) {
    if (n == 0) return NAN;
    double below = sorted[(n - 1) / 2], above = sorted[n / 2];
    return below + (above - below) / 2;
}

/* The d-th value from either end covers the median with 1 - 2 P(B < d), B binomial(n, 1/2). Between the deepest d that
 * still reaches the level and the next one, Hettmansperger and Sheather interpolate; they show that the result is
 * nearly independent of the distribution. */
struct ew_stat_interval ew_stat_median_interval(const double *sorted, size_t n, double level) {
    if (n < 2) return (struct ew_stat_interval){NAN, NAN, NAN, EW_INTERVAL_NONE};
    double outer = 1 - 2 * ew_stat_binomial_below(0, n, 0.5);
    if (outer < level) return (struct ew_stat_interval){sorted[0], sorted[n - 1], outer, EW_INTERVAL_RANGE};
    size_t d = 1;
    double inner = 1 - 2 * ew_stat_binomial_below(1, n, 0.5);
    while (inner >= level && 2 * (d + 1) <= n) {
        outer = inner;
        d++;
        inner = 1 - 2 * ew_stat_binomial_below((double)d, n, 0.5);
    }
    double part = (outer - level) / (outer - inner);
    double weight = (double)(n - d) * part / ((double)d + (double)(n - 2 * d) * part);
    double low = sorted[d - 1] + weight * (sorted[d] - sorted[d - 1]);
    double high = sorted[n - d] - weight * (sorted[n - d] - sorted[n - d - 1]);
    return (struct ew_stat_interval){low, high, level, EW_INTERVAL_ORDER};
}

static void fill(double *work, size_t n, struct ew_stat_summary *s) {
    ew_stat_sort(work, n);
    s->mean = ew_stat_mean(work, n);
    s->stddev = ew_stat_stddev(work, n);
    s->median = ew_stat_median_of_sorted(work, n);
    s->min = work[0];
    s->max = work[n - 1];
    struct ew_stat_interval interval = ew_stat_median_interval(work, n, 0.95);
    s->low = interval.low;
    s->high = interval.high;
    s->coverage = interval.coverage;
    s->is_range = n >= 2 && n < FEWEST_FOR_INTERVAL;
    for (size_t i = 0; i < n; i++) work[i] = fabs(work[i] - s->median);
    ew_stat_sort(work, n);
    s->mad = ew_stat_median_of_sorted(work, n);
}

enum ew_status ew_stat_summarise(const double *values, size_t n, struct ew_stat_summary *out, struct ew_error *err) {
    struct ew_stat_summary s = {n, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, false};
    if (n > 0) {
        double small[64], *work = n <= 64 ? small : malloc(n * sizeof *work);
        if (!work) return ew_error_set(err, EW_ERR_MEMORY, "statistics: no memory for %zu values", n);
        memcpy(work, values, n * sizeof *work);
        fill(work, n, &s);
        if (work != small) free(work);
    }
    *out = s;
    return EW_OK;
}

double ew_stat_relative_interval(const struct ew_stat_summary *summary) {
    return (summary->high - summary->low) / 2 / summary->median;
}
