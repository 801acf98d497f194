/* Runs that stand apart. They are marked and stay in every figure: medians do not need them gone, and a board that
 * stalls once in twenty runs does so for its user, too. Pure. */
#ifndef EW_STUDY_OUTLIERS_H
#define EW_STUDY_OUTLIERS_H

#include "study/statistics.h"

struct ew_stat_outliers {
    size_t n_flagged;
    double median, scale; /* scale: MAD; mean absolute deviation / 1.1829 where more than half the values are equal */
    double threshold;     /* flagged: |value - median| > threshold * scale; NAN for n < 5: nothing is flagged */
};

/* flags: [n], written, or NULL. The threshold grows as n shrinks, so that among normal values at most one sample in
 * twenty of any size has a flag. Source: Hampel's identifier with the standardisation of Davies and Gather 1993.
 * Errors: MEMORY. */
enum ew_status ew_stat_flag_outliers(const double *values, size_t n, bool *flags, struct ew_stat_outliers *out,
                                     struct ew_error *err);

#endif
