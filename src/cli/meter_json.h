/* JSON of meters and energy figures, the same in all subcommands of `edgewise meter`. docs/meter.md has the shapes. */
#ifndef EW_CLI_METER_JSON_H
#define EW_CLI_METER_JSON_H

#include "meter/integrate.h"

#include <jansson.h>

/* A number, or null where it is not finite. */
json_t *ew_meter_json_number(double value);
/* Sets key of an object to it. */
void ew_meter_json_put(json_t *object, const char *key, double value);
/* A string, cleaned of control characters and broken UTF-8; null for NULL. */
json_t *ew_meter_json_text(const char *text);

json_t *ew_meter_json_info(const struct ew_meter_info *info);

/* Figures are null where the grade is none: there is no energy then, and the reason says why. */
json_t *ew_meter_json_energy(const struct ew_energy *energy);

/* Prints and releases; one line, or indented. false: out of memory or not written. */
bool ew_meter_json_print(json_t *object, bool indented, FILE *out);

#endif
