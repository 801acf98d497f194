/* Owns the rule of contests. Why it is so careful: a choice is remembered, so a wrong one costs for good, while a
 * default that stays costs what it always did. */
#include "kernel/contest_rule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ew_contest_quantile(const double *values, size_t n, double q) {
    double sorted[EW_CONTEST_ROUNDS_MAX];
    assert(n >= 1 && n <= EW_CONTEST_ROUNDS_MAX);
    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, compare);
    double at = q * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct ew_contest_ratio ew_contest_compare(const double *incumbent, const double *challenger, size_t n) {
    double ratio[EW_CONTEST_ROUNDS_MAX];
    for (size_t i = 0; i < n; i++) ratio[i] = challenger[i] / incumbent[i];
    return (struct ew_contest_ratio){ew_contest_quantile(ratio, n, 0.25), ew_contest_quantile(ratio, n, 0.5),
                                     ew_contest_quantile(ratio, n, 0.75)};
}

enum ew_contest_verdict ew_contest_judge(const struct ew_contest_ratio *r) {
    const double wanted = 1 - EW_CONTEST_MARGIN;
    if (r->high <= wanted) return EW_CONTEST_TAKE;
    if (r->low >= wanted) return EW_CONTEST_KEEP;
    if (r->high - r->low > EW_CONTEST_NOISE) return EW_CONTEST_NOISY;
    return r->median <= wanted && r->high < 1 ? EW_CONTEST_TAKE : EW_CONTEST_KEEP;
}

int ew_contest_winner(const double *const *seconds, size_t n_lanes, size_t n_rounds) {
    int winner = 0;
    double best = 1;
    for (size_t lane = 1; lane < n_lanes; lane++) {
        struct ew_contest_ratio r = ew_contest_compare(seconds[0], seconds[lane], n_rounds);
        enum ew_contest_verdict verdict = ew_contest_judge(&r);
        if (verdict == EW_CONTEST_NOISY) return -1;
        if (verdict != EW_CONTEST_TAKE || r.median >= best) continue;
        winner = (int)lane;
        best = r.median;
    }
    return winner;
}
