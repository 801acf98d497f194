/* Owns quantiles and when they are undefined. The median's own, narrower interval is in statistics.c. */
#include "study/quantiles.h"
#include "study/distributions.h"

#include <math.h>

double ew_stat_quantile(const double *sorted, size_t n, double q) {
    if (n == 0 || !(q >= 0 && q <= 1)) return NAN;
    /* The small allowance keeps 100 values enough for 0.99, which is not exact in binary. */
    double beyond = (double)n * fmin(q, 1 - q);
    if (q != 0.5 && beyond < 1 - 1e-9) return NAN;
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

/* Largest r in [0, n] with P(B < r) <= tail; 0: there is none. */
static size_t rank_below(size_t n, double q, double tail) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (ew_stat_binomial_below((double)middle - 1, n, q) <= tail)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

struct ew_stat_interval ew_stat_quantile_interval(const double *sorted, size_t n, double q, double level) {
    struct ew_stat_interval out = {NAN, NAN, NAN, EW_INTERVAL_NONE};
    if (n == 0 || !(q > 0 && q < 1) || !(level > 0 && level < 1)) return out;
    double tail = (1 - level) / 2;
    size_t r = rank_below(n, q, tail), from_top = rank_below(n, 1 - q, tail);
    if (r == 0 && from_top == 0) return out;
    out.method = EW_INTERVAL_ORDER;
    double missed_low = r ? ew_stat_binomial_below((double)r - 1, n, q) : 0;
    double missed_high = from_top ? ew_stat_binomial_below((double)from_top - 1, n, 1 - q) : 0;
    out.coverage = 1 - missed_low - missed_high;
    if (r) out.low = sorted[r - 1];
    if (from_top) out.high = sorted[n - from_top];
    return out;
}

size_t ew_stat_quantile_fewest(double q, double level) {
    double far = fmax(q, 1 - q);
    if (!(far < 1) || !(level > 0 && level < 1)) return 0;
    /* The extreme value fails with far^n, which must not exceed a tail. */
    return (size_t)ceil(log((1 - level) / 2) / log(far) - 1e-9);
}
