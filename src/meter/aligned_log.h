/* The after-the-fact way: a whole log of an external meter, moved to this machine's clock by the load that is known to
 * have run, as a trace for ew_energy_of_window. */
#ifndef EW_METER_ALIGNED_LOG_H
#define EW_METER_ALIGNED_LOG_H

#include "meter/integrate.h"
#include "meter/power_log.h"
#include "meter/time_shift.h"

struct ew_aligned_log {
    struct ew_power_log *log; /* the samples with the meter's own stamps, counts of what was wrong, description */
    const struct ew_meter_info *info; /* of the log; stamp_error_s is error_ns */
    int64_t *times_ns;                /* [n], rising: the machine's clock */
    const double *values;             /* [n][info->n_channels] */
    size_t n;
    bool found;                       /* by patterns; false = by the stamps themselves (clock=here) */
    struct ew_time_shift first, last; /* where found; last only with several patterns */
    struct ew_clock_map map;
    int64_t error_ns; /* largest 95 % half-width of a stamp inside the patterns' time */
};

/* How to bring the log onto the machine's clock: n_patterns >= 1: by the first and (where n > 1) the last of them.
 * None: only for a log whose source says clock=here and whose stamps are time of day; epoch_ns is then the machine's
 * clock at 1970-01-01 00:00 UTC (ew_clock_epoch_ns() while the same boot lasts). */
struct ew_alignment {
    const struct ew_load_pattern *patterns; /* rising */
    size_t n_patterns;
    int64_t epoch_ns;
};

/* source: FILE[?key=value&…], what stands after "log:"; docs/meters.md has the keys. *out: ew_aligned_log_close.
 * Errors: those of ew_power_log_read and ew_time_shift_find. */
enum ew_status ew_aligned_log_open(const char *source, const struct ew_alignment *how, struct ew_aligned_log **out,
                                   struct ew_error *err);
void ew_aligned_log_close(struct ew_aligned_log **log);

/* For ew_energy_of_window; valid as long as the log. */
struct ew_energy_trace ew_aligned_log_trace(const struct ew_aligned_log *log);

/* The machine's clock at the epoch, now: CLOCK_MONOTONIC_RAW minus CLOCK_REALTIME. */
int64_t ew_clock_epoch_ns(void);

/* A pattern from phases under load: on from begin to end of each, off between; known from rest_ns before the first to
 * rest_ns after the last. Phases rise; those that touch or overlap are one. edges [2 n] is the caller's and is pointed
 * to. Errors: ARGUMENT (none, or one that ends before it begins). */
struct ew_load_phase {
    int64_t begin_ns, end_ns;
};
enum ew_status ew_load_pattern_of_phases(const struct ew_load_phase *phases, size_t n, int64_t rest_ns,
                                         struct ew_load_edge *edges, struct ew_load_pattern *out, struct ew_error *err);

#endif
