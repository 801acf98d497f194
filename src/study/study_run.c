/* Owns the order of events of a study: records, meters, rest, trials, rest. One trial: trial_run.c; which trials:
 * study_plan.c; which are worth repeating: study_slots.c. */
#include "study/study_run.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/small_file.h"
#include "study/machine_facts.h"
#include "study/study_slots.h"
#include "study/trial_child.h"
#include "study/trial_run.h"
#include "study/trial_speed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct runner {
    const struct ew_study_request *request;
    struct ew_error *err;
    struct ew_study_plan plan;
    struct ew_study_slots slots;
    struct ew_study_meters meters;
    bool meters_open;
    int64_t study_id, machine_id, invocation_id, seed;
    struct ew_study_progress progress;
};

static int64_t unix_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool stop_soon(const struct runner *r) {
    const volatile int *soon = r->request->stop_soon, *now = r->request->stop_now;
    return (soon && *soon) || (now && *now);
}

/* ---- records ---- */

static enum ew_status put_study(struct runner *r) {
    const struct ew_study_file *study = r->request->study;
    const struct ew_study_sink *sink = r->request->sink;
    char *settings = ew_study_file_json(study);
    /* 53 bits, so that the seed survives every JSON reader. */
    int64_t seed = study->seed ? study->seed : (unix_now_ns() ^ ((int64_t)getpid() << 20)) & ((1LL << 53) - 1);
    const struct ew_study_record record = {.name = study->name,
                                           .file = study->source ? study->path : NULL,
                                           .source = study->source,
                                           .settings_json = settings,
                                           .seed = seed,
                                           .created_unix_ns = unix_now_ns()};
    enum ew_status status = sink->put_study(sink->context, &record, &r->study_id, r->err);
    free(settings);
    r->seed = seed;
    /* A study that was begun before keeps its order. */
    if (status == EW_OK && !study->seed) status = sink->find_seed(sink->context, study->name, &r->seed, r->err);
    return status;
}

static enum ew_status put_machine(struct runner *r) {
    struct ew_machine_record record;
    enum ew_status status = ew_machine_facts_make(r->request->machine, &record, r->err);
    if (status != EW_OK) return status;
    status = r->request->sink->put_machine(r->request->sink->context, &record, &r->machine_id, r->err);
    ew_machine_facts_free(&record);
    return status;
}

static enum ew_status put_configs(struct runner *r, int64_t *config_ids) {
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
static enum ew_status put_plan(struct runner *r) {
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

static enum ew_status put_invocation(struct runner *r) {
    const struct ew_study_sink *sink = r->request->sink;
    char boot[64] = "", *state = ew_machine_state_json(r->request->machine);
    ew_small_file_read("", "/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    const struct ew_invocation_record record = {.study_id = r->study_id,
                                                .machine_id = r->machine_id,
                                                .started_unix_ns = unix_now_ns(),
                                                .started_ns = ew_clock_now_ns(),
                                                .ended_unix_ns = EW_MISSING,
                                                .boot_id = boot,
                                                .version = r->request->version,
                                                .build = ew_build_text(),
                                                .state_json = state,
                                                .energy_none = r->meters.energy ? NULL : r->meters.energy_none};
    enum ew_status status = sink->put_invocation(sink->context, &record, &r->invocation_id, r->err);
    free(state);
    if (status == EW_OK) status = ew_study_meters_put(&r->meters, sink, r->invocation_id, r->err);
    return status;
}

static enum ew_status prepare(struct runner *r) {
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

static enum ew_status rest(struct runner *r, const char *place) {
    const struct ew_study_request *q = r->request;
    if (!r->meters.energy || q->study->idle_s <= 0 || stop_soon(r)) return EW_OK;
    if (q->watcher.resting) q->watcher.resting(q->watcher.context, place, q->study->idle_s);
    struct ew_baseline_record baseline = {.invocation_id = r->invocation_id, .place = place};
    struct ew_series_record *series = NULL;
    size_t n = 0;
    int64_t id = 0;
    enum ew_status status =
        ew_study_meters_rest(&r->meters, q->study->idle_s, q->stop_soon, &baseline, &series, &n, r->err);
    if (status != EW_OK) return status;
    status = q->sink->put_baseline(q->sink->context, &baseline, series, n, &id, r->err);
    ew_series_free(&series, n);
    return status;
}

/* ---- trials ---- */

static void on_tick(void *context, const char *phase) {
    struct runner *r = context;
    r->progress.phase = phase;
    if (r->request->watcher.tick) r->request->watcher.tick(r->request->watcher.context, &r->progress);
}

static void note_progress(struct runner *r, size_t index) {
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

static struct ew_trial_spec make_spec(const struct runner *r, const struct ew_plan_trial *t) {
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
    };
    ew_layout_by_name(c->layout, &spec.layout);
    if (c->sample_text && t->repeat == 0) { /* greedy text is the same every time: once is enough */
        spec.sample_prompt = study->sample_prompt;
        spec.sample_tokens = (uint32_t)study->sample_tokens;
    }
    return spec;
}

static double last_temperature(const struct ew_trial_record *trial) {
    for (size_t i = 0; i < trial->n_series; i++)
        if (trial->series[i].n > 0 && strcmp(trial->series[i].unit, "celsius") == 0)
            return trial->series[i].value[trial->series[i].n - 1];
    return NAN;
}

static enum ew_status finish(struct runner *r, size_t index, struct ew_trial_result *result) {
    const struct ew_plan_trial *t = &r->plan.trials[index];
    struct ew_trial_record record = *ew_trial_result_record(result);
    record.study_id = r->study_id;
    record.config_id = r->plan.configs[t->config].record.id;
    record.invocation_id = r->invocation_id;
    record.key = t->key;
    record.repeat = t->repeat;
    record.position = (int64_t)index;
    record.seed = r->seed + t->repeat;
    enum ew_status status = r->request->sink->finish_trial(r->request->sink->context, &record, r->err);
    if (status != EW_OK) return status;
    ew_study_slots_note(&r->slots, index, &record);
    note_progress(r, index);
    r->progress.degrees_c = last_temperature(&record);
    r->progress.prefill_tokens_per_s = ew_trial_prefill_speed(&record);
    r->progress.decode_tokens_per_s = ew_trial_decode_speed(&record);
    if (r->request->watcher.finished) r->request->watcher.finished(r->request->watcher.context, &r->progress, &record);
    return EW_OK;
}

static enum ew_status run_trial(struct runner *r, size_t index) {
    const struct ew_study_request *q = r->request;
    const struct ew_plan_trial *t = &r->plan.trials[index];
    note_progress(r, index);
    enum ew_status status = q->sink->begin_trial(q->sink->context, t->key, r->invocation_id, unix_now_ns(), r->err);
    if (status != EW_OK) return status;
    struct ew_trial_setup setup = {.engine = q->engine,
                                   .spec = make_spec(r, t),
                                   .timeout_s = q->study->timeout_s,
                                   .meters = &r->meters,
                                   .stop = q->stop_now,
                                   .tick = on_tick,
                                   .tick_context = r};
    struct ew_trial_result *result = NULL;
    status = ew_trial_run(&setup, &result, r->err);
    if (status != EW_OK) {
        q->sink->abandon_trial(q->sink->context, t->key, NULL);
        return status;
    }
    status = finish(r, index, result);
    ew_trial_result_close(&result);
    return status;
}

static enum ew_status run_trials(struct runner *r, struct ew_study_outcome *out) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < r->plan.n_trials; i++) {
        if (!ew_study_slots_wants(&r->slots, r->request->study, i)) continue;
        if (stop_soon(r)) {
            out->stopped = true;
            break;
        }
        status = run_trial(r, i);
    }
    if (status != EW_ERR_CANCELLED) return status;
    out->stopped = true;
    return EW_OK;
}

static enum ew_status run_all(struct runner *r, struct ew_study_outcome *out) {
    const struct ew_study_request *q = r->request;
    enum ew_status status = ew_study_meters_open(q->meters, q->study->energy, &r->meters, r->err);
    if (status != EW_OK) return status;
    r->meters_open = true;
    status = put_invocation(r);
    struct ew_slots_estimate left = ew_study_slots_estimate(&r->slots);
    if (status == EW_OK && q->watcher.begun) q->watcher.begun(q->watcher.context, left.done, left.total, &r->meters);
    if (status == EW_OK) status = rest(r, "before");
    if (status == EW_OK) status = run_trials(r, out);
    if (status == EW_OK && !out->stopped) status = rest(r, "after");
    /* Repeats that were not needed leave the plan. */
    if (status == EW_OK && r->slots.n_dropped > 0) status = put_plan(r);
    const struct ew_invocation_record end = {.id = r->invocation_id, .ended_unix_ns = unix_now_ns()};
    if (status == EW_OK) status = q->sink->end_invocation(q->sink->context, &end, r->err);
    return status;
}

static void count(const struct runner *r, struct ew_study_outcome *out) {
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
    struct runner r = {.request = request,
                       .err = err ? err : &own,
                       .progress = {.degrees_c = NAN, .prefill_tokens_per_s = NAN, .decode_tokens_per_s = NAN}};
    *out = (struct ew_study_outcome){0};
    enum ew_status status = prepare(&r);
    bool any = false;
    for (size_t i = 0; status == EW_OK && i < r.plan.n_trials; i++)
        any = any || ew_study_slots_wants(&r.slots, request->study, i);
    if (status == EW_OK && any) status = run_all(&r, out);
    if (r.slots.slots) count(&r, out);
    if (r.meters_open) ew_study_meters_close(&r.meters);
    ew_study_slots_close(&r.slots);
    ew_study_plan_close(&r.plan);
    return status;
}
