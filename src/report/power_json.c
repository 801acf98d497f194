/* Writes one trace per configuration, thinned for looking at, and the joules of each of its phases with the parts of
 * their uncertainty. The store has every sample. */
#include "report/power_json.h"

#include "insight/stored_energy.h"
#include "report/run_json.h"

#include <math.h>

enum { POWER_POINTS = 400, MOST_PHASES = 16, MOST_TRACES = 400 };

/* Parts that do not apply are left out. */
static json_t *budget_json(const struct ew_energy_budget *budget) {
    json_t *parts = json_object();
    for (int p = 0; p < EW_ENERGY_PARTS; p++)
        if (budget->standard_j[p] > 0)
            json_object_set_new(parts, ew_energy_part_name((enum ew_energy_part)p), json_real(budget->standard_j[p]));
    return parts;
}

static json_t *phase_json(const struct ew_stored_phase *p, int64_t zero) {
    const struct ew_energy *e = &p->energy;
    bool has = isfinite(e->energy_j);
    json_t *out =
        json_pack("{s:o, s:f, s:f, s:I, s:o, s:o, s:o, s:o}", "name", ew_json_text(p->phase->name), "begin_s",
                  (double)(p->phase->begin_ns - zero) * 1e-9, "end_s", (double)(p->phase->end_ns - zero) * 1e-9,
                  "tokens", (json_int_t)p->phase->n_tokens, "energy_j", ew_json_number(e->energy_j), "error_j",
                  has ? ew_json_number(e->error_j) : json_null(), "net_j", has ? ew_json_number(e->net_j) : json_null(),
                  "net_error_j", has && isfinite(e->net_j) ? ew_json_number(e->net_error_j) : json_null());
    json_t *more = json_pack("{s:o, s:o, s:o, s:o, s:o}", "average_w", has ? ew_json_number(e->average_w) : json_null(),
                             "peak_w", has ? ew_json_number(e->peak_w) : json_null(), "grade",
                             has ? json_string(ew_trust_grade_name(e->grade)) : json_null(), "reason",
                             e->below_resolution ? json_string("shorter than this sensor can resolve")
                                                 : ew_json_text(e->grade_reason),
                             "budget_j", has ? budget_json(&e->budget) : json_null());
    if (out && more) json_object_update(out, more);
    json_decref(more);
    return out;
}

static enum ew_status trace_json(const struct ew_report *report, const struct ew_trial_record *trial, json_t *list,
                                 struct ew_error *err) {
    struct ew_stored_power power;
    struct ew_stored_phase phases[MOST_PHASES];
    size_t n = 0;
    enum ew_status status = ew_stored_power_read(report->store, report->study, trial, POWER_POINTS, &power, err);
    if (status != EW_OK) return status;
    if (power.n) status = ew_stored_phases_read(report->store, report->study, trial, MOST_PHASES, phases, &n, err);
    if (power.n && status == EW_OK) {
        int64_t zero = power.times_ns[0];
        json_t *times = json_array(), *watts = json_array(), *parts = json_array();
        for (size_t i = 0; i < power.n; i++) {
            json_array_append_new(times, json_real(round((double)(power.times_ns[i] - zero) * 1e-5) / 1e4));
            json_array_append_new(watts, ew_json_number(round(power.watts[i] * 1e4) / 1e4));
        }
        for (size_t i = 0; i < n; i++) json_array_append_new(parts, phase_json(&phases[i], zero));
        json_array_append_new(list, json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "trial", (json_int_t)trial->id,
                                              "configuration", (json_int_t)trial->config_id, "meter",
                                              ew_json_text(power.meter->name), "t_s", times, "power_w", watts, "idle_w",
                                              ew_json_number(power.idle_w), "phases", parts));
    }
    ew_stored_power_free(&power);
    return status;
}

/* Of each configuration the first run with joules of its decoding; else the first that ended well, whose other phases
 * may have some. */
static const struct ew_trial_record *choose_run(const struct ew_insight *insight, size_t config) {
    const struct ew_trial_record *second = NULL;
    for (size_t i = 0; i < insight->n_runs; i++) {
        const struct ew_insight_run *run = &insight->runs[i];
        if (run->config != config || run->trial->status != EW_TRIAL_OK) continue;
        if (isfinite(run->value[EW_MEASURE_DECODE_ENERGY])) return run->trial;
        if (!second) second = run->trial;
    }
    return second;
}

enum ew_status ew_power_json(const struct ew_report *report, json_t **out, struct ew_error *err) {
    json_t *list = json_array();
    enum ew_status status = EW_OK;
    for (size_t c = 0; c < report->insight->n_configs && report->insight->has_energy && status == EW_OK; c++) {
        const struct ew_trial_record *trial = choose_run(report->insight, c);
        if (trial && json_array_size(list) < MOST_TRACES) status = trace_json(report, trial, list, err);
    }
    if (status != EW_OK)
        json_decref(list);
    else
        *out = list;
    return status;
}
