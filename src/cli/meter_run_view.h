/* What `edgewise meter run` says afterwards: text for people, one JSON object for machines. docs/meter.md. */
#ifndef EW_CLI_METER_RUN_VIEW_H
#define EW_CLI_METER_RUN_VIEW_H

#include "machine/device_settings.h"
#include "study/command_run.h"

#include <jansson.h>
#include <stdio.h>

enum { EW_RUN_GAUGES = 64 }; /* most channels of a meter that are shown */

struct ew_meter_run {
    const char *const *argv;
    const struct ew_command_result *result;
    const struct ew_study_meters *meters;
    int cores;                         /* usable ones; 0 unknown */
    bool gpu_shares_memory;            /* the graphics processor's memory is the system's */
    const struct ew_setting *settings; /* [n_settings] that were made for it */
    size_t n_settings;
};

/* Errors: MEMORY. */
enum ew_status ew_meter_run_print(const struct ew_meter_run *run, FILE *out, struct ew_error *err);

/* Lines on the memory of a run and on what it did to the machine's (meter_run_memory.c). */
struct ew_text_style;
void ew_meter_run_print_memory(FILE *out, const struct ew_text_style *style, const struct ew_meter_run *run,
                               const struct ew_command_once *once);
/* Of several runs, only those whose figures may have been changed by it; the first few. */
void ew_meter_run_print_repeats_memory(FILE *out, const struct ew_text_style *style,
                                       const struct ew_command_result *result);

/* What the machine's memory did during a run. The caller's: json_decref. NULL = out of memory. */
json_t *ew_meter_run_memory_json(const struct ew_command_once *once);

/* The caller's: json_decref. NULL = out of memory. */
json_t *ew_meter_run_json(const struct ew_meter_run *run);

/* A load pattern with its edges. The caller's: json_decref. */
json_t *ew_meter_signature_json(const struct ew_played_signature *played);

/* What a shell would say: the exit status, or 128 + signal. */
int ew_meter_run_exit_status(int wait_status);

/* One figure of each good run that counts, for the median of repeats. */
enum ew_run_figure {
    EW_RUN_TIME = 0,
    EW_RUN_ENERGY,
    EW_RUN_NET,
    EW_RUN_AVERAGE,
    EW_RUN_CPU,
    EW_RUN_MEMORY,
    EW_RUN_FIGURES
};
struct ew_run_figure_name {
    const char *key, *words, *unit;
    double scale; /* from the value to the shown unit */
};
extern const struct ew_run_figure_name ew_run_figure_names[EW_RUN_FIGURES];

/* Values into values [n_runs]; returns how many there are (0 where one of the runs has none). */
size_t ew_meter_run_figures(const struct ew_command_result *result, enum ew_run_figure figure, double *values);

#endif
