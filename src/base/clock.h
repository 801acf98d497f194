/* One clock for the whole program: CLOCK_MONOTONIC_RAW, in nanoseconds. Stamps of the parent and of its trial
 * processes are comparable because the clock is the machine's. */
#ifndef EW_BASE_CLOCK_H
#define EW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t ew_clock_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline double ew_clock_seconds(int64_t ns) { return (double)ns * 1e-9; }

#endif
