/* Owns the figures that `edgewise run` takes of itself. Figures to decide by come from outside the process: bench. */
#include "cli/run_figures.h"
#include "base/clock.h"

#include <sys/resource.h>

double ew_run_per_second(size_t n, int64_t ns) { return ns > 0 ? (double)n / ew_clock_seconds(ns) : 0; }

double ew_run_peak_mib(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024.0;
}
