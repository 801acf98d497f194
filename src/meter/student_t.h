/* Student's t for 95 % intervals of few observations. */
#ifndef EW_METER_STUDENT_T_H
#define EW_METER_STUDENT_T_H

#include <stddef.h>

/* Two-sided 95 % with n degrees of freedom, n >= 1 (0 counts as 1). From 3 on the series in 1/n around the normal's
 * quantile z, within 0.5 %. Source: Abramowitz and Stegun, 26.7.5. */
static inline double ew_student_t95(size_t n) {
    static const double z = 1.959964;
    if (n < 3) return n == 2 ? 4.3027 : 12.7062;
    double v = (double)n, z2 = z * z;
    double g1 = z * (z2 + 1) / 4, g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
    double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
    return z + (g1 + (g2 + g3 / v) / v) / v;
}

#endif
