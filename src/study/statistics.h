/* Statistics of repeated measurements: pure functions. Quantiles only where n allows them; NAN otherwise, never a
 * guess. */
#ifndef EW_STUDY_STATISTICS_H
#define EW_STUDY_STATISTICS_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ew_stat_summary {
    size_t n;
    double mean, median, min, max; /* NAN when n is 0 */
    double stddev;                 /* of a sample (n - 1); NAN when n < 2 */
    /* 95 % interval of the median: percentile bootstrap when n >= 5; with fewer it is the whole range, which says less.
     * NAN when n < 2. */
    double low, high;
    bool is_range; /* low and high are min and max */
};

/* values: [n], finite. The same seed gives the same interval. Errors: MEMORY. */
enum ew_status ew_stat_summarise(const double *values, size_t n, uint64_t seed, struct ew_stat_summary *out,
                                 struct ew_error *err);

/* Quantile q in [0, 1] of sorted[0..n), linear between neighbours (Hyndman and Fan 1996, type 7). NAN unless at least
 * one value is expected beyond it: n * (1 - q) >= 1 and n * q >= 1, so p99 needs 100 values. The median needs 1. */
double ew_stat_quantile(const double *sorted, size_t n, double q);

/* Half the interval's width relative to the median: 0.02 = ±2 %. NAN when there is no interval. */
double ew_stat_relative_interval(const struct ew_stat_summary *summary);

void ew_stat_sort(double *values, size_t n);

#endif
