/* What makes an energy figure uncertain, part by part. Inside of integrate.c; the parts: integrate.h. */
#ifndef EW_METER_ENERGY_BUDGET_H
#define EW_METER_ENERGY_BUDGET_H

#include "meter/energy_series.h"

/* Fills out->budget, error_j, net_j and net_error_j from energy_j and duration_s. idle may be NULL. */
void ew_energy_budget_of(const struct ew_energy_trace *trace, const struct ew_energy_series *series, int64_t t0_ns,
                         int64_t t1_ns, const struct ew_idle_baseline *idle, struct ew_energy *out);

#endif
