/* Owns effect sizes in units of the spread. */
#include "study/effect_size.h"
#include "study/statistics.h"

#include <math.h>

double ew_stat_hedges_g(const double *a, size_t na, const double *b, size_t nb) {
    if (na < 2 || nb < 2) return NAN;
    double sa = ew_stat_stddev(a, na), sb = ew_stat_stddev(b, nb), df = (double)(na + nb - 2);
    double pooled = sqrt(((double)(na - 1) * sa * sa + (double)(nb - 1) * sb * sb) / df);
    if (!(pooled > 0)) return NAN;
    double correction = exp(lgamma(df / 2) - lgamma((df - 1) / 2)) / sqrt(df / 2);
    return correction * (ew_stat_mean(a, na) - ew_stat_mean(b, nb)) / pooled;
}

const char *ew_stat_delta_word(double delta) {
    double size = fabs(delta);
    if (isnan(size)) return NULL;
    return size < 0.147 ? "negligible" : size < 0.33 ? "small" : size < 0.474 ? "medium" : "large";
}
