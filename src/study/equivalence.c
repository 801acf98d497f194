/* Owns the t tests on log ratios. What else two configurations are compared by: comparison.c. */
#include "study/equivalence.h"
#include "study/distributions.h"

#include <math.h>

enum { FEWEST = 3, MOST_RUNS_WANTED = 1000 };

/* Mean and variance (n - 1) of logarithms, or of differences of logarithms. False where one is not positive. */
static bool log_moments(const double *a, const double *b, size_t n, double *mean, double *variance) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(a[i] > 0) || !isfinite(a[i]) || (b && (!(b[i] > 0) || !isfinite(b[i])))) return false;
        sum += b ? log(a[i] / b[i]) : log(a[i]);
    }
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = (b ? log(a[i] / b[i]) : log(a[i])) - *mean;
        squares += d * d;
    }
    /* Equal values leave rounding only; it must not pass for a spread. */
    *variance = squares / (double)(n - 1);
    if (sqrt(*variance) < 1e-12) *variance = 0;
    return true;
}

/* P(T > t) upper tail, also without any spread. */
static double above(double difference, double error, double df) {
    if (error > 0) return ew_stat_student_below(-difference / error, df);
    return difference > 1e-12 ? 0 : 1;
}

/* Runs a side so that the 90 % interval fits into the margin with power 0.8 when the ratio is one; per_run: variance of
 * the estimate times the number of runs. t quantiles depend on n, so the answer is searched upwards from the normal
 * one. */
static size_t find_runs_wanted(double per_run, double reach, bool paired) {
    double by_normal = 8.564 * per_run / (reach * reach); /* (z(0.95) + z(0.9))^2 */
    if (by_normal > MOST_RUNS_WANTED) return 0;
    for (size_t n = by_normal > FEWEST ? (size_t)by_normal : FEWEST; n <= MOST_RUNS_WANTED; n++) {
        double df = (double)(paired ? n - 1 : 2 * n - 2);
        double need = ew_stat_student_quantile(0.95, df) + ew_stat_student_quantile(0.9, df);
        if (need * sqrt(per_run / (double)n) <= reach) return n;
    }
    return 0;
}

static void judge(struct ew_stat_equivalence *e, double difference, double error, double per_run, double margin,
                  bool paired) {
    e->ratio = exp(difference);
    double reach = error > 0 ? ew_stat_student_quantile(0.975, e->df) * error : 0;
    e->low = exp(difference - reach);
    e->high = exp(difference + reach);
    e->different_p = fmin(1, 2 * above(fabs(difference), error, e->df));
    if (margin > 0) {
        double bound = log1p(margin);
        e->equivalent_p = fmax(above(bound + difference, error, e->df), above(bound - difference, error, e->df));
        e->runs_wanted = find_runs_wanted(per_run, bound, paired);
    }
}

static const struct ew_stat_equivalence unknown = {
    .ratio = NAN, .low = NAN, .high = NAN, .equivalent_p = NAN, .different_p = NAN, .df = NAN, .spread = NAN};

struct ew_stat_equivalence ew_stat_compare_groups(const double *a, size_t na, const double *b, size_t nb,
                                                  double margin) {
    struct ew_stat_equivalence e = unknown;
    double ma, va, mb, vb;
    if (na < 2 || nb < 2 || !log_moments(a, NULL, na, &ma, &va) || !log_moments(b, NULL, nb, &mb, &vb)) return e;
    e.ratio = exp(ma - mb);
    e.spread = sqrt(va + vb);
    if (na < FEWEST || nb < FEWEST) return e;
    double ea = va / (double)na, eb = vb / (double)nb, error = sqrt(ea + eb);
    e.df = error > 0 ? (ea + eb) * (ea + eb) / (ea * ea / (double)(na - 1) + eb * eb / (double)(nb - 1))
                     : (double)(na + nb - 2);
    judge(&e, ma - mb, error, va + vb, margin, false);
    return e;
}

struct ew_stat_equivalence ew_stat_compare_pairs(const double *a, const double *b, size_t n, double margin) {
    struct ew_stat_equivalence e = unknown;
    double mean, variance;
    if (n < 2 || !log_moments(a, b, n, &mean, &variance)) return e;
    e.ratio = exp(mean);
    e.spread = sqrt(variance);
    if (n < FEWEST) return e;
    e.df = (double)(n - 1);
    judge(&e, mean, sqrt(variance / (double)n), variance, margin, true);
    return e;
}
