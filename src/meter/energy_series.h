/* The readings of one channel, or of the total, made ready for integration: what cannot be left out, counters
 * unwrapped, a sensor that is slower than the sampling reduced to its own updates. Inside of integrate.c. */
#ifndef EW_METER_ENERGY_SERIES_H
#define EW_METER_ENERGY_SERIES_H

#include "meter/integrate.h"

/* What is remarkable about the cell before a reading. */
enum { EW_CELL_WRAPPED = 1, EW_CELL_FELL = 2 };

struct ew_energy_series {
    int64_t *times_ns; /* [n] rising: the moments that the values stand for */
    double *value;     /* [n] watts, or joules since the first reading */
    uint8_t *cell;     /* [n] EW_CELL_ flags */
    double *scratch;   /* for medians; at least one per reading of the trace */
    size_t n;
    int64_t first_ns, last_ns; /* stamps of the first and the last good reading */
    double step_s;             /* median time between the trace's readings */
    double update_s;           /* the sensor's own period where that is longer than step_s, else step_s */
    double still_limit_s;      /* standing still for longer is not its habit; INFINITY where that cannot be said */
    double still_w;            /* counter: mean power over the longest stand-still; 0 when it never went on */
    double smallest_wrap_j;    /* of the channels in the sum; 0 = none wraps */
    size_t n_channels;         /* in the sum */
    double absurd_value;       /* one reading that cannot be; NAN = none */
    bool regular;              /* its changes come so evenly that they are its updates */
    bool reduced;              /* power: only the sensor's updates are left */
};

bool ew_energy_in_sum(const struct ew_meter_info *info, int channel, size_t c);

/* Gathers, and counts into `counts` what happened inside [t0, t1]: samples, updates, duplicates, missing, implausible,
 * saturated, update_period_s, still_s. reduce: leave only the updates of a sensor that is slower than the sampling.
 * false: no memory. *out is freed by ew_energy_series_free either way. */
bool ew_energy_series_read(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns, bool reduce,
                           struct ew_energy *counts, struct ew_energy_series *out);
void ew_energy_series_free(struct ew_energy_series *series);

/* Index i with times[i] <= t < times[i + 1]; the first or last cell for a t outside. n >= 2. */
size_t ew_energy_cell_of(const struct ew_energy_series *series, int64_t t_ns);

#endif
