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

/* Where the uncertainty of a figure comes from. Each part is kept as a standard uncertainty in joules; docs/meters.md
 * derives them. */
enum ew_energy_part {
    EW_PART_SENSOR = 0,   /* the sensor's stated error limit */
    EW_PART_QUANTIZATION, /* its smallest step */
    EW_PART_SAMPLING,     /* what happened between the readings and at the window's edges */
    EW_PART_AVERAGING,    /* what its averaging carries across the window's edges */
    EW_PART_CLOCK,        /* its own clock or delay, where it has one */
    EW_PART_IDLE,         /* net figures: the baseline, without the sensor's error, which the figure has already */
    EW_PART_DRIFT,        /* net figures: the baseline moved between its two windows */
    EW_PART_REPEATS,      /* means of repeats: their scatter */
    EW_ENERGY_PARTS
};
const char *ew_energy_part_name(enum ew_energy_part part); /* "sensor", for JSON and tables. Never NULL */

struct ew_energy_budget {
    double standard_j[EW_ENERGY_PARTS]; /* each >= 0; 0 = does not apply, or the meter does not say */
    double coverage;                    /* half-width of the 95 % interval = coverage x combined */
};

/* Half-widths: 2 x the root of the sum of squares, which is 95 % where no single rectangular part rules, more where one
 * does. */
enum { EW_ENERGY_COVERAGE = 2 };

/* Power at rest, from windows before and after. */
struct ew_idle_baseline {
    double power_w;    /* mean of both */
    double error_w;    /* half-width of its 95 % interval, sensor and drift included */
    double standard_w; /* standard uncertainty without the sensor's error and without the drift */
    double drift_w;    /* after minus before; NAN with only one window */
};

struct ew_energy {
    double energy_j; /* gross; NAN = no samples cover the window */
    double error_j;  /* half-width of the 95 % interval; without the sensor's own error where that is not documented */
    double net_j;    /* gross minus idle power times duration; NAN without a baseline */
    double net_error_j;
    struct ew_energy_budget budget; /* gross: without idle and drift; net: with them */
    double average_w;
    double peak_w; /* highest sample, or highest slope between counter updates */
    double duration_s;
    double covered_s;       /* part of the window that lies between the first and the last reading */
    double still_s;         /* longest time in it without a change of the reading */
    double update_period_s; /* median time between changes of the reading; NAN when it changed less than twice */
    uint32_t samples;       /* in the window, missing and implausible ones not counted */
    uint32_t updates;       /* samples whose reading differs from the one before */
    uint32_t duplicates;    /* samples that repeat the reading before */
    uint32_t missing;       /* NAN samples, and samples lost in gaps */
    uint32_t implausible;   /* readings that cannot be (not finite, negative, out of range): left out */
    uint32_t saturated;     /* readings at the end of the sensor's range: energy_j is a lower bound then */
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

/* The mean of repeats of one measurement. What differs from repeat to repeat shows in their scatter and shrinks with
 * their number; what is the same in all (sensor, quantization, averaging, clock, idle, drift) does not. Source: GUM 4.2
 * (type A), 5.1, and G.4: Student's t at the effective degrees of freedom. */
struct ew_energy_repeats {
    size_t n; /* with a figure */
    double mean_j;
    double statistical_j; /* standard error of the mean; of one repeat its sampling part */
    double systematic_j;  /* mean of the repeats' other parts */
    double error_j;       /* half-width of the 95 % interval */
    struct ew_energy_budget budget;
};

/* net: of the net figures. false when no repeat has a figure. */
bool ew_energy_combine(const struct ew_energy *repeats, size_t n, bool net, struct ew_energy_repeats *out);

/* The samples in [t0, t1] as watts, for plots: of a counter the mean power since its update before, of a power meter
 * the value itself. times_ns and watts [capacity]; returns how many there are (may exceed capacity); 0 also without
 * memory. */
size_t ew_energy_power_points(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns,
                              int64_t *times_ns, double *watts, size_t capacity);

#endif
