/* When power at rest is known well enough. */
#ifndef EW_STUDY_IDLE_SETTLED_H
#define EW_STUDY_IDLE_SETTLED_H

#include "edgewise/meter.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Half-width of the 95 % interval of the mean power, relative to it: the trace is cut into ten equal windows, whose
 * means are taken for independent (batch means; Law and Kelton 1991, 9.5.3), with Student's t. Infinite where a window
 * has no figure. times_ns [n], values [n][channels of info]. */
double ew_idle_interval(const struct ew_meter_info *info, const int64_t *times_ns, const double *values, size_t n);

#endif
