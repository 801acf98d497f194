/* Pieces of JSON that several writers share. Each returns a new reference, or NULL when out of memory. */
#ifndef EW_REPORT_RUN_JSON_H
#define EW_REPORT_RUN_JSON_H

#include "report/report.h"

#include <jansson.h>

json_t *ew_json_text(const char *text); /* null for NULL; broken UTF-8 becomes U+FFFD */
json_t *ew_json_number(double value);   /* null for NAN and infinities */
json_t *ew_json_integer(int64_t value); /* null for EW_MISSING */
json_t *ew_json_time(int64_t unix_ns);  /* "2026-01-31T12:00:00Z"; null for EW_MISSING */

/* One run, as in "trials" of docs/report-data.md. */
json_t *ew_run_json(const struct ew_insight *insight, size_t run_index);

/* "study" and "machine" of docs/report-data.md. */
json_t *ew_report_study_json(const struct ew_report *report);
json_t *ew_report_machine_json(const struct ew_report *report);

/* A word for a POSIX shell. */
void ew_json_put_quoted(FILE *out, const char *text);

#endif
