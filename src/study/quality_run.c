/* Owns running the jobs of the section `quality`: the command of each, its time limit, what becomes of its output.
 * Which jobs there are: quality_jobs.c; what the output means: eval_figures.c. */
#include "base/cache_folder.h"
#include "base/clock.h"
#include "base/error.h"
#include "machine/cpu_features.h"
#include "study/metered_command.h"
#include "study/plan_filter.h"
#include "study/study_runner.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ARGUMENTS = 24, NUMBER_BYTES = 24, MASK_BYTES = 512 };

/* Parameters times tokens a second until a job has shown better: a small machine. */
static const double guessed_rate = 1e10;

struct asking {
    struct ew_study_runner *r;
    const struct ew_quality_job *job;
    struct ew_quality_progress progress;
    int64_t begin_ns;
    char reason[EW_ERROR_MESSAGE_SIZE];    /* behind progress.left_out */
    double spent_s, spent_cost, left_cost; /* of the jobs before this one; of this one and those behind it */
};

static const struct ew_quality_data *data_of(const struct ew_study_runner *r, const struct ew_quality_job *job) {
    return &r->quality.data[job->data];
}

/* ---- the command ---- */

struct command {
    const char *argv[MOST_ARGUMENTS];
    size_t n;
    char numbers[4][NUMBER_BYTES], mask[MASK_BYTES];
    size_t n_numbers;
};

static void add(struct command *c, const char *option, const char *value) {
    c->argv[c->n++] = option;
    if (value) c->argv[c->n++] = value;
}

static void add_number(struct command *c, const char *option, int64_t value) {
    char *text = c->numbers[c->n_numbers++];
    snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    add(c, option, text);
}

/* Features by their names with commas, as --cpu-mask takes them. */
static void add_mask(struct command *c, uint64_t mask) {
    if (mask == 0) return;
    ew_cpu_features_text(mask, c->mask, sizeof c->mask);
    for (char *p = c->mask; *p; p++)
        if (*p == ' ') *p = ',';
    add(c, "--cpu-mask", mask == EW_CPU_MASK_NONE ? "none" : c->mask);
}

static void make_command(const struct asking *a, struct command *c) {
    const struct ew_study_request *q = a->r->request;
    const struct ew_quality_data *d = data_of(a->r, a->job);
    *c = (struct command){0};
    add(c, q->program, "eval");
    add(c, a->job->model->path, "--json");
    if (a->job->kv_type) add(c, "--kv", a->job->kv_type);
    add_mask(c, q->limits.cpu_mask);
    switch (d->kind) {
    case EW_QUALITY_TASK: add(c, "--task", d->path); break;
    case EW_QUALITY_ANSWERS:
        add(c, "--prompts", d->path);
        add_number(c, "--tokens", q->study->quality.tokens);
        break;
    case EW_QUALITY_TEXT:
        add(c, "--file", d->path);
        add_number(c, "--context", a->job->context);
        if (d->text->stride > 0) add_number(c, "--stride", d->text->stride);
        if (d->text->windows > 0) add_number(c, "--windows", d->text->windows);
        if (a->job->run) add(c, a->job->writes_run ? "--save-reference" : "--reference", a->job->run);
        break;
    }
}

/* ---- what it said ---- */

static enum ew_status put_figures(struct asking *a, const struct ew_metered_result *result, struct ew_error *why) {
    struct ew_study_runner *r = a->r;
    const struct ew_quality_data *d = data_of(r, a->job);
    struct ew_eval_figures figures;
    const struct ew_quality_record like = {.model_id = a->job->model_id,
                                           .study_id = r->study_id,
                                           .kv_type = a->job->kv_type,
                                           .data = d->name,
                                           .data_hash = d->hash,
                                           .settings = a->job->settings,
                                           .seconds_ns = result->end_ns - result->begin_ns,
                                           .joules = result->joules,
                                           .made_unix_ns = ew_study_unix_now_ns(),
                                           .version = r->request->version};
    enum ew_status status = ew_eval_figures_read(result->output, result->n_output, &like, &figures, why);
    if (status != EW_OK) return status;
    int64_t id = 0;
    a->progress.value = figures.records[0].value;
    for (size_t i = 0; status == EW_OK && i < figures.n; i++)
        status = r->request->sink->put_quality(r->request->sink->context, &figures.records[i], &id, r->err);
    ew_eval_figures_close(&figures);
    return status;
}

/* A line of what --prompts says. */
static enum ew_status put_answer(struct asking *a, const char *line, size_t size, struct ew_error *why) {
    struct ew_study_runner *r = a->r;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    json_int_t position = 0, tokens = 0, most = 0;
    const char *set = NULL, *prompt = NULL, *text = NULL;
    int64_t id = 0;
    if (json_unpack(object, "{s:s, s:I, s:s, s:s, s:I, s:I}", "set", &set, "position", &position, "prompt", &prompt,
                    "text", &text, "tokens", &tokens, "most", &most) != 0) {
        json_decref(object);
        return ew_error_set(why, EW_ERR_FORMAT, "answers: a line is no answer: %.*s", (int)(size < 80 ? size : 80),
                            line);
    }
    const struct ew_answer_record record = {.model_id = a->job->model_id,
                                            .study_id = r->study_id,
                                            .kv_type = a->job->kv_type,
                                            .set = set,
                                            .position = position,
                                            .prompt = prompt,
                                            .text = text,
                                            .n_tokens = tokens,
                                            .n_most = most,
                                            .made_unix_ns = ew_study_unix_now_ns(),
                                            .version = r->request->version};
    enum ew_status status = r->request->sink->put_answer(r->request->sink->context, &record, &id, r->err);
    json_decref(object);
    return status;
}

static enum ew_status put_answers(struct asking *a, const struct ew_metered_result *result, struct ew_error *why) {
    const char *at = result->output, *end = at + result->n_output;
    enum ew_status status = EW_OK;
    while (status == EW_OK && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        if (stop > at) status = put_answer(a, at, (size_t)(stop - at), why);
        at = stop < end ? stop + 1 : end;
    }
    return status;
}

/* ---- a job ---- */

static enum ew_status leave_out(struct asking *a, const char *reason) {
    struct ew_plan_left_out one = {0};
    snprintf(one.what, sizeof one.what, "%s of %.40s %.12s on %.30s", a->progress.what, a->job->model->name,
             a->job->model->file_type, a->progress.data);
    snprintf(one.why, sizeof one.why, "%.255s", reason);
    snprintf(a->reason, sizeof a->reason, "%s", reason);
    a->progress.left_out = a->reason;
    return ew_study_plan_leave_out(&a->r->plan, &one, a->r->err);
}

/* The reference run may be missing, because it was left out itself: perplexity is still worth having, where it is not
 * known yet. */
static enum ew_status drop_divergence(struct asking *a, struct command *c) {
    a->progress.what = "divergence";
    enum ew_status status = leave_out(a, "its reference was left out, too");
    if (status != EW_OK || a->job->has_value) return status;
    ew_study_say(a->r, "divergence of %s %s on %s: left out — %s", a->job->model->name, a->job->model->file_type,
                 a->progress.data, a->progress.left_out);
    c->argv[c->n - 2] = NULL; /* --reference RUN stand last */
    a->progress.what = "perplexity";
    a->progress.left_out = NULL;
    return EW_OK;
}

static void estimate(struct asking *a) {
    double rate = a->spent_s > 0 ? a->spent_cost / a->spent_s : guessed_rate;
    double here_s = (double)(ew_clock_now_ns() - a->begin_ns) * 1e-9, left_s = a->left_cost / rate - here_s;
    a->progress.seconds_left = left_s > 0 ? left_s : 0;
}

static void on_tick(void *context) {
    struct asking *a = context;
    const struct ew_study_watcher *w = &a->r->request->watcher;
    estimate(a);
    if (w->asking) w->asking(w->context, &a->progress);
}

/* status: what could not be stored; *why: what the child said wrong, which is left out. */
static enum ew_status take_output(struct asking *a, const struct ew_metered_result *result) {
    struct ew_error why = {0};
    bool answers = data_of(a->r, a->job)->kind == EW_QUALITY_ANSWERS;
    if (result->status != EW_TRIAL_OK) return leave_out(a, result->reason);
    if (a->job->model_id == EW_MISSING) return EW_OK; /* its run is what was wanted */
    enum ew_status status = answers ? put_answers(a, result, &why) : put_figures(a, result, &why);
    return *why.message ? leave_out(a, why.message) : status;
}

/* What could not be begun, or said without end, is no reason to stop. */
static enum ew_status leave_out_unrun(struct asking *a) {
    const struct ew_error why = *a->r->err;
    *a->r->err = (struct ew_error){0};
    return leave_out(a, why.message);
}

static enum ew_status run_job(struct asking *a) {
    struct command command;
    struct ew_metered_result result;
    struct ew_study_runner *r = a->r;
    make_command(a, &command);
    enum ew_status status = EW_OK;
    if (a->job->writes_run && ew_make_folders(r->quality.folder, r->err) != EW_OK)
        status = leave_out_unrun(a);
    else if (!a->job->writes_run && a->job->run && access(a->job->run, F_OK) != 0)
        status = drop_divergence(a, &command);
    if (status != EW_OK || a->progress.left_out) return status;
    const struct ew_metered_setup setup = {.argv = command.argv,
                                           .timeout_s = r->request->study->quality.timeout_s,
                                           .meters = &r->meters,
                                           .stop = r->request->stop_now,
                                           .tick = on_tick,
                                           .context = a};
    a->begin_ns = ew_clock_now_ns();
    status = ew_metered_command_run(&setup, &result, r->err);
    if (status == EW_ERR_MEMORY || status == EW_ERR_LIMIT) return leave_out_unrun(a);
    if (status != EW_OK) return status;
    status = take_output(a, &result);
    a->spent_s += (double)(result.end_ns - result.begin_ns) * 1e-9;
    a->spent_cost += a->job->cost;
    if (isfinite(result.joules)) r->quality_j += result.joules;
    ew_metered_result_close(&result);
    return status;
}

/* ---- all of them ---- */

static void begin_job(struct asking *a, const struct ew_quality_job *job) {
    static const char *const words[] = {
        [EW_QUALITY_TEXT] = "perplexity", [EW_QUALITY_TASK] = "task", [EW_QUALITY_ANSWERS] = "answers"};
    a->job = job;
    a->progress.model = job->model;
    a->progress.kv_type = job->kv_type;
    a->progress.data = data_of(a->r, job)->name;
    a->progress.what = words[data_of(a->r, job)->kind];
    a->progress.value = NAN;
    a->progress.left_out = NULL;
    a->begin_ns = ew_clock_now_ns();
    estimate(a);
}

static void tell_asked(struct asking *a, struct ew_study_outcome *out) {
    const struct ew_study_watcher *w = &a->r->request->watcher;
    if (a->job->model_id != EW_MISSING) {
        out->quality_done += a->progress.left_out == NULL;
        out->quality_left_out += a->progress.left_out != NULL;
    }
    a->progress.done++;
    a->left_cost -= a->job->cost;
    if (w->asked) w->asked(w->context, &a->progress);
}

enum ew_status ew_study_run_quality(struct ew_study_runner *r, struct ew_study_outcome *out) {
    struct asking a = {.r = r, .progress = {.total = r->quality.n}};
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < r->quality.n; i++) a.left_cost += r->quality.jobs[i].cost;
    for (size_t i = 0; status == EW_OK && !out->stopped && i < r->quality.n; i++) {
        begin_job(&a, &r->quality.jobs[i]);
        const double rate = a.spent_s > 0 ? a.spent_cost / a.spent_s : guessed_rate;
        const struct ew_next_trial next = {.time_s = a.job->cost / rate};
        out->stopped = ew_study_stops_soon(r) || !ew_study_budget_left(r, &next, out);
        if (!out->stopped) status = run_job(&a);
        if (!out->stopped && status == EW_OK) tell_asked(&a, out);
    }
    return ew_study_note_stop(status, out);
}
