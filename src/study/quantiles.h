/* Quantiles of a sample, with intervals that assume no distribution. */
#ifndef EW_STUDY_QUANTILES_H
#define EW_STUDY_QUANTILES_H

#include "study/statistics.h"

/* Quantile q in [0, 1] of sorted[0..n), linear between neighbours (Hyndman and Fan 1996, type 7, the default of R and
 * NumPy). NAN unless at least one value is expected beyond it: n * (1 - q) >= 1 and n * q >= 1, so p99 needs 100
 * values. The median needs 1. */
double ew_stat_quantile(const double *sorted, size_t n, double q);

/* Interval of that quantile: the innermost order statistics x_(r), x_(s) with P(B < r) and P(B >= s) each at most
 * (1 - level) / 2, B binomial(n, q). A side that n cannot bound is NAN, and then coverage is that of the side that is
 * there; method NONE when there is neither. Values must be independent. Source: David and Nagaraja 2003, 7.1. */
struct ew_stat_interval ew_stat_quantile_interval(const double *sorted, size_t n, double q, double level);

/* Fewest values for which both sides of that interval exist: 368 for p99 at 0.95. 0 for q of 0 or 1. */
size_t ew_stat_quantile_fewest(double q, double level);

#endif
