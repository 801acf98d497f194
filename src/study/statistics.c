/* Owns medians, spreads and intervals. Knows nothing of trials; trial_figures.c feeds it. */
#include "study/statistics.h"
#include "base/error.h"
#include "study/seeded_random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 2000, MIN_FOR_BOOTSTRAP = 5 };

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void ew_stat_sort(double *values, size_t n) {
    if (n > 1) qsort(values, n, sizeof *values, compare);
}

/* Type 7 without asking whether n is large enough. */
static double interpolate(const double *sorted, size_t n, double q) {
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

double ew_stat_quantile(const double *sorted, size_t n, double q) {
    if (n == 0 || !(q >= 0 && q <= 1)) return NAN;
    /* The small allowance keeps 100 values enough for 0.99, which is not exact in binary. */
    double beyond = (double)n * fmin(q, 1 - q);
    if (q != 0.5 && beyond < 1 - 1e-9) return NAN;
    return interpolate(sorted, n, q);
}

static void bootstrap(const double *sorted, size_t n, uint64_t seed, double *sample, double *medians,
                      struct ew_stat_summary *out) {
    for (int r = 0; r < RESAMPLES; r++) {
        for (size_t i = 0; i < n; i++) sample[i] = sorted[ew_random_below(&seed, n)];
        ew_stat_sort(sample, n);
        medians[r] = interpolate(sample, n, 0.5);
    }
    ew_stat_sort(medians, RESAMPLES);
    out->low = interpolate(medians, RESAMPLES, 0.025);
    out->high = interpolate(medians, RESAMPLES, 0.975);
}

enum ew_status ew_stat_summarise(const double *values, size_t n, uint64_t seed, struct ew_stat_summary *out,
                                 struct ew_error *err) {
    struct ew_stat_summary s = {
        .n = n, .mean = NAN, .median = NAN, .min = NAN, .max = NAN, .stddev = NAN, .low = NAN, .high = NAN};
    if (n == 0) {
        *out = s;
        return EW_OK;
    }
    double *work = malloc((2 * n + RESAMPLES) * sizeof *work);
    if (!work) return ew_error_set(err, EW_ERR_MEMORY, "statistics: no memory for %zu values", n);
    memcpy(work, values, n * sizeof *work);
    ew_stat_sort(work, n);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += work[i];
    s.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (work[i] - s.mean) * (work[i] - s.mean);
    s.median = interpolate(work, n, 0.5);
    s.min = work[0];
    s.max = work[n - 1];
    if (n >= 2) {
        s.stddev = sqrt(squares / (double)(n - 1));
        s.low = s.min;
        s.high = s.max;
        s.is_range = true;
    }
    if (n >= MIN_FOR_BOOTSTRAP) {
        bootstrap(work, n, seed, work + n, work + 2 * n, &s);
        s.is_range = false;
    }
    free(work);
    *out = s;
    return EW_OK;
}

double ew_stat_relative_interval(const struct ew_stat_summary *summary) {
    return (summary->high - summary->low) / 2 / summary->median;
}
