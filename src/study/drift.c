/* Owns trends over the order of runs. Blocks as a whole: block_effect.c. */
#include "study/drift.h"
#include "base/error.h"
#include "study/distributions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RUNS = 4000, MOST_EXACT = 40, FEWEST_TO_FLAG = 5, FEWEST_NEIGHBOURS = 8 };

/* ---- the distribution of Kendall's S ---- */

/* counts[k]: permutations of n with k inversions, k <= n (n - 1) / 2, as shares of all. counts: [n (n - 1) / 2 + 1] */
static void share_inversions(size_t n, double *counts) {
    size_t most = 0;
    counts[0] = 1;
    for (size_t m = 2; m <= n; m++) {
        size_t wider = most + m - 1;
        double next[MOST_EXACT * (MOST_EXACT - 1) / 2 + 1] = {0}, window = 0;
        for (size_t k = 0; k <= wider; k++) {
            if (k <= most) window += counts[k];
            if (k >= m) window -= counts[k - m];
            next[k] = window / (double)m;
        }
        memcpy(counts, next, (wider + 1) * sizeof *counts);
        most = wider;
    }
}

struct kendall {
    double s, variance;
    bool ties;
};

static double exact_p(size_t n, double s) {
    double shares[MOST_EXACT * (MOST_EXACT - 1) / 2 + 1] = {0}, tail = 0;
    share_inversions(n, shares);
    double pairs = (double)(n * (n - 1) / 2);
    size_t inversions = (size_t)((pairs - fabs(s)) / 2);
    for (size_t k = 0; k <= inversions; k++) tail += shares[k];
    return fmin(1, 2 * tail);
}

static double normal_p(const struct kendall *k) {
    if (!(k->variance > 0)) return 1;
    return fmin(1, 2 * ew_stat_normal_below(-fmax(0, fabs(k->s) - 1) / sqrt(k->variance)));
}

/* How many slopes to cut from either end. */
static struct ew_stat_interval cut(const double *slopes, size_t m, size_t n, const struct kendall *k) {
    size_t depth = 0;
    double coverage = 0.95;
    if (n <= MOST_EXACT) {
        double shares[MOST_EXACT * (MOST_EXACT - 1) / 2 + 1] = {0}, below = 0;
        share_inversions(n, shares);
        while (depth < m / 2 && below + shares[depth] <= 0.025 + 1e-12) below += shares[depth++];
        coverage = 1 - 2 * (depth ? below : shares[0]);
    } else {
        double at = ((double)m - 1.959963984540054 * sqrt(k->variance)) / 2;
        depth = at < 1 ? 1 : (size_t)at;
    }
    if (depth == 0) return (struct ew_stat_interval){slopes[0], slopes[m - 1], coverage, EW_INTERVAL_RANGE};
    return (struct ew_stat_interval){slopes[depth - 1], slopes[m - depth], coverage, EW_INTERVAL_ORDER};
}

/* ---- the trend ---- */

/* Fills m = n (n - 1) / 2 slopes; false where two runs share a place. */
static bool find_slopes(const double *at, const double *values, size_t n, double *slopes, double *s) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            double step = at ? at[j] - at[i] : (double)(j - i);
            if (step == 0) return false;
            double rise = (values[j] - values[i]) * (step > 0 ? 1 : -1);
            *s += (rise > 0) - (rise < 0);
            slopes[m++] = (values[j] - values[i]) / step;
        }
    return true;
}

/* Variance of S with ties among the values: Kendall 1970. */
static struct kendall describe(const double *sorted, size_t n, double s) {
    struct kendall k = {.s = s, .variance = (double)n * (double)(n - 1) * (double)(2 * n + 5)};
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && sorted[j] == sorted[i];) j++;
        double t = (double)(j - i);
        k.variance -= t * (t - 1) * (2 * t + 5);
        k.ties |= j - i > 1;
    }
    k.variance /= 18;
    return k;
}

static double span_of(const double *at, size_t n) {
    if (!at) return (double)(n - 1);
    double low = at[0], high = at[0];
    for (size_t i = 1; i < n; i++) {
        low = fmin(low, at[i]);
        high = fmax(high, at[i]);
    }
    return high - low;
}

static void fill(const double *at, const double *values, double *sorted, size_t n, double *slopes, double s,
                 struct ew_stat_trend *out) {
    size_t m = n * (n - 1) / 2;
    memcpy(sorted, values, n * sizeof *values);
    ew_stat_sort(sorted, n);
    ew_stat_sort(slopes, m);
    struct kendall k = describe(sorted, n, s);
    out->slope = ew_stat_median_of_sorted(slopes, m);
    out->interval = cut(slopes, m, n, &k);
    out->p = n <= MOST_EXACT && !k.ties ? exact_p(n, s) : normal_p(&k);
    out->change = out->slope * span_of(at, n) / fabs(ew_stat_median_of_sorted(sorted, n));
    out->drifts = n >= FEWEST_TO_FLAG && out->p <= 0.05 && fabs(out->change) >= EW_STAT_LEAST_DRIFT;
}

enum ew_status ew_stat_find_trend(const double *at, const double *values, size_t n, struct ew_stat_trend *out,
                                  struct ew_error *err) {
    struct ew_stat_trend trend = {NAN, {NAN, NAN, NAN, EW_INTERVAL_NONE}, NAN, NAN, false};
    if (n < 3) {
        *out = trend;
        return EW_OK;
    }
    if (n > MOST_RUNS) return ew_error_set(err, EW_ERR_LIMIT, "trend: %zu runs are more than %d", n, MOST_RUNS);
    double *slopes = calloc(n * (n - 1) / 2, sizeof *slopes), *sorted = calloc(n, sizeof *sorted), s = 0;
    enum ew_status status = EW_OK;
    if (!slopes || !sorted)
        status = ew_error_set(err, EW_ERR_MEMORY, "trend: no memory for %zu runs", n);
    else if (!find_slopes(at, values, n, slopes, &s))
        status = ew_error_set(err, EW_ERR_ARGUMENT, "trend: two of %zu runs are at one place", n);
    if (status == EW_OK) {
        fill(at, values, sorted, n, slopes, s, &trend);
        *out = trend;
    }
    free(slopes);
    free(sorted);
    return status;
}

struct ew_stat_neighbours ew_stat_find_neighbours(const double *values, size_t n) {
    struct ew_stat_neighbours out = {NAN, false};
    if (n < FEWEST_NEIGHBOURS) return out;
    double mean = ew_stat_mean(values, n), products = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        squares += (values[i] - mean) * (values[i] - mean);
        if (i > 0) products += (values[i] - mean) * (values[i - 1] - mean);
    }
    if (!(squares > 0)) return out;
    out.r1 = products / squares;
    out.resemble = fabs(out.r1 + 1 / (double)n) > 1.96 / sqrt((double)n);
    return out;
}
