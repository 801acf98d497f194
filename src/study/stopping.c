/* Owns the rule that ends repeats. Who asks: study_slots.c. */
#include "study/stopping.h"

#include <math.h>

static bool is_narrow(const double *values, size_t n, double until) {
    struct ew_stat_summary s;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i])) return false;
    if (ew_stat_summarise(values, n, &s, NULL) != EW_OK || s.is_range) return false;
    return fabs(ew_stat_relative_interval(&s)) <= until; /* NAN is not */
}

bool ew_stat_is_settled(const double *values, size_t n, double until) {
    return n >= EW_STAT_FEWEST_TO_SETTLE && is_narrow(values, n, until) && is_narrow(values, n - 1, until);
}
