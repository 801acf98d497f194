/* JSON has no NAN: null stands for it. */
#ifndef EW_CLI_JSON_NUMBER_H
#define EW_CLI_JSON_NUMBER_H

#include <jansson.h>
#include <math.h>

static inline json_t *ew_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

#endif
