/* Owns the rule that marks runs. Nothing here removes one. */
#include "study/outliers.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

enum { FEWEST = 5 };

/* 95 % quantile of max |x - median| / MAD over samples of n normal values: at n, and between by interpolation in log n.
 * Found by simulation with NumPy; the script is in tests/fixtures/statistics/README.md. */
static const struct threshold {
    double n, reach;
} thresholds[] = {
    {5, 11.8},    {6, 8.197},   {7, 8.66},    {8, 7.323},    {9, 7.525},  {10, 6.776}, {11, 6.931},
    {12, 6.46},   {13, 6.555},  {14, 6.28},   {15, 6.344},   {16, 6.129}, {17, 6.174}, {18, 5.996},
    {19, 6.051},  {20, 5.905},  {25, 5.842},  {30, 5.697},   {40, 5.601}, {50, 5.565}, {75, 5.547},
    {100, 5.555}, {200, 5.655}, {500, 5.874}, {1000, 6.062},
};

static double threshold_for(size_t n) {
    const size_t last = sizeof thresholds / sizeof *thresholds - 1;
    if (n < FEWEST) return NAN;
    if ((double)n >= thresholds[last].n) return thresholds[last].reach;
    size_t i = 0;
    while (thresholds[i + 1].n <= (double)n) i++;
    double part = log((double)n / thresholds[i].n) / log(thresholds[i + 1].n / thresholds[i].n);
    return thresholds[i].reach + part * (thresholds[i + 1].reach - thresholds[i].reach);
}

/* More than half the values are equal: the mean deviation still has a scale. 0.7979 sigma = 1.1829 * 0.6745 sigma. */
static double mean_deviation(const double *values, size_t n, double median) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += fabs(values[i] - median);
    return sum / (double)n / 1.1829;
}

enum ew_status ew_stat_flag_outliers(const double *values, size_t n, bool *flags, struct ew_stat_outliers *out,
                                     struct ew_error *err) {
    struct ew_stat_summary s;
    enum ew_status status = ew_stat_summarise(values, n, &s, err);
    if (status != EW_OK) return status;
    struct ew_stat_outliers o = {.median = s.median, .scale = s.mad, .threshold = threshold_for(n)};
    if (n > 0 && !(s.mad > 0)) o.scale = mean_deviation(values, n, s.median);
    for (size_t i = 0; i < n; i++) {
        bool far = fabs(values[i] - o.median) > o.threshold * o.scale; /* false for NAN */
        o.n_flagged += far;
        if (flags) flags[i] = far;
    }
    *out = o;
    return EW_OK;
}
