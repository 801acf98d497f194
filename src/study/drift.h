/* Whether runs changed while the study ran: a trend over their order, runs that resemble their neighbours, and blocks
 * that were slow or fast as a whole. Flags only; nothing is corrected. Pure. */
#ifndef EW_STUDY_DRIFT_H
#define EW_STUDY_DRIFT_H

#include "study/statistics.h"

struct ew_stat_trend {
    double slope; /* Theil-Sen: median of all slopes between two runs, per step of at; NAN for n < 3 */
    struct ew_stat_interval interval; /* of the slope, 95 % (Sen 1968); RANGE where n is too small */
    double p;                         /* Mann-Kendall, two-sided; exact for n <= 40 without ties; NAN for n < 3 */
    double change;                    /* slope over the whole span, relative to the median: 0.03 = 3 % up */
    bool drifts;                      /* p <= 0.05 and |change| >= EW_STAT_LEAST_DRIFT; needs five runs at least */
};
#define EW_STAT_LEAST_DRIFT 0.01

/* at: [n] position or time of each value, no two alike, or NULL for 0, 1, 2, … Errors: MEMORY, LIMIT (n over 4000),
 * ARGUMENT (two runs at one place). */
enum ew_status ew_stat_find_trend(const double *at, const double *values, size_t n, struct ew_stat_trend *out,
                                  struct ew_error *err);

struct ew_stat_neighbours {
    double r1;     /* lag-1 autocorrelation; NAN for n < 8 or without spread */
    bool resemble; /* beyond ±1.96 / sqrt(n) around -1 / n: intervals, which take runs for independent, are too narrow
                      (r1 > 0) or too wide (r1 < 0) */
};
struct ew_stat_neighbours ew_stat_find_neighbours(const double *values, size_t n);

struct ew_stat_block_run {
    double value;         /* positive */
    size_t config, block; /* below n_configs, n_blocks */
};
struct ew_stat_block_effect {
    double f, p, df1, df2; /* blocks equal, given the configurations; NAN where there are too few runs to tell */
    double largest;        /* the block farthest off, relative to the others' mean: -0.04 = 4 % less */
    size_t largest_block;
    bool differs; /* p <= 0.05 and |largest| >= EW_STAT_LEAST_DRIFT */
};

/* Two-way additive model of logarithms by least squares; cells may be missing. Comparisons by pairs are free of block
 * effects; comparisons of groups lose power to them. Errors: MEMORY, ARGUMENT (index out of range, value not
 * positive). */
enum ew_status ew_stat_find_block_effect(const struct ew_stat_block_run *runs, size_t n, size_t n_configs,
                                         size_t n_blocks, struct ew_stat_block_effect *out, struct ew_error *err);

#endif
