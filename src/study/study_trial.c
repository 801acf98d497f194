/* Owns what happens around one trial of a study: what is prepared, what is noted, what is stored. The process itself:
 * trial_run.c. */
#include "base/clock.h"
#include "base/error.h"
#include "base/text_parts.h"
#include "edgewise/speculation.h"
#include "study/memory_record.h"
#include "study/page_cache.h"
#include "study/study_runner.h"
#include "study/trial_conditions.h"
#include "study/trial_run.h"
#include "study/trial_speed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NOTES_SIZE = 2048 };

/* What is known of a trial before it begins. */
struct preparation {
    struct ew_gate_result gate;
    struct ew_memory_reading memory;
    int64_t memory_ns;
    double cached_share;
    struct ew_conditions_snapshot before;
    char notes[NOTES_SIZE];
};

static void on_tick(void *context, const char *phase) {
    struct ew_study_runner *r = context;
    r->progress.phase = phase;
    if (r->request->watcher.tick) r->request->watcher.tick(r->request->watcher.context, &r->progress);
}

/* ---- thermal gate ---- */

static double read_c(void *context) {
    struct ew_study_runner *r = context;
    ew_machine_refresh(r->request->machine, r->request->root);
    r->progress.degrees_c = ew_machine_cpu_temperature_c(r->request->machine);
    on_tick(r, "cooling");
    return r->progress.degrees_c;
}
static double now_s(void *context) {
    (void)context;
    return (double)ew_clock_now_ns() * 1e-9;
}
static void sleep_s(void *context, double seconds) {
    (void)context;
    nanosleep(&(struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)(fmod(seconds, 1) * 1e9)}, NULL);
}
static bool stopped(void *context) { return ew_study_stops_soon(context); }

static enum ew_status cool(struct ew_study_runner *r, struct preparation *p) {
    const struct ew_gate_io io = {read_c, now_s, sleep_s, stopped, r};
    p->gate = ew_thermal_gate_wait(&r->request->study->cool_to, &io);
    return p->gate.outcome == EW_GATE_STOPPED ? ew_error_set(r->err, EW_ERR_CANCELLED, "stopped") : EW_OK;
}

/* ---- settings of the machine ---- */

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool same_setting(const struct ew_study_setting *a, const struct ew_study_setting *b) {
    return same_text(a->governor, b->governor) && a->frequency_cap_hz == b->frequency_cap_hz &&
           same_text(a->power_mode, b->power_mode) && same_text(a->epp, b->epp);
}

/* Errors: what applying gives; the trial is not run then. */
static enum ew_status set_device(struct ew_study_runner *r, const struct ew_config_record *config,
                                 struct ew_error *why) {
    const struct ew_study_device *device = r->request->limits.device;
    const struct ew_study_setting wanted = ew_study_setting_of(config);
    if (same_setting(&wanted, &r->device_setting)) return EW_OK;
    if (!device) return ew_error_set(why, EW_ERR_UNSUPPORTED, "this build sets nothing on the machine");
    r->device_touched = true; /* also when it fails half-way */
    enum ew_status status = device->apply(device->context, &wanted, why);
    if (status == EW_OK) r->device_setting = wanted;
    return status;
}

enum ew_status ew_study_restore_device(struct ew_study_runner *r) {
    const struct ew_study_device *device = r->request->limits.device;
    if (!r->device_touched || !device) return EW_OK;
    struct ew_error why = {0};
    enum ew_status status = device->restore(device->context, &why);
    r->device_touched = status != EW_OK;
    r->device_setting = (struct ew_study_setting){0};
    if (status != EW_OK) ew_study_say(r, "the machine's settings could not be put back: %s", why.message);
    return status;
}

/* ---- page cache ---- */

static enum ew_status load_cache(struct ew_study_runner *r, const struct ew_config_record *config, const char *path,
                                 struct preparation *p) {
    struct ew_error why = {0};
    bool cold = config->load && strcmp(config->load, "cold") == 0;
    enum ew_status status = !config->load ? EW_OK
                            : cold        ? ew_page_cache_drop(path, &why)
                                          : ew_page_cache_fill(path, r->request->stop_soon, &why);
    if (status == EW_ERR_CANCELLED) return ew_error_set(r->err, status, "stopped");
    if (status != EW_OK)
        ew_text_add_part(p->notes, sizeof p->notes, "; ", "load %s: %.200s", config->load, why.message);
    p->cached_share = ew_page_cache_share(path);
    if (!config->load) return EW_OK;
    if (isnan(p->cached_share))
        ew_text_add_part(p->notes, sizeof p->notes, "; ",
                         "load %s: how much of the file is in the page cache is told to its owner only", config->load);
    else if (cold && p->cached_share > 0.01)
        ew_text_add_part(p->notes, sizeof p->notes, "; ",
                         "load cold: %.0f %% of the file could not be dropped from the page cache",
                         100 * p->cached_share);
    else if (!cold && p->cached_share < 0.99)
        ew_text_add_part(p->notes, sizeof p->notes, "; ", "load warm: only %.0f %% of the file stay in the page cache",
                         100 * p->cached_share);
    return EW_OK;
}

/* ---- the trial ---- */

/* NULL = not known. The caller's: free(). */
static char *memory_json(const struct ew_study_runner *r, const struct preparation *p) {
    struct ew_memory_reading after;
    struct ew_memory_activity activity;
    ew_memory_reading_take(r->request->root, &after);
    ew_memory_activity_between(&p->memory, &after, ew_clock_now_ns() - p->memory_ns, &activity);
    return ew_memory_record_write(&activity);
}

static void tell_finished(struct ew_study_runner *r, size_t index, const struct ew_trial_record *record) {
    ew_study_slots_note(&r->slots, index, record);
    ew_study_note_progress(r, index);
    r->progress.degrees_c = record->conditions.end_c;
    r->progress.prefill_tokens_per_s = ew_trial_prefill_speed(record);
    r->progress.decode_tokens_per_s = ew_trial_decode_speed(record);
    if (r->request->watcher.finished) r->request->watcher.finished(r->request->watcher.context, &r->progress, record);
}

static struct ew_trial_spec make_spec(const struct ew_study_runner *r, const struct ew_plan_trial *t) {
    const struct ew_study_file *study = r->request->study;
    const struct ew_config_record *c = &r->plan.configs[t->config].record;
    struct ew_trial_spec spec = {
        .model = r->request->models->models[r->plan.configs[t->config].model].record.path,
        .context = (uint32_t)c->context,
        .depth = (uint32_t)c->depth,
        .prompt_tokens = (uint32_t)c->prompt_tokens,
        .generate_tokens = (uint32_t)c->generate_tokens,
        .threads_prefill = (uint32_t)c->prefill_threads,
        .threads_decode = (uint32_t)c->decode_threads,
        .cpu_mask = (uint64_t)c->cpu_mask,
        .seed = (uint64_t)(r->seed + t->repeat),
        .warmup_limit_ms = (uint32_t)(study->warmup_s * 1000),
        .idle_gap_ms = r->meters.energy ? (uint32_t)(study->gap_s * 1000) : 0,
        .batch = (uint32_t)c->batch,
        .sustained_ms = (uint32_t)c->sustained_ms,
        .spin_us = c->spin_us < 0 ? EW_SPIN_NONE : (uint32_t)c->spin_us,
        .kernels = r->request->kernels,
    };
    ew_layout_by_name(c->layout, &spec.layout);
    if (c->speculate) ew_draft_parse(c->speculate, &spec.n_draft);
    if (spec.layout == EW_WEIGHTS_SIDE_FILE) spec.side_folder = r->side_files.folder;
    if (c->kv_type) ew_kv_by_name(c->kv_type, &spec.kv_k, &spec.kv_v);
    if (c->sample_text && t->repeat == 0) { /* greedy text is the same every time: once is enough */
        spec.sample_prompt = study->sample_prompt;
        spec.sample_tokens = (uint32_t)study->sample_tokens;
    }
    return spec;
}

static void add_conditions(struct ew_study_runner *r, struct preparation *p, struct ew_trial_record *record) {
    const struct ew_conditions_snapshot after = ew_conditions_take(r->request->machine, r->request->root);
    struct ew_trial_conditions *c = &record->conditions;
    int64_t user_ns = record->user_cpu_ns, system_ns = record->system_cpu_ns;
    int64_t engine_ns = (user_ns == EW_MISSING ? 0 : user_ns) + (system_ns == EW_MISSING ? 0 : system_ns);
    ew_conditions_compare(&p->before, &after, engine_ns, c, p->notes, sizeof p->notes);
    if (c->notes) ew_text_add_part(p->notes, sizeof p->notes, "; ", "%s", c->notes);
    if (p->gate.outcome != EW_GATE_NONE) {
        c->gate = ew_gate_outcome_name(p->gate.outcome);
        c->gate_waited_s = p->gate.waited_s;
    }
    c->cached_share = p->cached_share;
    c->notes = *p->notes ? p->notes : NULL;
}

static enum ew_status finish(struct ew_study_runner *r, size_t index, struct preparation *p,
                             const struct ew_trial_record *measured) {
    const struct ew_plan_trial *t = &r->plan.trials[index];
    struct ew_trial_record record = *measured;
    add_conditions(r, p, &record);
    record.conditions.memory_json = memory_json(r, p);
    record.study_id = r->study_id;
    record.config_id = r->plan.configs[t->config].record.id;
    record.invocation_id = r->invocation_id;
    record.key = t->key;
    record.repeat = t->repeat;
    record.position = (int64_t)index;
    record.seed = r->seed + t->repeat;
    enum ew_status status = r->request->sink->finish_trial(r->request->sink->context, &record, r->err);
    if (status == EW_OK) tell_finished(r, index, &record);
    free((char *)record.conditions.memory_json);
    return status;
}

/* The record of a trial that could not begin. */
static struct ew_trial_record not_begun(const char *reason) {
    int64_t now = ew_clock_now_ns();
    return (struct ew_trial_record){.status = EW_TRIAL_FAILED,
                                    .reason = reason,
                                    .begin_ns = now,
                                    .end_ns = now,
                                    .exit_code = EW_MISSING,
                                    .signal = EW_MISSING,
                                    .user_cpu_ns = EW_MISSING,
                                    .system_cpu_ns = EW_MISSING,
                                    .max_rss_bytes = EW_MISSING,
                                    .major_faults = EW_MISSING,
                                    .ttft_ns = EW_MISSING,
                                    .drafts = {EW_MISSING, EW_MISSING, EW_MISSING},
                                    .peak_rss_bytes = EW_MISSING,
                                    .peak_pss_bytes = EW_MISSING,
                                    .swap_peak_bytes = EW_MISSING,
                                    .gpu_peak_bytes = EW_MISSING,
                                    .conditions = {.gate_waited_s = NAN, .spent_j = NAN}};
}

static enum ew_status measure(struct ew_study_runner *r, size_t index, struct preparation *p) {
    const struct ew_study_request *q = r->request;
    const struct ew_plan_trial *t = &r->plan.trials[index];
    const struct ew_trial_setup setup = {.engine = q->engine,
                                         .spec = make_spec(r, t),
                                         .cpus = r->plan.configs[t->config].cpus,
                                         .timeout_s = q->study->timeout_s,
                                         .meters = &r->meters,
                                         .stop = q->stop_now,
                                         .tick = on_tick,
                                         .tick_context = r};
    struct ew_trial_result *result = NULL;
    enum ew_status status = ew_trial_run(&setup, &result, r->err);
    if (status == EW_OK) status = finish(r, index, p, ew_trial_result_record(result));
    ew_trial_result_close(&result);
    return status;
}

enum ew_status ew_study_run_trial(struct ew_study_runner *r, size_t index) {
    const struct ew_study_request *q = r->request;
    const struct ew_plan_trial *t = &r->plan.trials[index];
    const struct ew_plan_config *config = &r->plan.configs[t->config];
    struct preparation p = {.cached_share = NAN};
    struct ew_error why = {0};
    ew_study_note_progress(r, index);
    enum ew_status set = set_device(r, &config->record, &why);
    enum ew_status status = cool(r, &p);
    const char *side_file = r->side_files.paths && strcmp(config->record.layout, "side_file") == 0
                                ? r->side_files.paths[config->model]
                                : NULL;
    const char *weights = side_file ? side_file : q->models->models[config->model].record.path;
    if (status == EW_OK) status = load_cache(r, &config->record, weights, &p);
    if (status != EW_OK) return status;
    status = q->sink->begin_trial(q->sink->context, t->key, r->invocation_id, ew_study_unix_now_ns(), r->err);
    if (status != EW_OK) return status;
    p.before = ew_conditions_take(q->machine, q->root);
    ew_memory_reading_take(q->root, &p.memory);
    p.memory_ns = ew_clock_now_ns();
    if (set == EW_OK) {
        status = measure(r, index, &p);
    } else {
        const struct ew_trial_record record = not_begun(why.message);
        status = finish(r, index, &p, &record);
    }
    if (status != EW_OK) q->sink->abandon_trial(q->sink->context, t->key, NULL);
    return status;
}
