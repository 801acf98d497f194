/* Owns which meters a stretch is sampled by. Each is started singly, as a sampler starts all or none; what then becomes
 * of a meter that is lost midway is said by its trace. */
#include "study/metering.h"
#include "base/error.h"
#include "meter/integrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A meter that was silent for so long at the end of a stretch is lost. */
enum { METER_SECONDS = 1, METER_PERIODS = 5 };

static void leave_out(const struct ew_study_meters *m, const struct ew_meter *meter, const char *why,
                      struct ew_metering *out) {
    if (meter == m->energy) {
        snprintf(out->energy_lost, sizeof out->energy_lost, "%s", why);
        return;
    }
    size_t used = strlen(out->left_out);
    snprintf(out->left_out + used, sizeof out->left_out - used, "%s%s", used ? "; " : "", why);
}

static void stop_all(const struct ew_metering *metering) {
    for (size_t i = 0; i < metering->n; i++) ew_meter_stop(metering->meters[i]);
}

/* Those that start. The sampler finds them started. */
static enum ew_status choose(const struct ew_study_meters *m, struct ew_metering *out, struct ew_error *err) {
    out->meters = calloc(m->n_used + 1, sizeof(struct ew_meter *));
    out->ids = calloc(m->n_used + 1, sizeof *out->ids);
    if (!out->meters || !out->ids) return ew_error_set(err, EW_ERR_MEMORY, "meters: out of memory");
    for (size_t i = 0; i < m->n_used; i++) {
        struct ew_error why = {0};
        enum ew_status status = ew_meter_start(m->used[i], &why);
        if (status == EW_ERR_MEMORY) return ew_error_set(err, status, "%s", why.message);
        if (status != EW_OK) {
            leave_out(m, m->used[i], why.message, out);
            continue;
        }
        out->has_energy |= m->used[i] == m->energy;
        out->ids[out->n] = m->used_id[i];
        out->meters[out->n++] = m->used[i];
    }
    return EW_OK;
}

enum ew_status ew_metering_start(const struct ew_study_meters *m, struct ew_metering *out, struct ew_error *err) {
    *out = (struct ew_metering){0};
    enum ew_status status = choose(m, out, err);
    if (status == EW_OK && out->n > 0) {
        status = ew_meter_sampler_open(out->meters, out->n, &m->config, &out->sampler, err);
        if (status == EW_OK) status = ew_meter_sampler_start(out->sampler, err);
    }
    if (status == EW_OK) return EW_OK;
    stop_all(out);
    ew_metering_close(out);
    return status;
}

const struct ew_meter_trace *ew_metering_trace(const struct ew_metering *metering, const char *name) {
    for (size_t i = 0; i < metering->n; i++)
        if (strcmp(ew_meter_info(metering->meters[i])->name, name) == 0)
            return ew_meter_sampler_trace(metering->sampler, i);
    return NULL;
}

enum ew_status ew_metering_add_series(const struct ew_metering *metering, struct ew_series_record **series, size_t *n,
                                      struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < metering->n && status == EW_OK; i++)
        status = ew_series_add_trace(series, n, ew_meter_sampler_trace(metering->sampler, i), metering->ids[i], err);
    return status;
}

/* When the last reading was that gave anything; begin_ns where none did. */
static int64_t last_reading_ns(const struct ew_meter_trace *trace, int64_t begin_ns) {
    for (size_t i = trace->n; i > 0; i--)
        for (size_t c = 0; c < trace->n_channels; c++)
            if (!isnan(trace->values[(i - 1) * trace->n_channels + c])) return trace->times_ns[i - 1];
    return begin_ns;
}

bool ew_metering_lasts(const struct ew_meter_trace *trace, int64_t begin_ns, int64_t end_ns, double *silent_s) {
    double patience_s = METER_PERIODS * trace->info->period_s;
    if (!(patience_s > METER_SECONDS)) patience_s = METER_SECONDS; /* also where the period is not known */
    *silent_s = (double)(end_ns - last_reading_ns(trace, begin_ns)) * 1e-9;
    return !trace->ended && *silent_s <= patience_s;
}

double ew_metering_gross_j(const struct ew_meter_trace *trace, int64_t begin_ns, int64_t end_ns) {
    const struct ew_energy_trace whole = {trace->info, trace->times_ns, trace->values, trace->n};
    struct ew_energy energy;
    if (trace->n < 2) return NAN;
    int64_t begin = trace->times_ns[0] > begin_ns ? trace->times_ns[0] : begin_ns;
    int64_t last = trace->times_ns[trace->n - 1], end = last < end_ns ? last : end_ns;
    if (begin >= end) return NAN;
    return ew_energy_of_window(&whole, EW_ENERGY_TOTAL, begin, end, NULL, &energy, NULL) == EW_OK ? energy.energy_j
                                                                                                  : NAN;
}

void ew_metering_close(struct ew_metering *metering) {
    ew_meter_sampler_close(&metering->sampler);
    free(metering->meters);
    free(metering->ids);
    metering->meters = NULL;
    metering->ids = NULL;
    metering->n = 0;
}
