/* Distribution functions that the tests of study/ need: probabilities and quantiles of the normal, Student's t,
 * Fisher's F and the binomial. Pure; arguments outside the stated ranges give NAN. Formulas and sources:
 * docs/statistics.md. */
#ifndef EW_STUDY_DISTRIBUTIONS_H
#define EW_STUDY_DISTRIBUTIONS_H

#include <stddef.h>

/* Regularised incomplete beta function I_x(a, b); x in [0, 1], a, b > 0. About 12 digits.
 * Source: DLMF 8.17.22, continued fraction, evaluated by Lentz's method. */
double ew_stat_beta(double x, double a, double b);

double ew_stat_normal_below(double z);    /* P(Z <= z) */
double ew_stat_normal_quantile(double p); /* p in (0, 1) */

double ew_stat_student_below(double t, double df);    /* P(T <= t); df > 0, need not be whole */
double ew_stat_student_beyond(double t, double df);   /* P(|T| >= |t|) */
double ew_stat_student_quantile(double p, double df); /* p in (0, 1) */

double ew_stat_fisher_above(double f, double df1, double df2); /* P(F >= f) */

/* P(B <= k) of n trials that succeed with p in [0, 1]; 0 for k < 0, 1 for k >= n. */
double ew_stat_binomial_below(double k, size_t n, double p);

#endif
