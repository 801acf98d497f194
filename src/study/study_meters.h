/* The meters of a study: probed once, asked during every trial and at rest. Joins src/meter and the records. */
#ifndef EW_STUDY_STUDY_METERS_H
#define EW_STUDY_STUDY_METERS_H

#include "edgewise/meter.h"
#include "meter/meter_sampler.h"
#include "study/study_record.h"
#include "study/study_sink.h"

struct ew_study_meters {
    struct ew_meter_config config;
    int64_t gpu_memory_id; /* row of the meter of card memory; EW_MISSING: there is no card to ask */
    struct ew_meter_list *list;
    struct ew_meter *energy;                 /* NULL: see energy_none */
    char energy_none[EW_ERROR_MESSAGE_SIZE]; /* "" when there is energy */
    size_t n_used;
    struct ew_meter **used; /* [n_used]: energy first, then temperatures, clocks, fans, throttling …; owned */
    int64_t *used_id;       /* [n_used] rows in the store; owned */
    int64_t memory_id;      /* row of the process memory meter */
};

/* energy: NULL or "auto", "none", or a meter's name. Takes up to a second, in which the energy meter proves itself.
 * A machine without energy meter is not an error; a meter that was asked for by name and does not work is. */
enum ew_status ew_study_meters_open(const struct ew_meter_config *config, const char *energy,
                                    struct ew_study_meters *out, struct ew_error *err);
void ew_study_meters_close(struct ew_study_meters *meters);

/* Puts a record of every meter, used or refused, and remembers the rows. */
enum ew_status ew_study_meters_put(struct ew_study_meters *meters, const struct ew_study_sink *sink,
                                   int64_t invocation_id, struct ew_error *err);

/* ---- traces to series ---- */

/* Series of the channels of a trace, appended to *series; time and value arrays are new. Energy keeps missing values
 * (NAN), so that all channels share their stamps; others drop them. Errors: MEMORY. */
enum ew_status ew_series_add_trace(struct ew_series_record **series, size_t *n, const struct ew_meter_trace *trace,
                                   int64_t meter_id, struct ew_error *err);
void ew_series_free(struct ew_series_record **series, size_t n);

struct ew_rest_limits {
    double min_s, max_s; /* at least and at most so long */
    double until;        /* over once idle power is known to ± this share of it, idle_settled.h; 0 = after min_s */
};

/* Samples the used meters at rest, less when *stop becomes non-zero. series: ew_series_free. Errors: MEMORY;
 * UNSUPPORTED where the energy meter cannot be read now. Other meters that cannot are left out. */
enum ew_status ew_study_meters_rest(struct ew_study_meters *meters, const struct ew_rest_limits *limits,
                                    const volatile int *stop, struct ew_baseline_record *baseline,
                                    struct ew_series_record **series, size_t *n, struct ew_error *err);

#endif
