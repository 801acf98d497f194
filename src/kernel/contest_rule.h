/* When a kernel has won: the rule over timings that were taken in turns. A pure function, so that it can be tested on
 * made-up timings; the timings come from contest.c. */
#ifndef EW_KERNEL_CONTEST_RULE_H
#define EW_KERNEL_CONTEST_RULE_H

#include <stddef.h>

/* Quartiles of challenger's time ÷ incumbent's time, round by round: speed drifts, and neighbours in time share it. */
struct ew_contest_ratio {
    double low, median, high;
};

/* seconds of rounds 0 … n - 1, n >= 1. */
struct ew_contest_ratio ew_contest_compare(const double *incumbent, const double *challenger, size_t n);

enum ew_contest_verdict {
    EW_CONTEST_KEEP, /* the incumbent stays: the challenger has not won by the margin */
    EW_CONTEST_TAKE,
    EW_CONTEST_NOISY /* rounds differ so much that neither can be said */
};

/* A challenger must be 5 % faster in the median, and faster in three of four rounds. Where the quartiles lie more than
 * 10 % apart, the times mean little: then only what three of four rounds say counts. */
#define EW_CONTEST_MARGIN 0.05
#define EW_CONTEST_NOISE 0.10
enum ew_contest_verdict ew_contest_judge(const struct ew_contest_ratio *ratio);

/* The number of the lane to take, lane 0 being the incumbent: the fastest of those that have won. -1: a lane that might
 * be it is too noisy. seconds[lane] has n_rounds times. */
int ew_contest_winner(const double *const *seconds, size_t n_lanes, size_t n_rounds);

/* Value at a share q of n sorted values, between neighbours in proportion. Sorts a copy; n is at most
 * EW_CONTEST_ROUNDS_MAX. */
enum { EW_CONTEST_ROUNDS_MAX = 15 };
double ew_contest_quantile(const double *values, size_t n, double q);

#endif
