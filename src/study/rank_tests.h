/* Tests that look at ranks only, so that one wild run cannot decide: Mann-Whitney for two groups, Wilcoxon's signed
 * ranks for pairs, each with the shift of Hodges and Lehmann and its interval, and Cliff's delta. Pure. */
#ifndef EW_STUDY_RANK_TESTS_H
#define EW_STUDY_RANK_TESTS_H

#include "study/statistics.h"

struct ew_stat_rank_test {
    double p;     /* two-sided; NAN without values */
    bool exact;   /* p counts every arrangement, ties included; otherwise normal approximation */
    double delta; /* Cliff's delta, P(a > b) - P(a < b), -1 to 1; NAN for pairs */
    double shift; /* Hodges-Lehmann: median of all a - b; of pairs: of the mean differences of two pairs */
    struct ew_stat_interval
        shift_interval; /* of the shift, 95 %; RANGE where n is too small: with its exact coverage */
};

/* a against b. Exact for na + nb <= 40. Source: Mann and Whitney 1947; ties by the conditional distribution of
 * midranks (Streitberg and Roehmel 1986); interval: Hodges and Lehmann 1963, Moses. Errors: MEMORY, LIMIT (na * nb over
 * 10^7). */
enum ew_status ew_stat_mann_whitney(const double *a, size_t na, const double *b, size_t nb,
                                    struct ew_stat_rank_test *out, struct ew_error *err);

/* One-sided p values of a against factor * b, exact or not as above: above = of "a is larger", below = of "a is
 * smaller". NAN without values. Errors: MEMORY. */
enum ew_status ew_stat_rank_tails(const double *a, size_t na, const double *b, size_t nb, double factor, double *above,
                                  double *below, struct ew_error *err);

/* Pairs a[i] - b[i]; zero differences leave the p (Wilcoxon 1945) and stay in the shift. Exact up to 50 differences.
 * Errors: MEMORY, LIMIT (n over 4000). */
enum ew_status ew_stat_signed_rank(const double *a, const double *b, size_t n, struct ew_stat_rank_test *out,
                                   struct ew_error *err);

#endif
