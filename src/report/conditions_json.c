/* Owns knobs, sustained windows and what a study left out, as JSON. A default is written as what it meant, so that a
 * picture over a knob has a name for it. */
#include "report/conditions_json.h"

#include "report/run_json.h"
#include "study/study_axis.h"

#include <jansson.h>
#include <stdlib.h>

enum { MOST_WINDOWS = 4096 };

/* What another engine does by default is not known. */
static json_t *spin_json(const struct ew_config_record *r) {
    if (r->spin_us != 0) return json_integer(r->spin_us > 0 ? r->spin_us : 0);
    return r->engine ? json_null() : json_integer(EW_STUDY_SPIN_US);
}

/* Knobs that a configuration may have; names as the page shows them, what was not set as what it meant. */
json_t *ew_knobs_json(const struct ew_config_record *r) {
    json_t *burst = json_string("burst");
    if (r->sustained_ms > 0) {
        json_decref(burst);
        burst = json_sprintf("sustained %lld s", (long long)(r->sustained_ms / 1000));
    }
    return json_pack("{s:o, s:s, s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:o}", "batch",
                     r->batch ? json_integer(r->batch) : json_null(), "cores", r->cores ? r->cores : "all", "run",
                     burst, "load_state", r->load ? r->load : "as it came", "backend", r->backend ? r->backend : "cpu",
                     "kv_type", r->kv_type ? r->kv_type : "f16", "governor", r->governor ? r->governor : "as found",
                     "max_mhz", r->frequency_cap_hz ? json_real((double)r->frequency_cap_hz * 1e-6) : json_null(),
                     "power_mode", r->power_mode ? r->power_mode : "as found", "epp", r->epp ? r->epp : "as found",
                     "speculate", r->speculate ? r->speculate : "off", "spin_us", spin_json(r));
}

/* Speed over time of the first run of each configuration that went on. */
json_t *ew_sustained_json(const struct ew_insight *insight) {
    json_t *list = json_array();
    bool *taken = calloc(insight->n_configs + 1, sizeof *taken);
    for (size_t i = 0; taken && i < insight->n_runs; i++) {
        const struct ew_insight_run *run = &insight->runs[i];
        const struct ew_trial_record *t = run->trial;
        const struct ew_phase_record *phase = ew_measure_phase(t, "sustained");
        if (taken[run->config] || !phase || t->n_windows < 2) continue;
        taken[run->config] = true;
        json_t *times = json_array(), *speeds = json_array();
        for (size_t w = 0; w < t->n_windows && w < MOST_WINDOWS; w++) {
            const struct ew_sustained_window *one = &t->windows[w];
            json_array_append_new(times, json_real((double)(one->end_ns - phase->begin_ns) * 1e-9));
            json_array_append_new(speeds, one->decode_ns > 0
                                              ? json_real((double)one->n_tokens / ((double)one->decode_ns * 1e-9))
                                              : json_null());
        }
        json_array_append_new(list, json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "trial", (json_int_t)t->id,
                                              "configuration", (json_int_t)t->config_id, "t_s", times, "tokens_per_s",
                                              speeds, "start_c", ew_json_number(t->conditions.start_c), "end_c",
                                              ew_json_number(t->conditions.end_c)));
    }
    free(taken);
    return list;
}

/* What the study's runs left out, as the study runner wrote it: [{what, why, n}]. */
json_t *ew_left_out_json(const struct ew_report *report) {
    for (size_t i = report->study->n_invocations; i-- > 0;) {
        const char *text = report->study->invocations[i].left_out_json;
        json_t *list = text ? json_loads(text, 0, NULL) : NULL;
        if (json_is_array(list)) return list;
        json_decref(list);
    }
    return json_array();
}
