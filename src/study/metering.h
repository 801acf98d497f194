/* One stretch (a trial, a rest, a command's runs) under those meters of a study that can be read now. A meter that has
 * gone, or works only in another state of the machine, is left out of the stretch and named; it ends nothing. */
#ifndef EW_STUDY_METERING_H
#define EW_STUDY_METERING_H

#include "study/study_meters.h"

struct ew_metering {
    struct ew_meter_sampler *sampler;        /* running; NULL: no meter can be read */
    size_t n;                                /* meters that it reads, in the study's order */
    struct ew_meter **meters;                /* [n] */
    int64_t *ids;                            /* [n] rows in the store */
    bool has_energy;                         /* then the first trace is the energy meter's */
    char energy_lost[EW_ERROR_MESSAGE_SIZE]; /* why the study's energy meter is left out; "" = it is not */
    char left_out[EW_ERROR_MESSAGE_SIZE];    /* the other ones that are, "meter fan: …; meter …"; "" = none */
};

/* Starts what can be started. Errors: MEMORY. *out: ew_metering_close. */
enum ew_status ew_metering_start(const struct ew_study_meters *meters, struct ew_metering *out, struct ew_error *err);

/* The trace of the meter of that name, after the sampler's stop; NULL where it is left out or not there. */
const struct ew_meter_trace *ew_metering_trace(const struct ew_metering *metering, const char *name);

/* After the sampler's stop: all traces as series, appended. Errors: MEMORY. */
enum ew_status ew_metering_add_series(const struct ew_metering *metering, struct ew_series_record **series, size_t *n,
                                      struct ew_error *err);

/* After the sampler's stop: whether an energy meter went on giving readings nearly to end_ns; *silent_s: how long there
 * were none before it. */
bool ew_metering_lasts(const struct ew_meter_trace *trace, int64_t begin_ns, int64_t end_ns, double *silent_s);
/* Gross energy from the first to the last reading within a window; NAN where there is none. */
double ew_metering_gross_j(const struct ew_meter_trace *trace, int64_t begin_ns, int64_t end_ns);

void ew_metering_close(struct ew_metering *metering);

#endif
