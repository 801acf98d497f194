/* edgewise bench: one table for some models. A study like any other (own processes, same meters, same protocol), kept
 * in memory unless --store names a file. */
#include "base/error.h"
#include "cli/bench_profile.h"
#include "cli/bench_table.h"
#include "cli/study_drive.h"
#include "model/shapes.h"
#include "study/study_axis.h"
#include "study/study_value.h"
#include "study/trial_spec.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    struct ew_study_file *study;
    const char *store, *cache, *engine;
    bool no_limits;
    bool profile;
    struct ew_meter_options meters;
};

enum {
    KEY_STORE = 2001,
    KEY_ENGINE,
    KEY_CACHE,
    KEY_DEPTH,
    KEY_WEIGHTS,
    KEY_KV,
    KEY_SPECULATE,
    KEY_SPIN,
    KEY_CORES,
    KEY_IDLE,
    KEY_ENERGY,
    KEY_NO_LIMITS,
    KEY_PROFILE
};

static const struct argp_option options[] = {
    {"prompt-tokens", 'p', "N", 0, "Tokens of the prompt (512)", 1},
    {"generate-tokens", 'n', "N", 0, "Tokens generated (128)", 1},
    {"runs", 'r', "N", 0, "Runs of each configuration (5)", 1},
    {"threads", 't', "LIST", 0, "Numbers of threads, such as 1,2,all (all)", 1},
    {"cores", KEY_CORES, "SET", 0, "Cores to run on: big, little, or a list such as 0-3,6 (all)", 1},
    {"depth", KEY_DEPTH, "LIST", 0, "Tokens in the context before the prompt (0)", 1},
    {"weights", KEY_WEIGHTS, "LIST", 0, "mapped, packed, side_file, auto: where matrices live (auto)", 1},
    {"kv", KEY_KV, "LIST", 0, "Types of the KV cache: f16, q8_0, f32, q8_0/f16 (keys first) (f16)", 1},
    {"speculate", KEY_SPECULATE, "LIST", 0, "Drafts by prompt lookup: off, auto, 1 to 15 tokens at once (off)", 1},
    {"spin", KEY_SPIN, "LIST", 0, "Microseconds that a waiting thread spins; 0 = it sleeps at once (200)", 1},
    {"no-limits", KEY_NO_LIMITS, 0, 0, "Do not measure beside each run what the machine can do at most", 1},
    {"profile", KEY_PROFILE, 0, 0, "Say where the time of a prompt and of a token goes, instead of the table", 1},
    {"energy", KEY_ENERGY, "METER", 0, "Energy meter by name, auto or none (auto)", 2},
    {"idle", KEY_IDLE, "TIME", 0, "How long idle power is measured before and after, where there is a meter (5 s)", 2},
    {"store", KEY_STORE, "DB", 0, "Keep everything that was measured in this file", 3},
    {"cache", KEY_CACHE, "DIR", 0, "Keep synthetic models in this folder (~/.cache/edgewise)", 3},
    {"engine-command", KEY_ENGINE, "CMD", 0, "Measure another program that speaks docs/trial-protocol.md", 3},
    {0},
};

static const char doc[] =
    "Measures models: load, prefill, first token, decode, memory, energy. MODEL is a file, or a shape and a type such "
    "as "
    "llama-3.2-1b:q4_0, which is written with random weights; without any it is the model in the box.\v"
    "Example:\n  edgewise bench llama-3.2-1b:q4_0 llama-3.2-1b:q8_0 -t 1,all\n\n"
    "docs/bench.md says what each column means.";

/* "1,2,all" into values, by fn for each item. */
static void parse_list(struct argp_state *state, const char *option, const char *arg, struct ew_study_values *to,
                       bool (*fn)(const char *item, int64_t *value)) {
    *to = (struct ew_study_values){0};
    char item[32];
    for (const char *p = arg;; p++) {
        size_t n = strcspn(p, ",");
        if (n == 0 || n >= sizeof item || to->n == EW_STUDY_MAX_VALUES)
            argp_error(state, "%s: `%s` is no list", option, arg);
        memcpy(item, p, n);
        item[n] = 0;
        if (!fn(item, &to->value[to->n])) argp_error(state, "%s: `%s` is not a value it takes", option, item);
        to->n++;
        p += n;
        if (!*p) return;
    }
}

static bool threads_item(const char *item, int64_t *value) {
    if (strcmp(item, "all") == 0) {
        *value = EW_STUDY_ALL;
        return true;
    }
    return ew_value_parse_int(item, value) && *value >= 1 && *value <= 4096;
}

static bool tokens_item(const char *item, int64_t *value) {
    return ew_value_parse_int(item, value) && *value >= 0 && *value <= 1 << 20;
}

static bool layout_item(const char *item, int64_t *value) {
    enum ew_weights_layout layout;
    if (!ew_layout_by_name(item, &layout)) return false;
    *value = (int64_t)layout;
    return true;
}

static bool kv_item(const char *item, int64_t *value) {
    char why[128];
    return ew_study_axis_parse(EW_AXIS_KV, item, value, why, sizeof why);
}

static bool speculate_item(const char *item, int64_t *value) {
    char why[192];
    return ew_study_axis_parse(EW_AXIS_SPECULATE, item, value, why, sizeof why);
}

static bool spin_item(const char *item, int64_t *value) {
    char why[128];
    return ew_study_axis_parse(EW_AXIS_SPIN, item, value, why, sizeof why);
}

static void parse_cores(struct argp_state *state, struct ew_study_file *study, const char *arg) {
    char why[160];
    study->cores = (struct ew_study_values){.n = 1};
    if (!ew_study_axis_parse(EW_AXIS_CORES, arg, &study->cores.value[0], why, sizeof why))
        argp_error(state, "--cores: %s", why);
    if (study->cores.value[0] != EW_STUDY_ALL && !ew_study_file_add_word(study, arg, &study->cores.value[0]))
        argp_failure(state, EW_EXIT_FAILED, 0, "out of memory");
}

static void add_model(struct argp_state *state, struct ew_study_file *study, char *arg) {
    struct ew_study_model model = {.kind = EW_STUDY_MODEL_FILE, .name = arg};
    char shape[64];
    char *colon = strrchr(arg, ':');
    if (colon && access(arg, F_OK) != 0 && (size_t)(colon - arg) < sizeof shape) {
        memcpy(shape, arg, (size_t)(colon - arg));
        shape[colon - arg] = 0;
        model = (struct ew_study_model){.kind = EW_STUDY_MODEL_SYNTH, .name = shape, .type = colon + 1};
        if (!strchr(shape, '/')) { /* a misspelt shape is told as one, a path as a file */
            if (ew_study_file_add_model(study, &model, NULL) != EW_OK)
                argp_failure(state, EW_EXIT_FAILED, 0, "out of memory");
            return;
        }
        model = (struct ew_study_model){.kind = EW_STUDY_MODEL_FILE, .name = arg};
    }
    if (ew_study_file_add_model(study, &model, NULL) != EW_OK) argp_failure(state, EW_EXIT_FAILED, 0, "out of memory");
}

static void set_text(struct argp_state *state, char **to, const char *arg) {
    free(*to);
    *to = strdup(arg);
    if (!*to) argp_failure(state, EW_EXIT_FAILED, 0, "out of memory");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    struct ew_study_file *s = o->study;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->meters;
        return 0;
    case 'p': s->prompt_tokens.value[0] = ew_cli_u32(state, "--prompt-tokens", arg, 1, 1 << 20); return 0;
    case 'n': s->generate_tokens.value[0] = ew_cli_u32(state, "--generate-tokens", arg, 2, 1 << 20); return 0;
    case 'r': s->repeats_min = s->repeats_max = ew_cli_u32(state, "--runs", arg, 1, 1000); return 0;
    case 't': parse_list(state, "--threads", arg, &s->threads, threads_item); return 0;
    case KEY_CORES: parse_cores(state, s, arg); return 0;
    case KEY_DEPTH: parse_list(state, "--depth", arg, &s->depth, tokens_item); return 0;
    case KEY_WEIGHTS: parse_list(state, "--weights", arg, &s->layout, layout_item); return 0;
    case KEY_KV: parse_list(state, "--kv", arg, &s->kv, kv_item); return 0;
    case KEY_SPECULATE: parse_list(state, "--speculate", arg, &s->speculate, speculate_item); return 0;
    case KEY_ENERGY: set_text(state, &s->energy, arg); return 0;
    case KEY_IDLE:
        if (!ew_value_parse_duration(arg, &s->idle_s)) argp_error(state, "--idle: `%s` is not a duration (5 s)", arg);
        return 0;
    case KEY_NO_LIMITS: o->no_limits = true; return 0;
    case KEY_SPIN: parse_list(state, "--spin", arg, &s->spin, spin_item); return 0;
    case KEY_PROFILE: o->profile = true; return 0;
    case KEY_STORE: o->store = arg; return 0;
    case KEY_CACHE: o->cache = arg; return 0;
    case KEY_ENGINE: o->engine = arg; return 0;
    case ARGP_KEY_ARG: add_model(state, s, arg); return 0;
    case ARGP_KEY_END:
        if (o->profile && (o->store || o->engine))
            argp_error(state, "--profile runs in this process and keeps nothing: --store and --engine-command "
                              "are for trials");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void say_writing(const struct ew_study_drive *d) {
    char bytes[32];
    if (d->models.write_bytes == 0) return;
    ew_value_print_bytes((double)d->models.write_bytes, bytes, sizeof bytes);
    fprintf(stderr, "writing %s of model files with random weights to %s\n", bytes, d->models.cache);
}

/* Runs everything and reads it back. limits may be NULL. */
static enum ew_status measure(struct ew_study_drive *d, struct ew_store *store, struct ew_bench_limits *limits,
                              struct ew_bench_result *out, struct ew_error *err) {
    struct ew_study_outcome outcome;
    struct ew_study_plan plan = {0};
    enum ew_status status = ew_study_plan_make(d->study, &d->models, &d->limits, 0, &plan, err);
    ew_study_plan_close(&plan);
    if (status != EW_OK) return status; /* too many threads: before anything is written */
    say_writing(d);
    if (limits) {
        *limits = (struct ew_bench_limits){.machine = d->machine, .cpu_features = d->limits.cpu_mask};
        d->view.after_run = ew_bench_limits_note;
        d->view.after_run_context = limits;
    }
    status = ew_study_drive_models(d, err);
    if (status == EW_OK) status = ew_study_drive_run(d, store, &outcome, err);
    if (status == EW_OK) status = ew_bench_result_read(store, outcome.study_id, out, err);
    if (status == EW_OK && outcome.stopped && outcome.done == 0) {
        ew_bench_result_close(out);
        status = ew_error_set(err, EW_ERR_CANCELLED, "stopped before the first run was done");
    }
    if (status == EW_OK && limits) status = ew_bench_result_hold(out, limits, err);
    return status;
}

/* "bench 2026-11-22 10:06:18.123456": with a fixed name, a second bench in one store would repeat the first. */
static char *bench_name(void) {
    char *name = NULL, day[32];
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &local);
    return asprintf(&name, "bench %s.%06ld", day, now.tv_nsec / 1000) < 0 ? NULL : name;
}

/* any: whether some run went well. */
static enum ew_status run_trials(struct ew_study_drive *d, const struct options *o, bool *any, struct ew_error *err) {
    struct ew_store *store = NULL;
    struct ew_bench_result result = {0};
    struct ew_bench_limits limits = {0};
    enum ew_status status = ew_store_open(o->store ? o->store : ":memory:", EW_STORE_WRITE, &store, err);
    if (status == EW_OK) status = measure(d, store, o->no_limits ? NULL : &limits, &result, err);
    if (status == EW_OK) status = ew_bench_print(&result, d, d->common->json, stdout, err);
    *any = status == EW_OK && result.insight->n_ok > 0;
    ew_bench_result_close(&result);
    ew_bench_limits_close(&limits);
    ew_store_close(&store);
    return status;
}

static enum ew_status profile(struct ew_study_drive *d, struct ew_error *err) {
    say_writing(d);
    enum ew_status status = ew_study_drive_models(d, err);
    signal(SIGINT, SIG_DFL); /* no trial to be finished, nothing to be kept */
    return status == EW_OK ? ew_bench_profile(d, stdout, err) : status;
}

int ew_cmd_bench(int argc, char **argv) {
    struct options o = {.study = ew_study_file_new("bench")};
    static const struct argp_child children[] = {
        {&ew_cli_common_argp, 0, NULL, 0}, {&ew_meter_options_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "[MODEL…]", .doc = doc, .children = children};
    struct ew_error err = {0};
    if (o.study) o.study->name = bench_name();
    if (!o.study || !o.study->name) {
        ew_study_file_close(&o.study);
        ew_error_set(&err, EW_ERR_MEMORY, "bench: out of memory");
        return ew_cli_fail(&err);
    }
    o.study->idle_s = 5;
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    struct ew_study_drive drive = {.common = &o.common,
                                   .study = o.study,
                                   .cache = o.cache,
                                   .engine_command = o.engine,
                                   .meters = &o.meters,
                                   .quiet = true};
    enum ew_status status = EW_OK;
    if (o.study->n_models == 0)
        status = ew_study_file_add_model(o.study, &(struct ew_study_model){.kind = EW_STUDY_MODEL_BOX}, &err);
    ew_study_drive_catch_signals();
    if (status == EW_OK) status = ew_study_drive_open(&drive, stderr, &err);
    bool any = true;
    if (status == EW_OK) status = o.profile ? profile(&drive, &err) : run_trials(&drive, &o, &any, &err);
    int exit_status = status != EW_OK ? ew_cli_fail(&err) : any ? EW_EXIT_OK : EW_EXIT_FAILED;
    ew_study_drive_close(&drive);
    ew_study_file_close(&o.study);
    ew_meter_options_close(&o.meters);
    return exit_status;
}
