/* Puts the samples of the store back into the form that src/meter integrates. Refuses samples without a description of
 * their meter: without kind and wrap-around range a figure would be a guess. */
#include "insight/stored_energy.h"

#include "base/error.h"
#include "meter/integrate.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CHANNELS = 32 };

/* ---- the meter's description ---- */

static double number_of(const json_t *object, const char *key, double missing) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : missing;
}

static void text_of(const json_t *object, const char *key, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

static enum ew_meter_boundary boundary_of(const char *name) {
    for (int b = EW_BOUNDARY_UNKNOWN; b <= EW_BOUNDARY_WALL; b++)
        if (name && strcmp(name, ew_meter_boundary_name((enum ew_meter_boundary)b)) == 0)
            return (enum ew_meter_boundary)b;
    return EW_BOUNDARY_UNKNOWN;
}

static enum ew_trust_grade grade_of(const char *name) {
    for (int g = EW_GRADE_NONE; g <= EW_GRADE_A; g++)
        if (name && strcmp(name, ew_trust_grade_name((enum ew_trust_grade)g)) == 0) return (enum ew_trust_grade)g;
    return EW_GRADE_NONE;
}

static enum ew_status parse_channels(const struct ew_meter_record *record, const json_t *list,
                                     struct ew_meter_channel *channels, size_t capacity, struct ew_error *err) {
    size_t n = json_array_size(list);
    if (!n) return ew_error_set(err, EW_ERR_FORMAT, "meter %s: its description has no channels", record->name);
    if (n > capacity)
        return ew_error_set(err, EW_ERR_LIMIT, "meter %s: %zu channels (at most %zu)", record->name, n, capacity);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        channels[i] = (struct ew_meter_channel){.in_total = json_is_true(json_object_get(one, "in_total")),
                                                .wrap = number_of(one, "wrap", 0)};
        text_of(one, "name", channels[i].name, sizeof channels[i].name);
    }
    return EW_OK;
}

enum ew_status ew_stored_meter_parse(const struct ew_meter_record *record, struct ew_meter_info *info,
                                     struct ew_meter_channel *channels, size_t capacity, struct ew_error *err) {
    json_error_t where;
    json_t *root = record->describe_json ? json_loads(record->describe_json, 0, &where) : NULL;
    if (!json_is_object(root)) {
        json_decref(root);
        return ew_error_set(err, EW_ERR_FORMAT, "meter %s: its description in the store is not a JSON object",
                            record->name ? record->name : "?");
    }
    struct ew_meter_info m = {.quantity = EW_METER_ENERGY,
                              .n_channels = json_array_size(json_object_get(root, "channels")),
                              .channels = channels,
                              .period_s = number_of(root, "period_s", 0),
                              .resolution = number_of(root, "resolution", 0),
                              .averaging_s = number_of(root, "averaging_s", 0),
                              .range_max = number_of(root, "range_max", 0),
                              .stamp_error_s = number_of(root, "stamp_error_s", 0),
                              .clock_drift = number_of(root, "clock_drift", 0),
                              .power_max_w = number_of(root, "power_max_w", 0),
                              .error_relative = number_of(root, "error_relative", NAN),
                              .assumed = json_is_true(json_object_get(root, "assumed"))};
    text_of(root, "name", m.name, sizeof m.name);
    text_of(root, "covers", m.covers, sizeof m.covers);
    text_of(root, "leaves_out", m.leaves_out, sizeof m.leaves_out);
    m.boundary = boundary_of(json_string_value(json_object_get(root, "boundary")));
    m.grade_ceiling = grade_of(json_string_value(json_object_get(root, "grade_ceiling")));
    const char *kind = json_string_value(json_object_get(root, "kind"));
    enum ew_status status = EW_OK;
    if (kind && strcmp(kind, ew_meter_kind_name(EW_METER_COUNTER)) == 0)
        m.kind = EW_METER_COUNTER;
    else if (kind && strcmp(kind, ew_meter_kind_name(EW_METER_POWER)) == 0)
        m.kind = EW_METER_POWER;
    else
        status = ew_error_set(err, EW_ERR_FORMAT, "meter %s: kind `%.20s` is neither counter nor power", record->name,
                              kind ? kind : "");
    if (status == EW_OK) status = parse_channels(record, json_object_get(root, "channels"), channels, capacity, err);
    json_decref(root);
    if (status == EW_OK) *info = m;
    return status;
}

/* ---- the samples of one trial or baseline ---- */

struct loaded_trace {
    const struct ew_meter_record *meter; /* NULL: no power samples */
    struct ew_meter_info info;
    struct ew_meter_channel channels[MOST_CHANNELS];
    struct ew_series_record *series;
    size_t n_series;
    double *values; /* [n][info.n_channels] */
    struct ew_energy_trace trace;
};

static void free_trace(struct loaded_trace *t) {
    ew_store_free_series(&t->series, t->n_series);
    free(t->values);
    *t = (struct loaded_trace){0};
}

static const struct ew_meter_record *energy_meter(const struct ew_stored_study *study, int64_t id) {
    for (size_t i = 0; i < study->n_meters; i++) {
        const struct ew_meter_record *m = &study->meters[i];
        if (m->id == id && m->used && m->quantity && strcmp(m->quantity, "energy") == 0) return m;
    }
    return NULL;
}

/* Channels share their stamps: the runner writes them so, and a store where they do not is damaged. */
static enum ew_status join_channels(struct loaded_trace *t, struct ew_error *err) {
    const struct ew_series_record *first = NULL;
    for (size_t i = 0; i < t->n_series; i++) {
        const struct ew_series_record *s = &t->series[i];
        if (s->meter_id != t->meter->id) continue;
        size_t c = 0;
        while (c < t->info.n_channels && strcmp(t->channels[c].name, s->channel ? s->channel : "") != 0) c++;
        if (c == t->info.n_channels)
            return ew_error_set(err, EW_ERR_FORMAT, "meter %s: samples of a channel `%.60s` that it does not have",
                                t->meter->name, s->channel ? s->channel : "");
        if (!first) {
            size_t cells;
            first = s;
            if (__builtin_mul_overflow((size_t)s->n, t->info.n_channels, &cells) ||
                !(t->values = malloc((cells + 1) * sizeof *t->values)))
                return ew_error_set(err, EW_ERR_MEMORY, "meter %s: no memory for its samples", t->meter->name);
            for (size_t k = 0; k < cells; k++) t->values[k] = NAN;
        } else if (s->n != first->n ||
                   (s->n && memcmp(s->time_ns, first->time_ns, (size_t)s->n * sizeof *s->time_ns) != 0)) {
            return ew_error_set(err, EW_ERR_FORMAT, "meter %s: its channels were not sampled together", t->meter->name);
        }
        for (size_t k = 0; k < (size_t)s->n; k++) t->values[k * t->info.n_channels + c] = s->value[k];
    }
    t->trace = (struct ew_energy_trace){&t->info, first->time_ns, t->values, (size_t)first->n};
    return EW_OK;
}

static enum ew_status load_trace(struct ew_store *store, const struct ew_stored_study *study, int64_t trial_id,
                                 int64_t baseline_id, struct loaded_trace *t, struct ew_error *err) {
    *t = (struct loaded_trace){0};
    enum ew_status status = ew_store_read_series(store, trial_id, baseline_id, &t->series, &t->n_series, err);
    for (size_t i = 0; i < t->n_series && status == EW_OK && !t->meter; i++)
        t->meter = energy_meter(study, t->series[i].meter_id);
    if (status == EW_OK && t->meter)
        status = ew_stored_meter_parse(t->meter, &t->info, t->channels, MOST_CHANNELS, err);
    if (status == EW_OK && t->meter) status = join_channels(t, err);
    if (status != EW_OK) free_trace(t);
    return status;
}

/* ---- idle ---- */

/* Power at rest is a mean: a last reading up to a tenth before the end of the window, as a slow meter's is, changes
 * nothing. false: the readings cover less than that. */
static bool clip_to_readings(const struct ew_energy_trace *trace, int64_t *begin_ns, int64_t *end_ns) {
    if (trace->n < 2) return false;
    int64_t asked = *end_ns - *begin_ns, first = trace->times_ns[0], last = trace->times_ns[trace->n - 1];
    if (first > *begin_ns) *begin_ns = first;
    if (last < *end_ns) *end_ns = last;
    return *end_ns > *begin_ns && (double)(*end_ns - *begin_ns) >= 0.9 * (double)asked;
}

static enum ew_status idle_window(struct ew_store *store, const struct ew_stored_study *study, int64_t invocation_id,
                                  const char *place, struct ew_energy *out, bool *found, struct ew_error *err) {
    *found = false;
    for (size_t i = 0; i < study->n_baselines; i++) {
        const struct ew_baseline_record *b = &study->baselines[i];
        if (b->invocation_id != invocation_id || strcmp(b->place, place) != 0 || b->end_ns <= b->begin_ns) continue;
        struct loaded_trace t;
        int64_t begin = b->begin_ns, end = b->end_ns;
        enum ew_status status = load_trace(store, study, EW_MISSING, b->id, &t, err);
        if (status != EW_OK) return status;
        if (t.meter && clip_to_readings(&t.trace, &begin, &end)) {
            status = ew_energy_of_window(&t.trace, EW_ENERGY_TOTAL, begin, end, NULL, out, err);
            *found = status == EW_OK && isfinite(out->energy_j);
        }
        free_trace(&t);
        return status;
    }
    return EW_OK;
}

static enum ew_status read_idle(struct ew_store *store, const struct ew_stored_study *study, int64_t invocation_id,
                                struct ew_idle_baseline *out, bool *found, struct ew_error *err) {
    struct ew_energy before, after;
    bool has_before, has_after;
    enum ew_status status = idle_window(store, study, invocation_id, "before", &before, &has_before, err);
    if (status == EW_OK) status = idle_window(store, study, invocation_id, "after", &after, &has_after, err);
    if (status != EW_OK) return status;
    *found = (has_before || has_after) &&
             ew_energy_idle_baseline(has_before ? &before : &after, has_before && has_after ? &after : NULL, out);
    return EW_OK;
}

/* ---- trials ---- */

static enum ew_status phase_energy(const struct loaded_trace *t, const struct ew_phase_record *phase,
                                   const struct ew_idle_baseline *idle, struct ew_energy *out, struct ew_error *err) {
    *out = (struct ew_energy){.energy_j = NAN, .net_j = NAN, .grade = EW_GRADE_NONE};
    if (!phase || phase->end_ns <= phase->begin_ns) return EW_OK;
    enum ew_status status =
        ew_energy_of_window(&t->trace, EW_ENERGY_TOTAL, phase->begin_ns, phase->end_ns, idle, out, err);
    if (status == EW_OK && out->below_resolution) out->energy_j = out->net_j = NAN;
    return status;
}

static enum ew_status trial_energy(struct ew_store *store, const struct ew_stored_study *study,
                                   const struct ew_trial_record *trial, const struct ew_idle_baseline *idle,
                                   struct ew_trial_energy *out, struct ew_error *err) {
    struct loaded_trace t;
    enum ew_status status = load_trace(store, study, trial->id, EW_MISSING, &t, err);
    if (status != EW_OK || !t.meter) return status;
    struct ew_energy prefill, decode;
    status = phase_energy(&t, ew_measure_phase(trial, "prefill"), idle, &prefill, err);
    if (status == EW_OK) status = phase_energy(&t, ew_measure_phase(trial, "decode"), idle, &decode, err);
    if (status == EW_OK) {
        out->prefill_j = prefill.energy_j;
        out->decode_j = decode.energy_j;
        out->decode_net_j = decode.net_j;
        out->grade = isfinite(decode.energy_j) ? decode.grade : EW_GRADE_NONE;
        const char *reason =
            decode.below_resolution ? "decoding was shorter than this sensor can resolve" : decode.grade_reason;
        snprintf(out->reason, sizeof out->reason, "%s", reason);
        if (out->grade != EW_GRADE_NONE && t.info.leaves_out[0] && !strstr(out->reason, t.info.leaves_out)) {
            size_t n = strlen(out->reason);
            snprintf(out->reason + n, sizeof out->reason - n, "%soutside the figure: %s", n ? "; " : "",
                     t.info.leaves_out);
        }
    }
    free_trace(&t);
    return status;
}

enum ew_status ew_stored_energy_read(struct ew_store *store, const struct ew_stored_study *study,
                                     struct ew_trial_energy *out, struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < study->n_trials; i++) out[i] = (struct ew_trial_energy){NAN, NAN, NAN, EW_GRADE_NONE, ""};
    for (size_t v = 0; v < study->n_invocations && status == EW_OK; v++) {
        int64_t id = study->invocations[v].id;
        struct ew_idle_baseline idle;
        bool has_idle = false;
        if (study->invocations[v].energy_none) continue;
        status = read_idle(store, study, id, &idle, &has_idle, err);
        for (size_t i = 0; i < study->n_trials && status == EW_OK; i++)
            if (study->trials[i].invocation_id == id && study->trials[i].status == EW_TRIAL_OK)
                status = trial_energy(store, study, &study->trials[i], has_idle ? &idle : NULL, &out[i], err);
    }
    return status;
}

enum ew_status ew_stored_phases_read(struct ew_store *store, const struct ew_stored_study *study,
                                     const struct ew_trial_record *trial, size_t most, struct ew_stored_phase *out,
                                     size_t *n, struct ew_error *err) {
    struct loaded_trace t;
    struct ew_idle_baseline idle;
    bool has_idle = false;
    *n = 0;
    enum ew_status status = load_trace(store, study, trial->id, EW_MISSING, &t, err);
    if (status != EW_OK || !t.meter) return status;
    status = read_idle(store, study, trial->invocation_id, &idle, &has_idle, err);
    for (size_t i = 0; i < trial->n_phases && *n < most && status == EW_OK; i++) {
        out[*n].phase = &trial->phases[i];
        status = phase_energy(&t, out[*n].phase, has_idle ? &idle : NULL, &out[*n].energy, err);
        *n += status == EW_OK;
    }
    free_trace(&t);
    return status;
}

/* ---- power over time ---- */

/* Every k-th point; the peaks between are lost, which a plot of this width cannot show anyway. */
static size_t thin(int64_t *times_ns, double *watts, size_t n, size_t most) {
    if (n <= most || !most) return n;
    for (size_t i = 0; i < most; i++) {
        size_t from = i * n / most;
        times_ns[i] = times_ns[from];
        watts[i] = watts[from];
    }
    return most;
}

enum ew_status ew_stored_power_read(struct ew_store *store, const struct ew_stored_study *study,
                                    const struct ew_trial_record *trial, size_t most, struct ew_stored_power *out,
                                    struct ew_error *err) {
    struct ew_stored_power power = {.idle_w = NAN};
    struct loaded_trace t;
    enum ew_status status = load_trace(store, study, trial->id, EW_MISSING, &t, err);
    if (status != EW_OK) return status;
    if (t.meter && t.trace.n > 1) {
        size_t capacity = t.trace.n;
        power.times_ns = malloc(capacity * sizeof *power.times_ns);
        power.watts = malloc(capacity * sizeof *power.watts);
        if (!power.times_ns || !power.watts) {
            status = ew_error_set(err, EW_ERR_MEMORY, "power of trial %lld: out of memory", (long long)trial->id);
        } else {
            size_t n = ew_energy_power_points(&t.trace, EW_ENERGY_TOTAL, t.trace.times_ns[0],
                                              t.trace.times_ns[t.trace.n - 1], power.times_ns, power.watts, capacity);
            power.n = thin(power.times_ns, power.watts, n < capacity ? n : capacity, most);
            power.meter = t.meter;
        }
    }
    struct ew_idle_baseline idle;
    bool has_idle = false;
    if (status == EW_OK && power.n) status = read_idle(store, study, trial->invocation_id, &idle, &has_idle, err);
    if (has_idle) power.idle_w = idle.power_w;
    free_trace(&t);
    if (status != EW_OK)
        ew_stored_power_free(&power);
    else
        *out = power;
    return status;
}

void ew_stored_power_free(struct ew_stored_power *power) {
    free(power->times_ns);
    free(power->watts);
    *power = (struct ew_stored_power){.idle_w = NAN};
}
