/* What `edgewise meter calibrate` and `meter calibrations` say. docs/meter.md. */
#ifndef EW_CLI_METER_CALIBRATE_H
#define EW_CLI_METER_CALIBRATE_H

#include "meter/calibration.h"

#include <jansson.h>

/* path: where it is kept; NULL = it is not. */
void ew_calibrate_print(const struct ew_calibration *calibration, const char *path);

/* The caller's: json_decref. NULL = out of memory. */
json_t *ew_calibrate_json(const struct ew_calibration *calibration, const char *path);

#endif
