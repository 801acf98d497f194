/* edgewise eval --task: how many questions a model answers. The questions and figures are the quality room's; their
 * words are eval_task_view.c's. */
#include "base/clock.h"
#include "base/error.h"
#include "cli/eval_keep.h"
#include "cli/eval_options.h"
#include "cli/eval_task_view.h"
#include "cli/eval_view.h"
#include "cli/interrupt.h"
#include "cli/item_lines.h"
#include "edgewise/model.h"
#include "quality/task_read.h"
#include "quality/task_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the questions ---- */

struct questions {
    struct ew_task_set *set, *source;
    struct ew_task_examples examples;
    struct ew_task_prompts prompts;
};

static void close_questions(struct questions *q) {
    ew_task_prompts_close(&q->prompts);
    ew_task_set_close(&q->source);
    ew_task_set_close(&q->set);
}

/* A folder of MMLU has its examples beside its questions. */
static const char *source_path(const struct ew_eval_options *o, char *dev, size_t capacity) {
    struct stat info;
    if (o->shots_from || o->shots == 0) return o->shots_from;
    bool fits = snprintf(dev, capacity, "%s/dev", o->task) < (int)capacity;
    return fits && stat(dev, &info) == 0 && S_ISDIR(info.st_mode) ? dev : NULL;
}

/* What the command line says instead of the task. */
static enum ew_status override_rules(const struct ew_eval_options *o, struct ew_task_set *set, struct ew_error *err) {
    struct ew_task_rules *rules = &set->rules;
    if (o->normalize >= 0 && rules->kind != EW_TASK_CHOICE)
        return ew_error_set(err, EW_ERR_ARGUMENT, "--normalize: %s is of kind %s, where nothing is divided by a length",
                            o->task, ew_task_kind_names[rules->kind]);
    if (o->n_most && rules->kind != EW_TASK_GENERATE)
        return ew_error_set(err, EW_ERR_ARGUMENT, "--tokens: %s is of kind %s, where no answer is written", o->task,
                            ew_task_kind_names[rules->kind]);
    if (o->normalize >= 0) rules->normalize = (enum ew_task_length)o->normalize;
    if (o->n_most) rules->n_most = o->n_most;
    return EW_OK;
}

static enum ew_status open_questions(const struct ew_eval_options *o, struct questions *q, struct ew_error *err) {
    char dev[4096];
    const char *path = source_path(o, dev, sizeof dev);
    enum ew_status status = ew_task_open(o->task, o->format, &q->set, err);
    if (status == EW_OK) status = override_rules(o, q->set, err);
    if (status == EW_OK && path) status = ew_task_open(path, o->format, &q->source, err);
    q->examples = (struct ew_task_examples){.shots = o->shots, .source = q->source, .seed = o->seed};
    return status == EW_OK ? ew_task_prompts_open(q->set, &q->examples, o->items, &q->prompts, err) : status;
}

static enum ew_status show_prompts(const struct questions *q, struct ew_error *err) {
    for (size_t i = 0; i < q->prompts.n_items; i++) {
        json_t *object = ew_eval_prompt_json(&q->prompts, &q->set->items[q->prompts.items[i]]);
        if (!object) return ew_error_set(err, EW_ERR_MEMORY, "prompts: out of memory");
        json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(object);
    }
    return EW_OK;
}

/* ---- the run ---- */

struct asking {
    const struct ew_task_set *set;
    size_t n_items;
    struct ew_task_sums sums;
    struct ew_item_lines *lines; /* NULL without --items-out */
    struct ew_eval_keep *keep;   /* NULL without --store */
    bool terminal;
};

static enum ew_status take_outcome(void *context, const struct ew_task_outcome *outcome, size_t done,
                                   struct ew_error *err) {
    struct asking *a = context;
    ew_task_sums_add(&a->sums, &a->set->rules, outcome);
    if (a->terminal) {
        const struct ew_task_result result = ew_task_result_of(&a->sums, &a->set->rules);
        ew_eval_task_show_progress(done, a->n_items, &result);
    }
    return a->lines ? ew_item_lines_add(a->lines, ew_eval_item_json(a->set, outcome), err) : EW_OK;
}

static bool goes_on(void *context) {
    (void)context;
    return !ew_interrupt_pending();
}

/* Prints the figures and, with a store, keeps them. */
static enum ew_status put_result(const struct ew_eval_options *o, const struct ew_eval_task_result *result,
                                 struct ew_eval_keep *keep, struct ew_error *err) {
    if (!o->common.json) ew_eval_task_print(result);
    if (!o->common.json && !keep) return EW_OK;
    json_t *object = ew_eval_task_json(result);
    if (!object) return ew_error_set(err, EW_ERR_MEMORY, "figures: out of memory");
    if (o->common.json) {
        json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
        putchar('\n');
    }
    char *line = keep ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(object);
    enum ew_status status = EW_OK;
    if (keep && !line) status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", o->store);
    if (line) status = ew_eval_keep_figures(keep, line, NULL, NULL, err);
    free(line);
    return status;
}

static enum ew_status conclude(const struct ew_eval_options *o, const struct questions *q, const struct asking *a,
                               const struct ew_task_run *run, double seconds, struct ew_error *err) {
    const struct ew_eval_task_result result = {.model = o->model,
                                               .path = o->task,
                                               .synthetic = ew_model_info(run->model).synthetic,
                                               .n_ctx = ew_session_params_of(run->session).n_ctx,
                                               .set = q->set,
                                               .examples = q->examples,
                                               .most_items = o->items,
                                               .result = ew_task_result_of(&a->sums, &q->set->rules),
                                               .groups = a->sums.groups,
                                               .n_evaluated = run->n_evaluated,
                                               .seconds = seconds,
                                               .items_out = o->items_out};
    if (result.result.n == 0)
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "%s: none of %" PRIu64 " items fits the context of %" PRIu32 " tokens; see --context",
                            o->task, result.result.n_skipped, result.n_ctx);
    return put_result(o, &result, a->keep, err);
}

static enum ew_status ask(const struct ew_eval_options *o, const struct questions *q, struct ew_error *err) {
    struct ew_model *model = NULL;
    struct ew_session *session = NULL;
    struct asking a = {
        .set = q->set, .n_items = q->prompts.n_items, .terminal = isatty(STDERR_FILENO) && !o->common.json};
    const struct ew_session_params params = ew_eval_session_params(o);
    a.sums.groups = calloc(q->set->n_groups + 1, sizeof *a.sums.groups);
    enum ew_status status = EW_OK;
    if (!a.sums.groups) status = ew_error_set(err, EW_ERR_MEMORY, "groups: out of memory");
    if (status == EW_OK && o->store) status = ew_eval_keep_open(o->store, o->model, o->kv_k, o->kv_v, &a.keep, err);
    if (status == EW_OK) status = ew_model_open(o->model, &model, err);
    if (status == EW_OK) status = ew_session_open(model, &params, &session, err);
    if (status == EW_OK && o->items_out) status = ew_item_lines_open(o->items_out, &a.lines, err);
    if (status == EW_OK) {
        struct ew_task_run run = {.prompts = &q->prompts,
                                  .model = model,
                                  .session = session,
                                  .skip_long = o->skip_long,
                                  .take = take_outcome,
                                  .goes_on = goes_on,
                                  .context = &a};
        int64_t begin = ew_clock_now_ns();
        status = ew_task_run_all(&run, err);
        if (a.terminal) ew_eval_end_progress();
        if (status == EW_OK && a.lines) status = ew_item_lines_finish(&a.lines, err);
        if (status == EW_OK) status = conclude(o, q, &a, &run, (double)(ew_clock_now_ns() - begin) / 1e9, err);
    }
    ew_eval_keep_close(&a.keep);
    ew_item_lines_abandon(&a.lines);
    ew_session_close(&session);
    ew_model_close(&model);
    free(a.sums.groups);
    return status;
}

enum ew_status ew_eval_task(const struct ew_eval_options *o, struct ew_error *err) {
    struct questions q = {0};
    enum ew_status status = open_questions(o, &q, err);
    if (status == EW_OK) status = o->show_prompts ? show_prompts(&q, err) : ask(o, &q, err);
    close_questions(&q);
    return status;
}
