/* Owns the figures that `edgewise run` takes of itself. Figures to decide by come from outside the process: bench. */
#include "cli/run_figures.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

double ew_run_per_second(size_t n, int64_t ns) { return ns > 0 ? (double)n / ew_clock_seconds(ns) : 0; }

double ew_run_peak_mib(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024.0;
}

const char *ew_run_drafts_text(uint64_t drafted, uint64_t accepted, char buf[EW_RUN_DRAFTS_SIZE]) {
    buf[0] = 0;
    if (drafted > 0)
        snprintf(buf, EW_RUN_DRAFTS_SIZE, " · %.0f %% of %" PRIu64 " drafted tok accepted",
                 100 * (double)accepted / (double)drafted, drafted);
    return buf;
}
