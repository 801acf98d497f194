/* Intervals by resampling, for what has no exact one: the mean, and ratios of means and medians. Seeded: the same
 * values and seed give the same interval. Which method covers what: docs/statistics.md. */
#ifndef EW_STUDY_BOOTSTRAP_H
#define EW_STUDY_BOOTSTRAP_H

#include "study/statistics.h"

/* 95 % interval of the mean: studentized bootstrap (Efron 1979; Hall 1992, 3.5), every resample enumerated for n <= 7,
 * 1999 drawn above. Student's t for n < 5, and where most values are equal. Chosen over BCa, which covers 83 % at n
 * = 5. NONE for n < 2. Errors: MEMORY. */
enum ew_status ew_stat_mean_interval(const double *values, size_t n, uint64_t seed, struct ew_stat_interval *out,
                                     struct ew_error *err);

/* 95 % interval of median(a) / median(b): percentile bootstrap, 1999 resamples.
 * paired: a[i] and b[i] were measured in one block and are drawn together (na == nb).
 * NONE with fewer than 5 values on a side or any that is not positive. Errors: MEMORY, ARGUMENT (paired, na != nb). */
enum ew_status ew_stat_median_ratio_interval(const double *a, size_t na, const double *b, size_t nb, bool paired,
                                             uint64_t seed, struct ew_stat_interval *out, struct ew_error *err);

/* The same of mean(a) / mean(b): studentized bootstrap of its logarithm. */
enum ew_status ew_stat_mean_ratio_interval(const double *a, size_t na, const double *b, size_t nb, bool paired,
                                           uint64_t seed, struct ew_stat_interval *out, struct ew_error *err);

#endif
