/* The figures of a run and of a configuration: one list feeds the terminal, the CSV, the JSON and the front.
 *
 * Every figure is derived here from stamps and samples; docs/insight.md has the formulas. A figure that was not
 * measured is NAN, never zero. */
#ifndef EW_INSIGHT_MEASURE_H
#define EW_INSIGHT_MEASURE_H

#include "edgewise/meter.h"
#include "study/study_record.h"

enum ew_measure {
    EW_MEASURE_LOAD = 0,
    EW_MEASURE_TTFT,
    EW_MEASURE_PREFILL,
    EW_MEASURE_DECODE,
    EW_MEASURE_GAP_P50,
    EW_MEASURE_GAP_P90,
    EW_MEASURE_GAP_P99,
    EW_MEASURE_PEAK_MEMORY,
    EW_MEASURE_PREFILL_ENERGY,
    EW_MEASURE_DECODE_ENERGY,
    EW_MEASURE_DECODE_ENERGY_NET,
    EW_MEASURE_S_T,
    EW_MEASURES
};

struct ew_measure_info {
    const char *key;  /* in CSV and JSON, with its unit: "decode_tokens_per_s" */
    const char *head; /* in tables: "decode" */
    const char *unit; /* in tables, after scaling: "tok/s" */
    double scale;     /* shown = value * scale */
    int sense;        /* +1: more is better, -1: less is better */
};
const struct ew_measure_info *ew_measure_info(enum ew_measure measure); /* never NULL for a measure of the list */

/* Joules of one trial, from whoever integrated its power; NAN where there are none. */
struct ew_trial_energy {
    double prefill_j, decode_j;      /* gross */
    double decode_net_j;             /* net of idle */
    enum ew_trust_grade grade;       /* EW_GRADE_NONE: no figure */
    char reason[EW_METER_TEXT_SIZE]; /* why the grade is not better, or why there is no figure */
};

/* value[EW_MEASURES] of one trial that ended well; all NAN for any other. energy may be NULL. gaps between tokens need
 * at least two stamps. Errors: MEMORY. */
enum ew_status ew_measure_trial(const struct ew_trial_record *trial, const struct ew_trial_energy *energy,
                                double value[EW_MEASURES], struct ew_error *err);

/* The last phase of that name, or NULL. */
const struct ew_phase_record *ew_measure_phase(const struct ew_trial_record *trial, const char *name);

#endif
