/* Owns probabilities of four distributions, all from the error function and the incomplete beta function. No tables.
 * Who uses them: quantiles.c, equivalence.c, rank_tests.c, block_effect.c. */
#include "study/distributions.h"

#include <math.h>

/* 1 + d1/(1 + d2/(1 + ...)), by Lentz: the ratio of successive numerators (c) times that of denominators (1/e), neither
 * of which may reach zero. Converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b) {
    const double tiny = 1e-300;
    double value = 1, c = 1, e = 0;
    for (int k = 1; k <= 20000; k++) {
        int m = k / 2;
        double d = k % 2 ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
                         : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        e = 1 + d * e;
        c = 1 + d / c;
        if (fabs(e) < tiny) e = tiny;
        if (fabs(c) < tiny) c = tiny;
        e = 1 / e;
        value *= c * e;
        if (fabs(c * e - 1) < 1e-15) break;
    }
    return value;
}

double ew_stat_beta(double x, double a, double b) {
    if (!(x >= 0 && x <= 1 && a > 0 && b > 0)) return NAN;
    if (x == 0 || x == 1) return x;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front / (a * beta_fraction(x, a, b));
    return 1 - front / (b * beta_fraction(1 - x, b, a));
}

double ew_stat_normal_below(double z) { return 0.5 * erfc(-z / M_SQRT2); }

/* Halving needs no derivative and cannot leave its bracket; 100 halvings of [0, high] reach the last digit. */
static double halve(double (*below)(double, double), double argument, double p) {
    double low = 0, high = 1;
    while (below(high, argument) < p && high < 1e300) high *= 2;
    for (int i = 0; i < 100; i++) {
        double middle = low + (high - low) / 2;
        if (below(middle, argument) < p)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2;
}

static double normal_below(double z, double unused) {
    (void)unused;
    return ew_stat_normal_below(z);
}

double ew_stat_normal_quantile(double p) {
    if (!(p > 0 && p < 1)) return NAN;
    return p < 0.5 ? -halve(normal_below, 0, 1 - p) : halve(normal_below, 0, p);
}

double ew_stat_student_beyond(double t, double df) {
    if (!(df > 0) || isnan(t)) return NAN;
    if (isinf(t)) return 0;
    return ew_stat_beta(df / (df + t * t), df / 2, 0.5);
}

double ew_stat_student_below(double t, double df) {
    double beyond = ew_stat_student_beyond(t, df);
    return t < 0 ? beyond / 2 : 1 - beyond / 2;
}

double ew_stat_student_quantile(double p, double df) {
    if (!(p > 0 && p < 1 && df > 0)) return NAN;
    return p < 0.5 ? -halve(ew_stat_student_below, df, 1 - p) : halve(ew_stat_student_below, df, p);
}

double ew_stat_fisher_above(double f, double df1, double df2) {
    if (!(f >= 0 && df1 > 0 && df2 > 0)) return NAN;
    if (isinf(f)) return 0;
    return ew_stat_beta(df2 / (df2 + df1 * f), df2 / 2, df1 / 2);
}

double ew_stat_binomial_below(double k, size_t n, double p) {
    if (!(p >= 0 && p <= 1)) return NAN;
    k = floor(k);
    if (k < 0) return 0;
    if (k >= (double)n) return 1;
    return ew_stat_beta(1 - p, (double)n - k, k + 1);
}
