/* Joules counted while samples come in, for a display that is redrawn. The figure at the end, with its interval and
 * grade, is ew_energy_of_window's over the whole trace. */
#ifndef EW_METER_LIVE_ENERGY_H
#define EW_METER_LIVE_ENERGY_H

#include "edgewise/meter.h"

struct ew_live_energy;

/* info must outlive it. Errors: ARGUMENT (not an energy meter, nothing in its total), MEMORY. */
enum ew_status ew_live_energy_open(const struct ew_meter_info *info, struct ew_live_energy **out, struct ew_error *err);
void ew_live_energy_close(struct ew_live_energy **live);

/* Samples in the order of their stamps: times_ns [n], values [n][n_channels]. Missing ones (NAN in a channel of the
 * total) are bridged by a straight line. */
void ew_live_energy_feed(struct ew_live_energy *live, const int64_t *times_ns, const double *values, size_t n);

struct ew_live_figures {
    int64_t first_ns, last_ns; /* stamps of the first and last good sample; equal with one; 0 with none */
    double energy_j;           /* between them */
    double power_w;            /* power meter: the last sample; counter: mean since the update before; NAN unknown */
    double peak_w;             /* highest so far; NAN unknown */
};
struct ew_live_figures ew_live_energy_figures(const struct ew_live_energy *live);

#endif
