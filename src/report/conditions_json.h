/* What a run was asked to do beyond its tokens, and what happened around it: knobs, sustained speed, what was left out.
 */
#ifndef EW_REPORT_CONDITIONS_JSON_H
#define EW_REPORT_CONDITIONS_JSON_H

#include "report/report.h"

/* Each returns a new reference, or NULL when out of memory. Forms: docs/report-data.md. */
struct json_t *ew_knobs_json(const struct ew_config_record *record);
struct json_t *ew_sustained_json(const struct ew_insight *insight);
struct json_t *ew_left_out_json(const struct ew_report *report);

#endif
