/* edgewise study: a whole sweep from a study file, into a store; killed at any moment, the same command goes on. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/study_device_settings.h"
#include "cli/study_drive.h"
#include "study/study_value.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    const char *file, *store, *cache, *engine;
    struct ew_meter_options meters;
    bool yes, dry_run, quiet;
};

enum { SECONDS_WITHOUT_ASKING = 120 };
enum { KEY_STORE = 2001, KEY_DRY_RUN, KEY_ENGINE, KEY_CACHE };

static const struct argp_option options[] = {
    {"store", KEY_STORE, "DB", 0, "Keep results in this file (`store` of the study, or its name with .db, here)", 1},
    {"yes", 'y', 0, 0, "Begin without asking", 1},
    {"quiet", 'q', 0, 0, "Print the outcome only", 1},
    {"dry-run", KEY_DRY_RUN, 0, 0, "Check the file and say what would run; nothing is written", 1},
    {"cache", KEY_CACHE, "DIR", 0, "Keep synthetic models in this folder (~/.cache/edgewise)", 1},
    {"engine-command", KEY_ENGINE, "CMD", 0, "Measure another program that speaks docs/trial-protocol.md", 2},
    {0},
};

static const char doc[] =
    "Measures every configuration of a study file and keeps what was measured. Stop it at any moment: "
    "the same command goes on.\v"
    "Example:\n  edgewise study studies/demo.yaml\n  edgewise report demo.db\n\n"
    "docs/study.md explains study files.";

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->meters;
        return 0;
    case KEY_STORE: o->store = arg; return 0;
    case 'y': o->yes = true; return 0;
    case 'q': o->quiet = true; return 0;
    case KEY_DRY_RUN: o->dry_run = true; return 0;
    case KEY_CACHE: o->cache = arg; return 0;
    case KEY_ENGINE: o->engine = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->file) argp_error(state, "%s: one study file at a time", arg);
        o->file = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->file) argp_error(state, "which study? For instance: edgewise study studies/demo.yaml");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* "dir/paper.yaml" -> "paper.db" in the current folder; `store` of the study counts from the study's folder. */
static char *store_path(const struct options *o, const struct ew_study_file *study) {
    char *path = NULL;
    const char *slash = strrchr(o->file, '/');
    if (o->store) return strdup(o->store);
    if (study->store && (*study->store == '/' || !slash)) return strdup(study->store);
    if (study->store)
        return asprintf(&path, "%.*s/%s", (int)(slash - o->file), o->file, study->store) < 0 ? NULL : path;
    const char *base = slash ? slash + 1 : o->file, *dot = strrchr(base, '.');
    int n = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
    return asprintf(&path, "%.*s.db", n, base) < 0 ? NULL : path;
}

static double plan_seconds(const struct ew_study_plan *plan) {
    double sum = 0;
    for (size_t i = 0; i < plan->n_trials; i++) sum += plan->configs[plan->trials[i].config].cost;
    return sum;
}

/* What is asked of each real model, for the line before the first run. */
static void say_quality(const struct ew_study_quality *q, FILE *out) {
    if (q->line == 0) return;
    fputs("quality", out);
    if (q->n_texts > 0)
        fprintf(out, "  perplexity%s on %zu text%s", q->divergence ? " and divergence" : "", q->n_texts,
                q->n_texts == 1 ? "" : "s");
    if (q->n_tasks > 0)
        fprintf(out, "%s  %zu task%s", q->n_texts > 0 ? "," : "", q->n_tasks, q->n_tasks == 1 ? "" : "s");
    if (q->prompts) fprintf(out, "%s  answers to %s", q->n_texts + q->n_tasks > 0 ? "," : "", q->prompts);
    fputs(", of each real model\n", out);
}

static void say_plan(const struct ew_study_drive *d, const struct ew_study_plan *plan, const char *store, FILE *out) {
    const struct ew_study_file *s = d->study;
    const char *base = strrchr(s->path, '/');
    char time[32], disk[32], runs[64];
    ew_value_print_duration(plan_seconds(plan), time, sizeof time);
    if (s->repeats_min == s->repeats_max)
        snprintf(runs, sizeof runs, "%lld run%s each", (long long)s->repeats_max, s->repeats_max == 1 ? "" : "s");
    else
        snprintf(runs, sizeof runs, "%lld–%lld runs each", (long long)s->repeats_min, (long long)s->repeats_max);
    fprintf(out, "%s · %zu model%s, %zu configuration%s, %s · very roughly %s\n", base ? base + 1 : s->path,
            d->models.n, d->models.n == 1 ? "" : "s", plan->n_configs, plan->n_configs == 1 ? "" : "s", runs, time);
    if (d->models.write_bytes > 0) {
        ew_value_print_bytes((double)d->models.write_bytes, disk, sizeof disk);
        fprintf(out, "disk    %s of model files go to %s", disk, d->models.cache);
        ew_value_print_bytes((double)d->models.free_bytes, disk, sizeof disk);
        fprintf(out, " (%s free)\n", disk);
    }
    for (size_t i = 0; i < d->models.n; i++)
        if (d->models.models[i].stands_in)
            fprintf(out, "model   %s is not here: random weights of the shape %s, %s\n", d->models.models[i].from->name,
                    d->models.models[i].shape->name, d->models.models[i].from->type);
    for (size_t i = 0; i < plan->n_left_out; i++)
        fprintf(out, "left out  %zu configuration%s: %s%s%s\n", plan->left_out[i].n,
                plan->left_out[i].n == 1 ? "" : "s", plan->left_out[i].what, *plan->left_out[i].why ? " — " : "",
                plan->left_out[i].why);
    say_quality(&s->quality, out);
    fprintf(out, "store   %s\n", store);
    fflush(out);
}

static json_t *config_json(const struct ew_study_drive *d, const struct ew_plan_config *c) {
    const struct ew_located_model *m = &d->models.models[c->model];
    const struct ew_config_record *r = &c->record;
    return json_pack(
        "{s:s, s:s*, s:b, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:s?, s:f, s:s?, s:s?, s:I, s:s?, s:s?, s:s, s:I}",
        "model", m->path, "type", m->from->type, "stands_in", m->stands_in, "prefill_threads",
        (json_int_t)r->prefill_threads, "decode_threads", (json_int_t)r->decode_threads, "prompt_tokens",
        (json_int_t)r->prompt_tokens, "generate_tokens", (json_int_t)r->generate_tokens, "depth", (json_int_t)r->depth,
        "layout", r->layout, "batch", (json_int_t)r->batch, "cores", r->cores, "sustained_s",
        (double)r->sustained_ms / 1000, "load", r->load, "governor", r->governor, "frequency_cap_hz",
        (json_int_t)r->frequency_cap_hz, "power_mode", r->power_mode, "epp", r->epp, "speculate",
        r->speculate ? r->speculate : "off", "spin_us",
        (json_int_t)(r->spin_us > 0   ? r->spin_us
                     : r->spin_us < 0 ? 0
                                      : EW_STUDY_SPIN_US));
}

static json_t *left_out_json(const struct ew_study_plan *plan) {
    json_t *list = json_array();
    for (size_t i = 0; i < plan->n_left_out; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "what", plan->left_out[i].what, "why",
                                              plan->left_out[i].why, "n", (json_int_t)plan->left_out[i].n));
    return list;
}

static void say_config(const struct ew_study_drive *d, const struct ew_plan_config *config) {
    const struct ew_config_record *c = &config->record;
    const struct ew_study_setting setting = ew_study_setting_of(c);
    char text[160];
    printf("  %s · threads %lld/%lld · prompt %lld · generate %lld · depth %lld · %s",
           d->models.models[config->model].path, (long long)c->prefill_threads, (long long)c->decode_threads,
           (long long)c->prompt_tokens, (long long)c->generate_tokens, (long long)c->depth, c->layout);
    if (c->batch) printf(" · batch %lld", (long long)c->batch);
    if (c->speculate) printf(" · speculate %s", c->speculate);
    if (c->cores) printf(" · cores %s", c->cores);
    if (c->spin_us) printf(" · spin %lld µs", (long long)(c->spin_us > 0 ? c->spin_us : 0));
    if (c->load) printf(" · %s", c->load);
    if (c->sustained_ms) {
        ew_value_print_duration((double)c->sustained_ms / 1000, text, sizeof text);
        printf(" · sustained %s", text);
    }
    ew_study_setting_text(&setting, text, sizeof text);
    printf("%s%s\n", ew_study_setting_is_none(&setting) ? "" : " · ", ew_study_setting_is_none(&setting) ? "" : text);
}

static int say_dry_run(const struct options *o, const struct ew_study_drive *d, const struct ew_study_plan *plan,
                       const char *store) {
    if (!o->common.json) {
        say_plan(d, plan, store, stdout);
        for (size_t i = 0; i < plan->n_configs; i++) say_config(d, &plan->configs[i]);
        return EW_EXIT_OK;
    }
    json_t *configs = json_array();
    for (size_t i = 0; i < plan->n_configs; i++) json_array_append_new(configs, config_json(d, &plan->configs[i]));
    json_t *root =
        json_pack("{s:s, s:s, s:I, s:I, s:f, s:o, s:o}", "study", d->study->name, "store", store, "trials",
                  (json_int_t)plan->n_trials, "write_bytes", (json_int_t)d->models.write_bytes, "seconds_guess",
                  plan_seconds(plan), "configurations", configs, "left_out", left_out_json(plan));
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return EW_EXIT_OK;
}

/* Asks on a terminal only, and only before something that takes long or fills the disk. */
static bool may_begin(const struct options *o, const struct ew_study_drive *d, const struct ew_study_plan *plan) {
    FILE *out = d->view.out;
    if (o->yes || o->common.json || !isatty(0) || !isatty(fileno(out))) return true;
    if (d->models.write_bytes == 0 && plan_seconds(plan) < SECONDS_WITHOUT_ASKING) return true;
    char answer[16];
    fputs("Continue? [Y/n] ", out);
    fflush(out);
    if (!fgets(answer, sizeof answer, stdin)) return false;
    return *answer != 'n' && *answer != 'N';
}

static void say_outcome(const struct options *o, const struct ew_study_outcome *r, const char *study,
                        const char *store) {
    size_t wrong = r->done - r->count[EW_TRIAL_OK];
    if (o->common.json) {
        json_t *root = json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s*, s:o}", "study", study, "store", store, "trials",
            (json_int_t)r->total, "done", (json_int_t)r->done, "ok", (json_int_t)r->count[EW_TRIAL_OK], "failed",
            (json_int_t)r->count[EW_TRIAL_FAILED], "crashed", (json_int_t)r->count[EW_TRIAL_CRASHED], "timeout",
            (json_int_t)r->count[EW_TRIAL_TIMEOUT], "oom", (json_int_t)r->count[EW_TRIAL_OOM], "stopped", r->stopped,
            "stopped_why", *r->stopped_why ? r->stopped_why : NULL, "quality",
            json_pack("{s:I, s:I, s:I}", "jobs", (json_int_t)r->quality_total, "done", (json_int_t)r->quality_done,
                      "left_out", (json_int_t)r->quality_left_out));
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(root);
        return;
    }
    if (r->stopped) {
        if (strcmp(r->stopped_why, "interrupted") != 0) printf("stopped by the %s.\n", r->stopped_why);
        if (r->quality_total > 0) printf("%zu of %zu evaluations and ", r->quality_done, r->quality_total);
        printf("%zu of %zu runs done, kept in %s.  Go on with:  edgewise study %s%s%s\n", r->done, r->total, store,
               o->file, o->store ? " --store " : "", o->store ? o->store : "");
        return;
    }
    printf("%zu runs done", r->done);
    if (wrong > 0) printf(", %zu of them did not end well (that is a result, too)", wrong);
    if (r->quality_total > 0) printf(", and %zu of %zu evaluations", r->quality_done, r->quality_total);
    printf(", kept in %s.  Look at them:  edgewise report %s\n", store, store);
}

static enum ew_status run(const struct options *o, struct ew_study_drive *d, const char *path, int *exit_status,
                          struct ew_error *err) {
    struct ew_store *store = NULL;
    struct ew_study_outcome outcome;
    ew_study_drive_catch_signals();
    enum ew_status status = ew_study_drive_models(d, err);
    if (status == EW_OK) status = ew_store_open(path, EW_STORE_WRITE, &store, err);
    if (status == EW_OK) status = ew_study_drive_run(d, store, &outcome, err);
    ew_store_close(&store);
    if (status != EW_OK) return status;
    say_outcome(o, &outcome, d->study->name, path);
    *exit_status = outcome.stopped || outcome.count[EW_TRIAL_OK] == 0 ? EW_EXIT_FAILED : EW_EXIT_OK;
    return EW_OK;
}

static enum ew_status nothing_left(const struct ew_study_plan *plan, const char *file, struct ew_error *err) {
    const struct ew_plan_left_out *first = plan->left_out;
    return ew_error_set(err, EW_ERR_ARGUMENT, "%s: every configuration is left out: %s%s%s", file, first->what,
                        *first->why ? " — " : "", first->why);
}

int ew_cmd_study(int argc, char **argv) {
    struct options o = {0};
    static const struct argp_child children[] = {
        {&ew_cli_common_argp, 0, NULL, 0}, {&ew_meter_options_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "FILE.yaml", .doc = doc, .children = children};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    struct ew_error err = {0};
    struct ew_study_device_settings settings = {.root = o.common.root};
    const struct ew_study_device device = ew_study_device_settings(&settings);
    struct ew_study_drive drive = {.common = &o.common,
                                   .cache = o.cache,
                                   .engine_command = o.engine,
                                   .meters = &o.meters,
                                   .device = &device,
                                   .silent = o.quiet};
    struct ew_study_plan plan = {0};
    char *path = NULL;
    int exit_status = EW_EXIT_OK;
    enum ew_status status = ew_study_file_read(o.file, &drive.study, &err);
    if (status == EW_OK) status = ew_study_drive_open(&drive, o.common.json ? stderr : stdout, &err);
    if (status == EW_OK) status = ew_study_plan_make(drive.study, &drive.models, &drive.limits, 0, &plan, &err);
    if (status == EW_OK && !(path = store_path(&o, drive.study)))
        status = ew_error_set(&err, EW_ERR_MEMORY, "%s: out of memory", o.file);
    if (status == EW_OK && plan.n_configs == 0) status = nothing_left(&plan, o.file, &err);
    if (status == EW_OK && o.dry_run) {
        exit_status = say_dry_run(&o, &drive, &plan, path);
    } else if (status == EW_OK) {
        if (!o.quiet) say_plan(&drive, &plan, path, drive.view.out);
        if (o.quiet || may_begin(&o, &drive, &plan)) status = run(&o, &drive, path, &exit_status, &err);
    }
    if (status != EW_OK) exit_status = ew_cli_fail(&err);
    free(path);
    ew_study_plan_close(&plan);
    ew_study_drive_close(&drive);
    ew_study_file_close(&drive.study);
    ew_meter_options_close(&o.meters);
    return exit_status;
}
