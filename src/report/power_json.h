/* Power over time and joules by phase of one run per configuration; the sums are insight/stored_energy.c's. */
#ifndef EW_REPORT_POWER_JSON_H
#define EW_REPORT_POWER_JSON_H

#include "report/report.h"

/* "power" of docs/report-data.md. Errors: as ew_stored_power_read. *out: json_decref. */
enum ew_status ew_power_json(const struct ew_report *report, struct json_t **out, struct ew_error *err);

#endif
