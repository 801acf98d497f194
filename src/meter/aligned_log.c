/* Owns bringing a log of an external meter onto this machine's clock: by the load that is known to have run, or by the
 * stamps themselves where the user says that they are this machine's. */
#include "meter/aligned_log.h"
#include "base/clock.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

int64_t ew_clock_epoch_ns(void) {
    struct timespec real;
    int64_t before = ew_clock_now_ns();
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t after = ew_clock_now_ns();
    return before + (after - before) / 2 - ((int64_t)real.tv_sec * 1000000000 + real.tv_nsec);
}

/* The second search looks where the first found it, give or take what clocks drift. */
static enum ew_status find_last(const struct ew_load_pattern *pattern, const struct ew_power_series *series,
                                struct ew_aligned_log *log, struct ew_error *err) {
    int64_t middle = pattern->begin_ns + (pattern->end_ns - pattern->begin_ns) / 2;
    double apart = (double)(middle - log->first.middle_ns);
    int64_t reach = (int64_t)fmin(2e9 + 1e-3 * fabs(apart) + (double)log->first.error_ns, 1e18);
    enum ew_status status =
        ew_time_shift_find(pattern, series, log->first.shift_ns - reach, log->first.shift_ns + reach, &log->last, err);
    return status == EW_OK ? EW_OK : ew_error_prefix(err, status, "last pattern");
}

static enum ew_status find_patterns(const struct ew_alignment *how, struct ew_aligned_log *log, struct ew_error *err) {
    int64_t *times = malloc((log->log->n + 1) * sizeof *times);
    double *watts = malloc((log->log->n + 1) * sizeof *watts);
    enum ew_status status = EW_OK;
    if (!times || !watts) {
        status = ew_error_set(err, EW_ERR_MEMORY, "aligned log: out of memory");
        goto done;
    }
    struct ew_power_series series = {.times_ns = times, .watts = watts};
    series.n = ew_power_log_watts(log->log, times, watts);
    status = ew_time_shift_find(&how->patterns[0], &series, EW_SHIFT_ANY, EW_SHIFT_ANY, &log->first, err);
    bool two = how->n_patterns > 1;
    if (status == EW_OK && two) status = find_last(&how->patterns[how->n_patterns - 1], &series, log, err);
    if (status == EW_OK) status = ew_clock_map_make(&log->first, two ? &log->last : NULL, &log->map, err);
    log->found = true;
done:
    free(times);
    free(watts);
    return status;
}

static enum ew_status use_own_stamps(const struct ew_log_choice *choice, const struct ew_alignment *how,
                                     struct ew_aligned_log *log, struct ew_error *err) {
    if (!choice->clock_is_here)
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "%s: its clock is its own: a load pattern is needed to find the offset, or clock=here",
                            choice->path);
    if (log->log->clock != EW_LOG_CLOCK_EPOCH)
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "%s: clock=here needs stamps with the day (ISO 8601 or seconds since 1970)", choice->path);
    log->map = (struct ew_clock_map){.shift_ns = how->epoch_ns, .drift_error_ppm = 0};
    return EW_OK;
}

/* Stamps stay in order: a measured drift is far from turning them round. */
static enum ew_status move_stamps(struct ew_aligned_log *log, const struct ew_alignment *how, struct ew_error *err) {
    log->n = log->log->n;
    log->values = log->log->values;
    log->info = &log->log->info;
    log->times_ns = malloc((log->n + 1) * sizeof *log->times_ns);
    if (!log->times_ns) return ew_error_set(err, EW_ERR_MEMORY, "aligned log: out of memory");
    /* The shift brings each reading to the middle of what it averages over; a stamp stands at the end of that. */
    bool averages = log->found && log->info->kind == EW_METER_POWER;
    int64_t half = averages ? (int64_t)llround(log->info->averaging_s * 0.5e9) : 0;
    for (size_t i = 0; i < log->n; i++)
        log->times_ns[i] = ew_clock_map_time(&log->map, log->log->times_ns[i], NULL) + half;
    log->error_ns = log->map.error_ns;
    for (size_t k = 0; k < how->n_patterns; k++) {
        int64_t edges[2] = {how->patterns[k].begin_ns, how->patterns[k].end_ns}, error_ns;
        for (int e = 0; e < 2; e++) {
            ew_clock_map_time(&log->map, edges[e] - log->map.shift_ns, &error_ns);
            if (error_ns > log->error_ns) log->error_ns = error_ns;
        }
    }
    log->log->info.stamp_error_s = 1e-9 * (double)log->error_ns;
    return EW_OK;
}

enum ew_status ew_aligned_log_open(const char *source, const struct ew_alignment *how, struct ew_aligned_log **out,
                                   struct ew_error *err) {
    struct ew_log_choice choice;
    enum ew_status status = ew_log_choice_parse(source, &choice, err);
    if (status != EW_OK) return status;
    struct ew_aligned_log *log = calloc(1, sizeof *log);
    if (!log) return ew_error_set(err, EW_ERR_MEMORY, "aligned log: out of memory");
    if ((status = ew_power_log_read(&choice, &log->log, err)) != EW_OK) goto done;
    if (how->n_patterns > 0 && !choice.clock_is_here) {
        status = find_patterns(how, log, err);
        if (status != EW_OK) ew_error_prefix(err, status, "%s", choice.path);
    } else {
        status = use_own_stamps(&choice, how, log, err);
    }
    if (status == EW_OK) status = move_stamps(log, how, err);
    if (status != EW_OK) goto done;
    *out = log;
    log = NULL;
done:
    ew_aligned_log_close(&log);
    return status;
}

void ew_aligned_log_close(struct ew_aligned_log **log) {
    if (!log || !*log) return;
    free((*log)->times_ns);
    ew_power_log_close(&(*log)->log);
    free(*log);
    *log = NULL;
}

struct ew_energy_trace ew_aligned_log_trace(const struct ew_aligned_log *log) {
    return (struct ew_energy_trace){.info = log->info, .times_ns = log->times_ns, .values = log->values, .n = log->n};
}

enum ew_status ew_load_pattern_of_phases(const struct ew_load_phase *phases, size_t n, int64_t rest_ns,
                                         struct ew_load_edge *edges, struct ew_load_pattern *out,
                                         struct ew_error *err) {
    if (n == 0 || rest_ns < 0) return ew_error_set(err, EW_ERR_ARGUMENT, "load pattern: no phases, or a negative rest");
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (phases[i].end_ns <= phases[i].begin_ns || (i > 0 && phases[i].begin_ns < phases[i - 1].begin_ns))
            return ew_error_set(err, EW_ERR_ARGUMENT, "load pattern: phase %zu does not follow the last", i);
        if (k > 0 && phases[i].begin_ns <= edges[k - 1].time_ns) {
            if (phases[i].end_ns > edges[k - 1].time_ns) edges[k - 1].time_ns = phases[i].end_ns;
            continue;
        }
        edges[k++] = (struct ew_load_edge){.time_ns = phases[i].begin_ns, .on = true};
        edges[k++] = (struct ew_load_edge){.time_ns = phases[i].end_ns, .on = false};
    }
    *out = (struct ew_load_pattern){
        .edges = edges, .n = k, .begin_ns = edges[0].time_ns - rest_ns, .end_ns = edges[k - 1].time_ns + rest_ns};
    return EW_OK;
}
