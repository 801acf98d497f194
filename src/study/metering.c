/* Owns which meters a stretch is sampled by. Each is started singly, as a sampler starts all or none; what then becomes
 * of a meter that is lost midway is said by its trace. */
#include "study/metering.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void ew_metering_close(struct ew_metering *metering) {
    ew_meter_sampler_close(&metering->sampler);
    free(metering->meters);
    free(metering->ids);
    metering->meters = NULL;
    metering->ids = NULL;
    metering->n = 0;
}
