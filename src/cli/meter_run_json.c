/* Owns the JSON of `edgewise meter run`; docs/meter.md describes it, and `edgewise meter attach` reads it. */
#include "cli/meter_json.h"
#include "cli/meter_run_view.h"
#include "cli/terminal_style.h"
#include "study/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>

static void put_bytes(json_t *o, const char *key, double bytes) {
    json_object_set_new(o, key, isnan(bytes) ? json_null() : json_integer((json_int_t)bytes));
}

static void put_integer(json_t *o, const char *key, int64_t value) {
    json_object_set_new(o, key, value == EW_MISSING ? json_null() : json_integer(value));
}

static void put_window(json_t *o, const struct ew_command_window *w) {
    put_integer(o, "begin_ns", w->begin_ns);
    put_integer(o, "end_ns", w->end_ns);
    ew_meter_json_put(o, "wall_s", (double)(w->end_ns - w->begin_ns) * 1e-9);
    json_object_set_new(o, "energy", ew_meter_json_energy(&w->energy));
    put_bytes(o, "peak_pss_bytes", w->peak_pss_bytes);
    put_bytes(o, "peak_rss_bytes", w->peak_rss_bytes);
    put_bytes(o, "peak_anon_bytes", w->peak_anon_bytes);
    put_bytes(o, "peak_file_bytes", w->peak_file_bytes);
    put_bytes(o, "peak_swap_bytes", w->peak_swap_bytes);
    put_bytes(o, "peak_gpu_bytes", w->peak_gpu_bytes);
}

static json_t *gauge_json(const struct ew_gauge_window *g) {
    json_t *o = json_object();
    ew_meter_json_put(o, "first", g->first);
    ew_meter_json_put(o, "last", g->last);
    ew_meter_json_put(o, "mean", g->mean);
    ew_meter_json_put(o, "max", g->max);
    return o;
}

static json_t *phases_json(const struct ew_command_once *once) {
    json_t *list = json_array();
    for (size_t i = 0; i < once->n_phases; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "name", ew_meter_json_text(once->phases[i].name));
        put_window(o, &once->phases[i].window);
        json_array_append_new(list, o);
    }
    return list;
}

/* One member per channel of such a meter; empty where there is none. */
static json_t *gauges_json(const struct ew_command_result *result, const struct ew_command_once *once,
                           const char *meter) {
    struct ew_named_gauge gauges[EW_RUN_GAUGES];
    size_t n = ew_command_gauges(result, once, meter, gauges, EW_RUN_GAUGES);
    json_t *o = json_object();
    for (size_t i = 0; i < n; i++) {
        char *name = ew_text_clean(gauges[i].name);
        if (name) json_object_set_new(o, name, gauge_json(&gauges[i].window));
        free(name);
    }
    return o;
}

static json_t *once_json(const struct ew_command_result *result, const struct ew_command_once *once) {
    json_t *o = json_object();
    bool killed = WIFSIGNALED(once->wait_status);
    json_object_set_new(o, "warm_up", json_boolean(once->warm_up));
    json_object_set_new(o, "exit_status", killed ? json_null() : json_integer(WEXITSTATUS(once->wait_status)));
    json_object_set_new(o, "signal", killed ? json_integer(WTERMSIG(once->wait_status)) : json_null());
    put_window(o, &once->window);
    ew_meter_json_put(o, "user_s", once->user_s);
    ew_meter_json_put(o, "system_s", once->system_s);
    put_bytes(o, "largest_process_bytes", once->largest_bytes);
    json_object_set_new(o, "memory_activity", ew_meter_run_memory_json(once));
    put_integer(o, "most_processes", once->most_processes);
    put_integer(o, "left_running", once->left_running);
    put_integer(o, "minor_faults", once->minor_faults);
    put_integer(o, "major_faults", once->major_faults);
    const struct ew_throttle_span *throttle = &once->throttle;
    bool told = throttle->known || throttle->throttled;
    json_object_set_new(o, "throttled", told ? json_boolean(throttle->throttled) : json_null());
    json_object_set_new(o, "throttle_text", told ? ew_meter_json_text(throttle->words) : json_null());
    put_integer(o, "throttle_events", throttle->events);
    json_object_set_new(o, "temperature_c", gauge_json(&once->temperature_c));
    json_object_set_new(o, "frequency_hz", gauge_json(&once->frequency_hz));
    json_object_set_new(o, "fan_rpm", gauges_json(result, once, "fan"));
    json_object_set_new(o, "fan_drive", gauges_json(result, once, "fan-drive"));
    json_object_set_new(o, "cooling", gauges_json(result, once, "cooling"));
    json_object_set_new(o, "phases", phases_json(once));
    json_object_set_new(o, "broken_phase_lines", json_integer(once->broken_lines));
    return o;
}

static json_t *summary_json(const struct ew_command_result *result) {
    json_t *o = json_object();
    double *values = calloc(result->n_runs + 1, sizeof *values);
    for (int f = 0; values && f < EW_RUN_FIGURES; f++) {
        struct ew_stat_summary s;
        size_t n = ew_meter_run_figures(result, (enum ew_run_figure)f, values);
        json_t *one = json_null();
        if (n > 0 && ew_stat_summarise(values, n, &s, NULL) == EW_OK) {
            one = json_object();
            ew_meter_json_put(one, "median", s.median);
            ew_meter_json_put(one, "low", s.low);
            ew_meter_json_put(one, "high", s.high);
            ew_meter_json_put(one, "mean", s.mean);
            ew_meter_json_put(one, "stddev", s.stddev);
            json_object_set_new(one, "n", json_integer((json_int_t)s.n));
            json_object_set_new(one, "is_range", json_boolean(s.is_range));
        }
        json_object_set_new(o, ew_run_figure_names[f].key, one);
    }
    free(values);
    return o;
}

static json_t *idle_json(const struct ew_command_result *result) {
    if (!result->has_idle) return json_null();
    json_t *o = json_object();
    ew_meter_json_put(o, "power_w", result->idle.power_w);
    ew_meter_json_put(o, "error_w", result->idle.error_w);
    ew_meter_json_put(o, "drift_w", result->idle.drift_w);
    json_object_set_new(o, "before", ew_meter_json_energy(&result->idle_before));
    json_object_set_new(o, "after", ew_meter_json_energy(&result->idle_after));
    return o;
}

json_t *ew_meter_signature_json(const struct ew_played_signature *played) {
    json_t *o = json_object(), *edges = json_array();
    put_integer(o, "begin_ns", played->pattern.begin_ns);
    put_integer(o, "end_ns", played->pattern.end_ns);
    put_integer(o, "switch_ns", played->switch_ns);
    for (size_t i = 0; i < played->pattern.n; i++)
        json_array_append_new(
            edges, json_pack("{s:I, s:b}", "time_ns", (json_int_t)played->edges[i].time_ns, "on", played->edges[i].on));
    json_object_set_new(o, "edges", edges);
    return o;
}

static json_t *rests_json(const struct ew_command_result *result) {
    json_t *list = json_array();
    for (int i = 0; i < 4; i += 2)
        if (result->rest_ns[i])
            json_array_append_new(list, json_pack("{s:I, s:I}", "begin_ns", (json_int_t)result->rest_ns[i], "end_ns",
                                                  (json_int_t)result->rest_ns[i + 1]));
    return list;
}

json_t *ew_meter_run_json(const struct ew_meter_run *run) {
    const struct ew_command_result *result = run->result;
    json_t *o = json_object(), *command = json_array(), *runs = json_array();
    if (!o || !command || !runs) return NULL;
    for (const char *const *word = run->argv; *word; word++) json_array_append_new(command, ew_meter_json_text(*word));
    const struct ew_command_once *last = &result->runs[result->n_runs - 1];
    json_object_set_new(o, "format", json_string("edgewise-meter-run-1"));
    json_object_set_new(o, "command", command);
    json_object_set_new(o, "exit_status", json_integer(ew_meter_run_exit_status(last->wait_status)));
    json_object_set_new(o, "interrupted", result->interrupted ? json_integer(result->interrupted) : json_null());
    put_integer(o, "begin_ns", result->begin_ns);
    put_integer(o, "begin_unix_ns", result->begin_unix_ns);
    json_t *settings = json_object();
    for (size_t i = 0; i < run->n_settings; i++)
        json_object_set_new(settings, ew_setting_kind_name(run->settings[i].kind),
                            ew_meter_json_text(run->settings[i].value));
    json_object_set_new(o, "settings", settings);
    json_object_set_new(o, "gpu_shares_memory", json_boolean(run->gpu_shares_memory));
    const struct ew_meter *energy = run->meters->energy;
    json_object_set_new(o, "meter", energy ? ew_meter_json_info(ew_meter_info(energy)) : json_null());
    json_object_set_new(o, "energy_none", energy ? json_null() : ew_meter_json_text(run->meters->energy_none));
    const char *left_out = result->metering.left_out;
    json_object_set_new(o, "meters_left_out", *left_out ? ew_meter_json_text(left_out) : json_null());
    json_object_set_new(o, "idle", idle_json(result));
    json_object_set_new(o, "rests", rests_json(result));
    json_t *signatures = json_array();
    for (size_t i = 0; i < result->n_signatures; i++)
        json_array_append_new(signatures, ew_meter_signature_json(&result->signatures[i]));
    json_object_set_new(o, "signatures", signatures);
    for (size_t i = 0; i < result->n_runs; i++) json_array_append_new(runs, once_json(result, &result->runs[i]));
    json_object_set_new(o, "runs", runs);
    json_object_set_new(o, "summary", summary_json(result));
    json_t *cost = json_object();
    ew_meter_json_put(cost, "cpu_s", (double)result->cost.cpu_ns * 1e-9);
    ew_meter_json_put(cost, "wall_s", (double)result->cost.wall_ns * 1e-9);
    json_object_set_new(o, "sampler", cost);
    return o;
}
