/* Owns which meters a study uses and how their traces become series. How meters work: src/meter. */
#include "study/study_meters.h"
#include "base/clock.h"
#include "base/error.h"
#include "meter/nvml_processes.h"
#include "meter/process_memory.h"
#include "study/idle_settled.h"
#include "study/metering.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is_wanted(const struct ew_meter_info *info) {
    /* Memory of the list is that of graphics cards; a process's own meter belongs to its trial. */
    bool wanted = info->quantity != EW_METER_ENERGY && info->quantity != EW_METER_TIME;
    return wanted && info->reason == EW_METER_USABLE;
}

static enum ew_status use_meters(struct ew_study_meters *m, struct ew_error *err) {
    size_t count = ew_meter_list_count(m->list);
    m->used = calloc(count + 1, sizeof(struct ew_meter *));
    m->used_id = calloc(count + 1, sizeof *m->used_id);
    if (!m->used || !m->used_id) return ew_error_set(err, EW_ERR_MEMORY, "meters: out of memory");
    if (m->energy) m->used[m->n_used++] = m->energy;
    for (size_t i = 0; i < count; i++)
        if (is_wanted(ew_meter_info(ew_meter_list_at(m->list, i)))) m->used[m->n_used++] = ew_meter_list_at(m->list, i);
    return EW_OK;
}

enum ew_status ew_study_meters_open(const struct ew_meter_config *config, const char *energy,
                                    struct ew_study_meters *out, struct ew_error *err) {
    struct ew_study_meters m = {
        .config = config ? *config : (struct ew_meter_config){0}, .memory_id = EW_MISSING, .gpu_memory_id = EW_MISSING};
    enum ew_status status = ew_meter_list_probe(&m.config, &m.list, err);
    if (status != EW_OK) return status;
    bool automatic = !energy || strcmp(energy, "auto") == 0 || strcmp(energy, "none") == 0;
    if (energy && strcmp(energy, "none") == 0) {
        snprintf(m.energy_none, sizeof m.energy_none, "not asked for (energy: none)");
    } else {
        struct ew_error why = {0};
        status = ew_meter_list_choose_energy(m.list, energy, &m.energy, &why);
        if (status != EW_OK && !automatic) {
            ew_meter_list_close(&m.list);
            return ew_error_set(err, status, "energy meter %s: %s", energy, why.message);
        }
        static const char said[] = "no energy figure: "; /* outputs begin with their own words for it */
        const char *reason = why.message;
        if (strncmp(reason, said, sizeof said - 1) == 0) reason += sizeof said - 1;
        if (status != EW_OK) snprintf(m.energy_none, sizeof m.energy_none, "%s", reason);
    }
    status = use_meters(&m, err);
    if (status != EW_OK) {
        ew_study_meters_close(&m);
        return status;
    }
    *out = m;
    return EW_OK;
}

void ew_study_meters_close(struct ew_study_meters *meters) {
    ew_meter_list_close(&meters->list);
    free(meters->used);
    free(meters->used_id);
    meters->used = NULL;
    meters->used_id = NULL;
    meters->n_used = 0;
}

static json_t *number_or_null(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* Everything that integrating a trace again from the store needs. The caller's: free(). */
static char *describe(const struct ew_meter_info *info) {
    json_t *channels = json_array();
    for (size_t i = 0; i < info->n_channels; i++)
        json_array_append_new(channels,
                              json_pack("{s:s, s:b, s:o}", "name", info->channels[i].name, "in_total",
                                        info->channels[i].in_total, "wrap", number_or_null(info->channels[i].wrap)));
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, "
        "s:b, s:o}",
        "name", info->name, "source", info->source, "quantity", ew_meter_quantity_name(info->quantity), "kind",
        ew_meter_kind_name(info->kind), "unit", ew_meter_unit_name(info), "boundary",
        ew_meter_boundary_name(info->boundary), "covers", info->covers, "leaves_out", info->leaves_out, "period_s",
        number_or_null(info->period_s), "resolution", number_or_null(info->resolution), "averaging_s",
        number_or_null(info->averaging_s), "error_relative", number_or_null(info->error_relative), "range_max",
        number_or_null(info->range_max), "stamp_error_s", number_or_null(info->stamp_error_s), "clock_drift",
        number_or_null(info->clock_drift), "power_max_w", number_or_null(info->power_max_w), "documented",
        info->documented ? info->documented : "", "grade_ceiling", ew_trust_grade_name(info->grade_ceiling), "reason",
        ew_meter_reason_name(info->reason), "reason_text", info->reason_text, "remedy", info->remedy, "assumed",
        info->assumed, "channels", channels);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static enum ew_status put_one(const struct ew_study_sink *sink, int64_t invocation_id, const struct ew_meter_info *info,
                              bool used, int64_t *id, struct ew_error *err) {
    char *text = describe(info);
    bool usable = info->reason == EW_METER_USABLE;
    const struct ew_meter_record record = {
        .invocation_id = invocation_id,
        .name = info->name,
        .quantity = ew_meter_quantity_name(info->quantity),
        .used = used,
        .refused = used     ? NULL
                   : usable ? "not needed"
                            : info->reason_text,
        .boundary = info->quantity == EW_METER_ENERGY ? ew_meter_boundary_name(info->boundary) : NULL,
        .period_ns = info->period_s > 0 && info->period_s < 1e9 ? (int64_t)(info->period_s * 1e9) : EW_MISSING,
        .describe_json = text};
    enum ew_status status = sink->put_meter(sink->context, &record, id, err);
    free(text);
    return status;
}

enum ew_status ew_study_meters_put(struct ew_study_meters *m, const struct ew_study_sink *sink, int64_t invocation_id,
                                   struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < ew_meter_list_count(m->list); i++) {
        const struct ew_meter *meter = ew_meter_list_at(m->list, i);
        size_t u = 0;
        while (u < m->n_used && m->used[u] != meter) u++;
        int64_t id = EW_MISSING;
        status = put_one(sink, invocation_id, ew_meter_info(meter), u < m->n_used, &id, err);
        if (u < m->n_used) m->used_id[u] = id;
    }
    if (status != EW_OK) return status;
    /* The memory meter belongs to each trial's process; ours tells how it describes itself. */
    struct ew_meter *memory = NULL;
    status = ew_meter_open_process_memory(NULL, (int32_t)getpid(), &memory, err);
    if (status != EW_OK) return status;
    status = put_one(sink, invocation_id, ew_meter_info(memory), true, &m->memory_id, err);
    ew_meter_close(&memory);
    if (status != EW_OK || ew_meter_open_gpu_memory(&m->config, (int32_t)getpid(), &memory, NULL) != EW_OK)
        return status;
    status = put_one(sink, invocation_id, ew_meter_info(memory), true, &m->gpu_memory_id, err);
    ew_meter_close(&memory);
    return status;
}

static enum ew_status add_channel(struct ew_series_record *out, const struct ew_meter_trace *trace, size_t channel,
                                  int64_t meter_id, struct ew_error *err) {
    bool energy = trace->info->quantity == EW_METER_ENERGY;
    int64_t *times = malloc((trace->n + 1) * sizeof *times);
    double *values = malloc((trace->n + 1) * sizeof *values);
    char *name = strdup(trace->info->channels[channel].name);
    if (!times || !values || !name) {
        free(times);
        free(values);
        free(name);
        return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for %zu samples", trace->info->name, trace->n);
    }
    size_t n = 0, nan = 0;
    for (size_t i = 0; i < trace->n; i++) {
        double value = trace->values[i * trace->n_channels + channel];
        nan += isnan(value) != 0;
        if (isnan(value) && !energy) continue;
        times[n] = trace->times_ns[i];
        values[n++] = value;
    }
    *out = (struct ew_series_record){.trial_id = EW_MISSING,
                                     .baseline_id = EW_MISSING,
                                     .meter_id = meter_id,
                                     .channel = name,
                                     .unit = ew_meter_unit_name(trace->info),
                                     .n = (int64_t)n,
                                     .n_missing = (int64_t)(trace->missed + trace->failed + (energy ? nan : 0)),
                                     .time_ns = times,
                                     .value = values};
    return EW_OK;
}

enum ew_status ew_series_add_trace(struct ew_series_record **series, size_t *n, const struct ew_meter_trace *trace,
                                   int64_t meter_id, struct ew_error *err) {
    struct ew_series_record *larger = realloc(*series, (*n + trace->n_channels + 1) * sizeof **series);
    if (!larger) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", trace->info->name);
    *series = larger;
    for (size_t c = 0; c < trace->n_channels; c++) {
        enum ew_status status = add_channel(&larger[*n], trace, c, meter_id, err);
        if (status != EW_OK) return status;
        ++*n;
    }
    return EW_OK;
}

void ew_series_free(struct ew_series_record **series, size_t n) {
    if (!series || !*series) return;
    for (size_t i = 0; i < n; i++) {
        free((char *)(*series)[i].channel);
        free((int64_t *)(*series)[i].time_ns);
        free((double *)(*series)[i].value);
    }
    free(*series);
    *series = NULL;
}

/* What the energy meter gave so far, judged; infinite without memory to look at it. */
static double interval_so_far(const struct ew_study_meters *m, struct ew_meter_sampler *sampler) {
    enum { MOST = 1 << 17 };
    const struct ew_meter_info *info = ew_meter_info(m->energy);
    int64_t *times = malloc(MOST * sizeof *times);
    double *values = malloc(MOST * info->n_channels * sizeof *values), interval = INFINITY;
    if (times && values) {
        size_t n = ew_meter_sampler_copy(sampler, 0, 0, times, values, MOST);
        interval = ew_idle_interval(info, times, values, n);
    }
    free(times);
    free(values);
    return interval;
}

static void wait_until_rested(const struct ew_study_meters *m, struct ew_meter_sampler *sampler, int64_t begin_ns,
                              const struct ew_rest_limits *limits, const volatile int *stop) {
    bool judged = m->energy && limits->until > 0;
    double next_s = limits->min_s;
    for (;;) {
        double rested_s = (double)(ew_clock_now_ns() - begin_ns) * 1e-9;
        if ((stop && *stop) || rested_s >= (judged ? limits->max_s : limits->min_s)) return;
        if (judged && rested_s >= next_s) {
            if (interval_so_far(m, sampler) <= limits->until) return;
            next_s = rested_s + 1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

enum ew_status ew_study_meters_rest(struct ew_study_meters *m, const struct ew_rest_limits *limits,
                                    const volatile int *stop, struct ew_baseline_record *baseline,
                                    struct ew_series_record **series, size_t *n, struct ew_error *err) {
    *series = NULL;
    *n = 0;
    struct ew_metering metering;
    enum ew_status status = ew_metering_start(m, &metering, err);
    if (status != EW_OK) return status;
    if (m->energy && !metering.has_energy) {
        ew_metering_close(&metering);
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s", metering.energy_lost);
    }
    baseline->begin_ns = ew_clock_now_ns();
    wait_until_rested(m, metering.sampler, baseline->begin_ns, limits, stop);
    baseline->end_ns = ew_clock_now_ns();
    if (metering.sampler) ew_meter_sampler_stop(metering.sampler);
    status = ew_metering_add_series(&metering, series, n, err);
    ew_metering_close(&metering);
    if (status != EW_OK) ew_series_free(series, *n);
    return status;
}
