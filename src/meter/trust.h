/* The trust grade of one energy figure. */
#ifndef EW_METER_TRUST_H
#define EW_METER_TRUST_H

#include "meter/energy_series.h"

/* Windows shorter than this many averaging windows or updates of the sensor carry no figure. */
enum { EW_TRUST_MIN_UPDATES = 10, EW_TRUST_GOOD_UPDATES = 50, EW_TRUST_A_SAMPLES = 100 };

/* Sets below_resolution, grade and grade_reason from the other fields and the meter's description. Rules:
 * docs/meters.md, "Trust grades". */
void ew_trust_grade_of(const struct ew_meter_info *info, const struct ew_energy_series *series,
                       struct ew_energy *energy);

#endif
