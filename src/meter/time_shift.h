/* Finds the offset between the clock of an external meter and this machine's, from a load pattern in its trace.
 *
 * Method: docs/meters.md, "External meters": normalised cross-correlation, refined below the sampling period; the
 * uncertainty is a block jackknife over the pattern's edges. Source: Quenouille 1956 / Tukey 1958 for the jackknife. */
#ifndef EW_METER_TIME_SHIFT_H
#define EW_METER_TIME_SHIFT_H

#include "meter/load_signature.h"

/* A power trace on the meter's own clock: stamps rise; NAN = missing. */
struct ew_power_series {
    const int64_t *times_ns; /* [n] */
    const double *watts;     /* [n] */
    size_t n;
};

struct ew_time_shift {
    int64_t shift_ns;   /* machine's clock = meter's clock + shift_ns, at middle_ns */
    int64_t error_ns;   /* half-width of its 95 % interval */
    int64_t middle_ns;  /* machine's clock: middle of the pattern it was found by */
    double peak;        /* correlation of trace and pattern, -1 … 1 */
    double second_peak; /* the best elsewhere, more than one shortest pulse away */
    double evidence;    /* ln of the odds of the first against the second, from the residuals they leave */
    double off_w, on_w; /* mean of the trace while the load was off and on */
    size_t samples;     /* of the trace inside the pattern */
};

enum { EW_SHIFT_ANY = 0 }; /* for both limits: wherever the trace holds the pattern */

/* The shift includes half the meter's own averaging and delay, so that shifted samples show the power of their stamps.
 * Searched are shifts in [min_ns, max_ns] at which the trace holds at least 80 % of the pattern; both EW_SHIFT_ANY:
 * everywhere. Errors: ARGUMENT (pattern without a pulse, limits that fall), NOT_FOUND (the trace does not hold the
 * pattern, is too coarse for it, does not change, or its peak is not distinct: the message names the numbers), LIMIT
 * (too long for its pulses), MEMORY. */
enum ew_status ew_time_shift_find(const struct ew_load_pattern *pattern, const struct ew_power_series *series,
                                  int64_t min_ns, int64_t max_ns, struct ew_time_shift *out, struct ew_error *err);

/* The same for a load of several levels: from times_ns[i] on levels[i] (any unit, finite), 0 before the first. */
struct ew_level_pattern {
    const int64_t *times_ns; /* [n], rising */
    const double *levels;    /* [n] */
    size_t n;
    int64_t begin_ns, end_ns;
};
enum ew_status ew_time_shift_find_levels(const struct ew_level_pattern *pattern, const struct ew_power_series *series,
                                         int64_t min_ns, int64_t max_ns, struct ew_time_shift *out,
                                         struct ew_error *err);

/* A line through one or two shifts. */
struct ew_clock_map {
    int64_t shift_ns, error_ns, middle_ns; /* of the first shift */
    double drift_ppm;                      /* how much the meter's clock is slow: the shift grows by it; 0 with one */
    double drift_error_ppm;                /* 95 %; NAN = not measured */
};

/* last may be NULL. Errors: ARGUMENT (last is not after first), FORMAT (a drift above 2,000 ppm: no clock does that, so
 * one of the shifts is wrong). */
enum ew_status ew_clock_map_make(const struct ew_time_shift *first, const struct ew_time_shift *last,
                                 struct ew_clock_map *out, struct ew_error *err);

/* The machine's time of a stamp of the meter, and the half-width of its 95 % interval (error_ns may be NULL; without a
 * measured drift it grows by 50 ppm away from the middle). Saturates instead of overflowing. */
int64_t ew_clock_map_time(const struct ew_clock_map *map, int64_t meter_ns, int64_t *error_ns);

#endif
