/* Summaries of repeated measurements: pure functions over n finite values. What n is too small for is NAN, never a
 * guess. docs/statistics.md has every formula, its source and its limits. Neighbours: quantiles.h (tails), bootstrap.h
 * (means and ratios), comparison.h (two configurations), stopping.h, outliers.h, drift.h. */
#ifndef EW_STUDY_STATISTICS_H
#define EW_STUDY_STATISTICS_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ew_interval_method {
    EW_INTERVAL_NONE = 0, /* no interval: low and high are NAN */
    EW_INTERVAL_RANGE,    /* smallest to largest value: n is too small for the level that was asked for */
    EW_INTERVAL_ORDER,    /* order statistics; assumes nothing but independent draws from one distribution */
    EW_INTERVAL_STUDENT,  /* t; assumes normal values */
    EW_INTERVAL_BOOTSTRAP /* resampled, seeded; large-sample theory */
};

struct ew_stat_interval {
    double low, high;
    double coverage; /* exact for RANGE, the level that was asked for otherwise; NAN without an interval */
    enum ew_interval_method method;
};

struct ew_stat_summary {
    size_t n;
    double mean, median, min, max; /* NAN when n is 0 */
    double stddev;                 /* of a sample (n - 1); NAN when n < 2 */
    double mad;                    /* median absolute deviation from the median; times 1.4826 estimates sigma */
    double low, high;              /* 95 % interval of the median, as ew_stat_median_interval; NAN when n < 2 */
    double coverage;               /* of low to high: 0.95; less where it is the whole range (n < 6); NAN when n < 2 */
    bool is_range; /* n < 5: low and high are min and max, which cover the median 50, 75, 88 times in 100 */
};

/* values: [n], finite. Costs sorting, no resampling. Errors: MEMORY. */
enum ew_status ew_stat_summarise(const double *values, size_t n, struct ew_stat_summary *out, struct ew_error *err);

/* Interval of the median from sorted[0..n): two order statistics, interpolated to the level. Below level (n < 6 for
 * 0.95): the range with its exact coverage 1 - 2^(1-n). Source: Hettmansperger and Sheather 1986. */
struct ew_stat_interval ew_stat_median_interval(const double *sorted, size_t n, double level);

/* Half the interval's width relative to the median: 0.02 = ±2 %. NAN when there is no interval. */
double ew_stat_relative_interval(const struct ew_stat_summary *summary);

double ew_stat_mean(const double *values, size_t n);             /* NAN when n is 0 */
double ew_stat_stddev(const double *values, size_t n);           /* n - 1; NAN when n < 2 */
double ew_stat_median_of_sorted(const double *sorted, size_t n); /* NAN when n is 0 */

void ew_stat_sort(double *values, size_t n);

#endif
