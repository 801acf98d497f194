/* Owns the precision of idle power. Pure. Who rests, and for how long: study_meters.c. */
#include "study/idle_settled.h"
#include "meter/integrate.h"
#include "study/distributions.h"

#include <math.h>

enum { BATCHES = 10 };

double ew_idle_interval(const struct ew_meter_info *info, const int64_t *times_ns, const double *values, size_t n) {
    const struct ew_energy_trace trace = {info, times_ns, values, n};
    double power[BATCHES], sum = 0, squares = 0;
    if (n < 2 * BATCHES) return INFINITY;
    int64_t begin = times_ns[0], span = (times_ns[n - 1] - begin) / BATCHES;
    if (span <= 0) return INFINITY;
    for (int i = 0; i < BATCHES; i++) {
        struct ew_energy energy;
        if (ew_energy_of_window(&trace, EW_ENERGY_TOTAL, begin + i * span, begin + (i + 1) * span, NULL, &energy,
                                NULL) != EW_OK ||
            !isfinite(energy.average_w))
            return INFINITY;
        power[i] = energy.average_w;
        sum += power[i];
    }
    double mean = sum / BATCHES;
    for (int i = 0; i < BATCHES; i++) squares += (power[i] - mean) * (power[i] - mean);
    double standard = sqrt(squares / (BATCHES - 1) / BATCHES);
    return mean > 0 ? ew_stat_student_quantile(0.975, BATCHES - 1) * standard / mean : INFINITY;
}
