/* Owns the order of events of a study: records, meters, rest, trials, rest. One trial: study_trial.c; which trials:
 * study_plan.c; which are worth repeating: study_slots.c. */
#include "study/study_run.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/small_file.h"
#include "study/machine_facts.h"
#include "study/study_runner.h"
#include "study/trial_child.h"
#include "study/trial_conditions.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t ew_study_unix_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool ew_study_stops_soon(const struct ew_study_runner *r) {
    const volatile int *soon = r->request->stop_soon, *now = r->request->stop_now;
    return (soon && *soon) || (now && *now);
}

void ew_study_say(const struct ew_study_runner *r, const char *format, ...) {
    char line[EW_ERROR_MESSAGE_SIZE + 100];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (r->request->watcher.said) r->request->watcher.said(r->request->watcher.context, line);
}

/* ---- records ---- */

static enum ew_status put_study(struct ew_study_runner *r) {
    const struct ew_study_file *study = r->request->study;
    const struct ew_study_sink *sink = r->request->sink;
    char *settings = ew_study_file_json(study);
    /* 53 bits, so that the seed survives every JSON reader. */
    int64_t seed = study->seed ? study->seed : (ew_study_unix_now_ns() ^ ((int64_t)getpid() << 20)) & ((1LL << 53) - 1);
    const struct ew_study_record record = {.name = study->name,
                                           .file = study->source ? study->path : NULL,
                                           .source = study->source,
                                           .settings_json = settings,
                                           .seed = seed,
                                           .created_unix_ns = ew_study_unix_now_ns()};
    enum ew_status status = sink->put_study(sink->context, &record, &r->study_id, r->err);
    free(settings);
    r->seed = seed;
    /* A study that was begun before keeps its order. */
    if (status == EW_OK && !study->seed) status = sink->find_seed(sink->context, study->name, &r->seed, r->err);
    return status;
}

static enum ew_status put_machine(struct ew_study_runner *r) {
    struct ew_machine_record record;
    enum ew_status status = ew_machine_facts_make(r->request->machine, &record, r->err);
    if (status != EW_OK) return status;
    status = r->request->sink->put_machine(r->request->sink->context, &record, &r->machine_id, r->err);
    ew_machine_facts_free(&record);
    return status;
}

static enum ew_status put_configs(struct ew_study_runner *r, int64_t *config_ids) {
    const struct ew_study_sink *sink = r->request->sink;
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < r->plan.n_configs; i++) {
        struct ew_config_record *config = &r->plan.configs[i].record;
        status = sink->put_model(sink->context, &r->request->models->models[r->plan.configs[i].model].record,
                                 &config->model_id, r->err);
        if (status == EW_OK) status = sink->put_config(sink->context, config, &config_ids[i], r->err);
        config->id = config_ids[i];
    }
    return status;
}

/* The trials that are wanted, finished or not, in order. */
static enum ew_status put_plan(struct ew_study_runner *r) {
    const struct ew_study_sink *sink = r->request->sink;
    struct ew_trial_record *trials = calloc(r->plan.n_trials + 1, sizeof *trials);
    if (!trials) return ew_error_set(r->err, EW_ERR_MEMORY, "study: out of memory");
    size_t n = 0;
    for (size_t i = 0; i < r->plan.n_trials; i++) {
        const struct ew_plan_trial *t = &r->plan.trials[i];
        if (r->slots.slots && r->slots.slots[i].dropped) continue;
        trials[n++] = (struct ew_trial_record){.study_id = r->study_id,
                                               .config_id = r->plan.configs[t->config].record.id,
                                               .key = t->key,
                                               .repeat = t->repeat,
                                               .position = (int64_t)i,
                                               .seed = r->seed + t->repeat};
    }
    enum ew_status status = sink->put_plan(sink->context, r->study_id, trials, n, r->err);
    free(trials);
    return status;
}

/* NULL when nothing was left out, or no memory is left to say so. */
static char *left_out_json(const struct ew_study_plan *plan) {
    if (plan->n_left_out == 0) return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < plan->n_left_out; i++) {
        const struct ew_plan_left_out *l = &plan->left_out[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:b}", "what", l->what, "why", l->why, "n",
                                              (json_int_t)l->n, "asked", l->asked));
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static enum ew_status put_invocation(struct ew_study_runner *r) {
    const struct ew_study_sink *sink = r->request->sink;
    char boot[64] = "", *state = ew_machine_state_json(r->request->machine), *left_out = left_out_json(&r->plan);
    ew_small_file_read("", "/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    const struct ew_invocation_record record = {.study_id = r->study_id,
                                                .machine_id = r->machine_id,
                                                .started_unix_ns = ew_study_unix_now_ns(),
                                                .started_ns = ew_clock_now_ns(),
                                                .ended_unix_ns = EW_MISSING,
                                                .boot_id = boot,
                                                .version = r->request->version,
                                                .build = ew_build_text(),
                                                .state_json = state,
                                                .energy_none = r->meters.energy ? NULL : r->meters.energy_none,
                                                .left_out_json = left_out};
    enum ew_status status = sink->put_invocation(sink->context, &record, &r->invocation_id, r->err);
    free(state);
    free(left_out);
    if (status == EW_OK) status = ew_study_meters_put(&r->meters, sink, r->invocation_id, r->err);
    return status;
}

static enum ew_status prepare(struct ew_study_runner *r) {
    const struct ew_study_request *q = r->request;
    enum ew_status status = put_study(r);
    if (status == EW_OK) status = put_machine(r);
    if (status == EW_OK)
        status = ew_study_plan_make(q->study, q->models, &q->limits, (uint64_t)r->seed, &r->plan, r->err);
    if (status != EW_OK) return status;
    int64_t *config_ids = calloc(r->plan.n_configs + 1, sizeof *config_ids);
    if (!config_ids) return ew_error_set(r->err, EW_ERR_MEMORY, "study: out of memory");
    status = put_configs(r, config_ids);
    free(config_ids);
    if (status == EW_OK) status = put_plan(r);
    if (status == EW_OK) status = ew_study_slots_open(&r->plan, q->sink, r->study_id, &r->slots, r->err);
    return status;
}

/* ---- rest ---- */

static enum ew_status rest(struct ew_study_runner *r, const char *place) {
    const struct ew_study_request *q = r->request;
    if (!r->meters.energy || q->study->idle_s <= 0 || ew_study_stops_soon(r)) return EW_OK;
    if (q->watcher.resting) q->watcher.resting(q->watcher.context, place, q->study->idle_s);
    const struct ew_rest_limits limits = {q->study->idle_s, q->study->idle_max_s, q->study->idle_until};
    struct ew_baseline_record baseline = {.invocation_id = r->invocation_id, .place = place};
    struct ew_series_record *series = NULL;
    size_t n = 0;
    int64_t id = 0;
    enum ew_status status = ew_study_meters_rest(&r->meters, &limits, q->stop_soon, &baseline, &series, &n, r->err);
    if (status == EW_ERR_MEMORY) return status;
    if (status != EW_OK) { /* a meter that has gone: what was measured stays */
        ew_study_say(r, "no idle power %s the runs: %s", place, r->err->message);
        *r->err = (struct ew_error){0};
        return EW_OK;
    }
    status = q->sink->put_baseline(q->sink->context, &baseline, series, n, &id, r->err);
    ew_series_free(&series, n);
    return status;
}

/* ---- trials ---- */

void ew_study_note_progress(struct ew_study_runner *r, size_t index) {
    const struct ew_plan_trial *t = &r->plan.trials[index];
    struct ew_slots_estimate left = ew_study_slots_estimate(&r->slots);
    r->progress.done = left.done;
    r->progress.total = left.total;
    r->progress.seconds_left = left.seconds_left;
    r->progress.fraction = left.fraction;
    r->progress.config = &r->plan.configs[t->config].record;
    r->progress.model = &r->request->models->models[r->plan.configs[t->config].model];
    r->progress.repeat = t->repeat;
    r->progress.phase = NULL;
}

enum ew_status ew_study_note_stop(enum ew_status status, struct ew_study_outcome *out) {
    if (status == EW_ERR_CANCELLED) {
        out->stopped = true;
        status = EW_OK;
    }
    if (out->stopped && !*out->stopped_why) snprintf(out->stopped_why, sizeof out->stopped_why, "interrupted");
    return status;
}

bool ew_study_budget_left(const struct ew_study_runner *r, const struct ew_next_trial *next,
                          struct ew_study_outcome *out) {
    const struct ew_spent spent = {(double)(ew_clock_now_ns() - r->started_ns) * 1e-9,
                                   ew_study_slots_spent_j(&r->slots) + r->quality_j};
    char why[sizeof out->stopped_why - 16];
    if (ew_study_budget_allows(&r->request->study->budget, &spent, next, why, sizeof why)) return true;
    snprintf(out->stopped_why, sizeof out->stopped_why, "budget: %s", why);
    return false;
}

static enum ew_status run_trials(struct ew_study_runner *r, struct ew_study_outcome *out) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && !out->stopped && i < r->plan.n_trials; i++) {
        if (!ew_study_slots_wants(&r->slots, r->request->study, i)) continue;
        const struct ew_next_trial next = ew_study_slots_next(&r->slots, i);
        out->stopped = ew_study_stops_soon(r) || !ew_study_budget_left(r, &next, out);
        if (!out->stopped) status = ew_study_run_trial(r, i);
    }
    return ew_study_note_stop(status, out);
}

/* What a study that was killed may have left set. */
static void recover_device(struct ew_study_runner *r) {
    const struct ew_study_device *device = r->request->limits.device;
    struct ew_error why = {0};
    bool undone = false;
    if (!device || !device->recover) return;
    if (device->recover(device->context, &undone, &why) != EW_OK)
        ew_study_say(r, "settings that an earlier study left could not be put back: %s", why.message);
    else if (undone)
        ew_study_say(r, "settings that an earlier study left were put back");
}

static void say_packing(void *context, const char *path) {
    ew_study_say(context, "weights of %s are packed into a side file, where there is none", path);
}

static enum ew_status run_all(struct ew_study_runner *r, struct ew_study_outcome *out) {
    const struct ew_study_request *q = r->request;
    enum ew_status status = ew_study_meters_open(q->meters, q->study->energy, &r->meters, r->err);
    if (status != EW_OK) return status;
    r->meters_open = true;
    status = put_invocation(r);
    struct ew_slots_estimate left = ew_study_slots_estimate(&r->slots);
    if (status == EW_OK) status = ew_study_side_files_make(&r->plan, q->models, say_packing, r, &r->side_files, r->err);
    if (status == EW_OK && q->watcher.begun) q->watcher.begun(q->watcher.context, left.done, left.total, &r->meters);
    if (status == EW_OK && r->trials_wanted) status = rest(r, "before");
    if (status == EW_OK) status = run_trials(r, out);
    ew_study_restore_device(r);
    if (status == EW_OK && r->trials_wanted && !out->stopped) status = rest(r, "after");
    if (status == EW_OK && !out->stopped) status = ew_study_run_quality(r, out);
    /* Repeats that were not needed leave the plan. */
    if (status == EW_OK && r->slots.n_dropped > 0) status = put_plan(r);
    char *left_out = left_out_json(&r->plan);
    const struct ew_invocation_record end = {.id = r->invocation_id,
                                             .ended_unix_ns = ew_study_unix_now_ns(),
                                             .stopped = out->stopped ? out->stopped_why : NULL,
                                             .own_cpu_ns = ew_conditions_own_cpu_ns() - r->own_cpu_ns,
                                             .own_max_rss_bytes = ew_conditions_own_max_rss_bytes(),
                                             .left_out_json = left_out};
    if (status == EW_OK) status = q->sink->end_invocation(q->sink->context, &end, r->err);
    free(left_out);
    return status;
}

/* What is to be asked, and what cannot be. */
static enum ew_status find_quality(struct ew_study_runner *r, struct ew_study_outcome *out) {
    const struct ew_study_request *q = r->request;
    if (q->study->quality.line == 0) return EW_OK;
    if (!q->program) {
        ew_study_say(r, "quality: not asked, as another engine is measured");
        return EW_OK;
    }
    enum ew_status status =
        ew_quality_jobs_make(q->study, q->models, &r->plan, q->sink, r->study_id, &r->quality, r->err);
    if (r->quality.n_synthetic > 0)
        ew_study_say(r, "quality: %zu model file%s with random weights know%s nothing and %s not asked",
                     r->quality.n_synthetic, r->quality.n_synthetic == 1 ? "" : "s",
                     r->quality.n_synthetic == 1 ? "s" : "", r->quality.n_synthetic == 1 ? "is" : "are");
    for (size_t i = 0; i < r->plan.n_left_out; i++)
        if (strncmp(r->plan.left_out[i].what, "quality ", 8) == 0 ||
            strncmp(r->plan.left_out[i].what, "divergence ", 11) == 0)
            ew_study_say(r, "left out  %s — %s", r->plan.left_out[i].what, r->plan.left_out[i].why);
    out->quality_done = r->quality.n_known;
    out->quality_total = r->quality.n_known + r->quality.n;
    return status;
}

static void count(const struct ew_study_runner *r, struct ew_study_outcome *out) {
    out->study_id = r->study_id;
    for (size_t i = 0; i < r->plan.n_trials; i++) {
        if (r->slots.slots[i].dropped) continue;
        out->total++;
        out->count[r->slots.slots[i].status]++;
        out->done += r->slots.slots[i].status > EW_TRIAL_RUNNING;
    }
}

enum ew_status ew_study_run(const struct ew_study_request *request, struct ew_study_outcome *out,
                            struct ew_error *err) {
    struct ew_error own = {0};
    struct ew_study_runner r = {
        .request = request,
        .err = err ? err : &own,
        .started_ns = ew_clock_now_ns(),
        .own_cpu_ns = ew_conditions_own_cpu_ns(),
        .progress = {.degrees_c = NAN, .prefill_tokens_per_s = NAN, .decode_tokens_per_s = NAN}};
    *out = (struct ew_study_outcome){0};
    recover_device(&r);
    enum ew_status status = prepare(&r);
    for (size_t i = 0; status == EW_OK && i < r.plan.n_trials; i++)
        r.trials_wanted |= ew_study_slots_wants(&r.slots, request->study, i);
    if (status == EW_OK) status = find_quality(&r, out);
    if (status == EW_OK && (r.trials_wanted || r.quality.n > 0)) status = run_all(&r, out);
    if (status == EW_OK && !out->stopped) ew_quality_jobs_remove_runs(&r.quality);
    if (r.slots.slots) count(&r, out);
    if (r.meters_open) ew_study_meters_close(&r.meters);
    ew_study_slots_close(&r.slots);
    ew_quality_jobs_close(&r.quality);
    ew_study_side_files_close(&r.side_files);
    ew_study_plan_close(&r.plan);
    return status;
}
