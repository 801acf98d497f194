/* Energy over a window of a recorded trace, with its uncertainty and trust grade. Pure functions.
 *
 * Method: docs/meters.md, "Energy of a window". Source: the trapezoid rule, and the combination of independent
 * uncertainties of JCGM 100:2008 (GUM), section 5.1. */
#ifndef EW_METER_INTEGRATE_H
#define EW_METER_INTEGRATE_H

#include "edgewise/meter.h"

/* Samples of one meter: times_ns [n] rising, values [n][n_channels] (NAN = missing), described by info. */
struct ew_energy_trace {
    const struct ew_meter_info *info; /* kind, channels, resolution, averaging, error, grade ceiling */
    const int64_t *times_ns;
    const double *values;
    size_t n;
};

/* Power at rest, from windows before and after. */
struct ew_idle_baseline {
    double power_w; /* mean of both */
    double error_w; /* half-width of its 95 % interval, half the drift included */
    double drift_w; /* after minus before; NAN with only one window */
};

struct ew_energy {
    double energy_j; /* gross; NAN = no samples cover the window */
    double error_j;  /* half-width of the 95 % interval; without the sensor's own error where that is not documented */
    double net_j;    /* gross minus idle power times duration; NAN without a baseline */
    double net_error_j;
    double average_w;
    double peak_w; /* highest sample, or highest slope between counter updates */
    double duration_s;
    double update_period_s; /* median time between changes of the reading; NAN when it changed less than twice */
    uint32_t samples;       /* in the window, missing ones not counted */
    uint32_t updates;       /* samples whose reading differs from the one before */
    uint32_t duplicates;    /* samples that repeat the reading before */
    uint32_t missing;       /* NAN samples, and samples lost in gaps */
    bool below_resolution;  /* window shorter than 10 x the averaging window or update period: not a figure to print */
    enum ew_trust_grade grade;
    char grade_reason[EW_METER_TEXT_SIZE]; /* why not better, in words */
};

/* channel: index, or EW_ENERGY_TOTAL for the sum of the channels that are in the total. t0 < t1. idle may be NULL.
 * When the trace does not cover [t0, t1], or the meter gave nothing, out->grade is NONE, out->energy_j is NAN and the
 * reason says so; that is not an error. Errors: ARGUMENT (t1 <= t0, not an energy meter, no such channel, no channel in
 * the total), MEMORY. */
enum { EW_ENERGY_TOTAL = -1 };
enum ew_status ew_energy_of_window(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns,
                                   const struct ew_idle_baseline *idle, struct ew_energy *out, struct ew_error *err);

/* Baseline of two idle windows; after may be NULL. false when neither has a figure. */
bool ew_energy_idle_baseline(const struct ew_energy *before, const struct ew_energy *after,
                             struct ew_idle_baseline *out);

/* The samples in [t0, t1] as watts, for plots: of a counter the mean power since its update before, of a power meter
 * the value itself. times_ns and watts [capacity]; returns how many there are (may exceed capacity); 0 also without
 * memory. */
size_t ew_energy_power_points(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns,
                              int64_t *times_ns, double *watts, size_t capacity);

#endif
