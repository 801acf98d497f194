/* edgewise meter calibrate: one meter against another over a staircase of load. Owns the order of things: prove both,
 * play and sample, fit, keep. Nothing is kept when it was stopped or does not fit. Fit: meter/calibration.c; what is
 * said: meter_calibrate_view.c. */
#include "cli/meter_calibrate.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/calibration_choice.h"
#include "cli/command.h"
#include "cli/meter_commands.h"
#include "cli/meter_json.h"
#include "cli/meter_options.h"
#include "meter/calibration_file.h"
#include "meter/load_maker.h"
#include "meter/meter_sampler.h"
#include "meter/prove.h"
#include "study/study_value.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEY_TARGET = 2501, KEY_REFERENCE, KEY_STEPS, KEY_STEP_TIME, KEY_FOLDER, KEY_NO_SAVE, KEY_DRY_RUN };
enum { DEFAULT_STEPS = 12, NAP_NS = 20000000, PATH_SIZE = 4096 };
/* Each step needs so many readings of the slower meter beside the part that is left out while it settles. */
static const double least_step_s = 5, readings_per_step = 15, settle_share = 0.3;

struct options {
    struct ew_cli_common common;
    struct ew_meter_options meters;
    const char *target, *reference, *folder;
    uint32_t steps;
    double step_s; /* 0 = by the meters' periods */
    bool no_save, dry_run;
};

static const struct argp_option options[] = {
    {"target", KEY_TARGET, "METER", 0, "The meter to correct: a name from `edgewise meter list`", 1},
    {"reference", KEY_REFERENCE, "METER", 0, "The meter to believe", 1},
    {"steps", KEY_STEPS, "N", 0, "Steps of the staircase, 4 to 64 (12)", 2},
    {"step-time", KEY_STEP_TIME, "TIME", 0, "Length of a step (5s, longer for slow meters)", 2},
    {"folder", KEY_FOLDER, "DIR", 0, "Keep the calibration there ($XDG_STATE_HOME/edgewise/calibrations)", 3},
    {"no-save", KEY_NO_SAVE, 0, 0, "Do not keep it", 3},
    {"dry-run", KEY_DRY_RUN, 0, 0, "Say what would be done and how long it takes; no load is played", 3},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->meters;
        return 0;
    case KEY_TARGET: o->target = arg; return 0;
    case KEY_REFERENCE: o->reference = arg; return 0;
    case KEY_FOLDER: o->folder = arg; return 0;
    case KEY_NO_SAVE: o->no_save = true; return 0;
    case KEY_DRY_RUN: o->dry_run = true; return 0;
    case KEY_STEPS:
        o->steps = ew_cli_u32(state, "--steps", arg, EW_CALIBRATION_MIN_STEPS, EW_CALIBRATION_MAX_STEPS);
        return 0;
    case KEY_STEP_TIME:
        if (!ew_value_parse_duration(arg, &o->step_s) || o->step_s < 0.2 || o->step_s > 3600)
            argp_error(state, "--step-time: `%s` is not a time from 0.2s to 1h", arg);
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "`%s`: say which is which: --target METER --reference METER", arg); return 0;
    case ARGP_KEY_END:
        if (!o->target || !o->reference)
            argp_error(state, "which meters? --target METER --reference METER; edgewise meter list names them");
        if (strcmp(o->target, o->reference) == 0)
            argp_error(state, "target and reference are the same meter, %s: its errors would agree with themselves",
                       o->target);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

struct session {
    const struct options *o;
    struct ew_meter_config config;
    struct ew_meter_list *list;
    struct ew_meter *meters[2]; /* target, reference */
    struct ew_meter_sampler *sampler;
    struct ew_load_maker *maker;
    double step_s, settle_s;
    size_t n_steps, played;
    double levels[EW_CALIBRATION_MAX_STEPS];
    struct ew_load_step steps[EW_CALIBRATION_MAX_STEPS];
    bool live; /* progress on a terminal */
};

/* ---- stopping ---- */

static volatile sig_atomic_t stopped;

static void on_stop(int number) { stopped = number; }

/* What was ignored stays so: nohup, and jobs in the background. */
static void catch_signals(void (*handler)(int)) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before;
        sigaction(numbers[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) sigaction(numbers[i], &(struct sigaction){.sa_handler = handler}, NULL);
    }
}

static int64_t now_ns(void *context) {
    (void)context;
    return ew_clock_now_ns();
}

static void sleep_unless_stopped(void *context, int64_t time_ns) {
    (void)context;
    for (;;) {
        int64_t left = time_ns - ew_clock_now_ns();
        if (left <= 0 || stopped) return;
        nanosleep(&(struct timespec){.tv_nsec = left < NAP_NS ? (long)left : NAP_NS}, NULL);
    }
}

/* ---- before the load ---- */

static enum ew_status find_meter(struct session *s, const char *role, const char *name, struct ew_meter **out,
                                 struct ew_error *err) {
    struct ew_meter *m = ew_meter_list_find(s->list, name);
    if (!m || ew_meter_info(m)->quantity != EW_METER_ENERGY)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s `%s` is no energy meter of this machine: edgewise meter list",
                            role, name);
    const struct ew_meter_info *info = ew_meter_info(m);
    if (info->reason != EW_METER_USABLE)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s %s cannot be used: %s%s%s", role, name, info->reason_text,
                            info->remedy[0] ? "; " : "", info->remedy);
    *out = m;
    return EW_OK;
}

static void tell(const struct session *s, const char *text) {
    if (s->live) fprintf(stderr, "\r\033[Kedgewise: %s", text);
}

static enum ew_status prove_both(struct session *s, struct ew_error *err) {
    for (int i = 0; i < 2; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s proves itself …", ew_meter_info(s->meters[i])->name);
        tell(s, text);
        enum ew_status status = ew_meter_prove(s->meters[i], NULL, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* Never a whole number of periods: see load_signature.c. */
static enum ew_status plan(struct session *s, struct ew_error *err) {
    double slowest = 0, averaging = 0;
    for (int i = 0; i < 2; i++) {
        const struct ew_meter_info *info = ew_meter_info(s->meters[i]);
        slowest = fmax(slowest, info->period_s);
        averaging = fmax(averaging, info->averaging_s + info->stamp_error_s);
    }
    s->n_steps = s->o->steps;
    s->step_s = s->o->step_s > 0 ? s->o->step_s : fmax(least_step_s, (readings_per_step + 0.381966) * slowest * 1.5);
    if (s->o->step_s <= 0) s->step_s += averaging;
    s->settle_s = fmax(settle_share * s->step_s, averaging + slowest);
    double needed = s->settle_s + 5 * slowest;
    if (needed > s->step_s)
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "steps of %.3g s are too short for meters that are read every %.3g s and settle in %.3g s: "
                            "--step-time %.0fs",
                            s->step_s, slowest, s->settle_s, ceil(2 * needed));
    ew_staircase_levels(s->n_steps, s->levels);
    return EW_OK;
}

static int show_plan(const struct session *s) {
    char step[32], total[32];
    ew_value_print_duration(s->step_s, step, sizeof step);
    ew_value_print_duration(s->step_s * (double)s->n_steps, total, sizeof total);
    printf("%s against %s: %zu steps of %s on all %zu usable cores, %s, after both have proved themselves. Levels:",
           s->o->target, s->o->reference, s->n_steps, step, ew_load_maker_usable_cores(NULL, 0), total);
    for (size_t i = 0; i < s->n_steps; i++) printf(" %.0f %%", 100 * s->levels[i]);
    puts("");
    return EW_EXIT_OK;
}

/* ---- the staircase ---- */

static void set_level(void *context, double level) {
    struct session *s = context;
    char text[128], left[32];
    ew_load_maker_set(s->maker, stopped ? 0 : level);
    if (stopped || s->played == s->n_steps) return;
    ew_value_print_duration(s->step_s * (double)(s->n_steps - s->played), left, sizeof left);
    snprintf(text, sizeof text, "step %zu of %zu, load %.0f %% · %s left", ++s->played, s->n_steps, 100 * level, left);
    tell(s, text);
}

static enum ew_status play(struct session *s, struct ew_error *err) {
    static int cores[EW_LOAD_MAX_THREADS];
    const struct ew_meter_clock clock = {.now_ns = now_ns, .sleep_until_ns = sleep_unless_stopped};
    size_t n = ew_load_maker_usable_cores(cores, EW_LOAD_MAX_THREADS);
    enum ew_status status = ew_load_maker_open(n ? cores : NULL, n ? n : 1, &s->maker, err);
    if (status == EW_OK) status = ew_meter_sampler_open(s->meters, 2, &s->config, &s->sampler, err);
    if (status == EW_OK) status = ew_meter_sampler_start(s->sampler, err);
    if (status != EW_OK) return status;
    catch_signals(on_stop);
    ew_staircase_play(s->levels, s->n_steps, (int64_t)(s->step_s * 1e9), &clock, set_level, s, s->steps);
    catch_signals(SIG_DFL);
    if (s->live) fputs("\r\033[K", stderr);
    if (stopped) return ew_error_set(err, EW_ERR_CANCELLED, "stopped: the load is off, and nothing was kept");
    ew_meter_sampler_stop(s->sampler);
    return EW_OK;
}

static struct ew_energy_trace trace_of(const struct session *s, size_t i) {
    const struct ew_meter_trace *t = ew_meter_sampler_trace(s->sampler, i);
    return (struct ew_energy_trace){.info = t->info, .times_ns = t->times_ns, .values = t->values, .n = t->n};
}

static enum ew_status fit(const struct session *s, struct ew_calibration *out, struct ew_error *err) {
    const struct ew_energy_trace target = trace_of(s, 0), reference = trace_of(s, 1);
    for (size_t i = 0; i < 2; i++) {
        const struct ew_meter_trace *t = ew_meter_sampler_trace(s->sampler, i);
        if (t->ended) return ew_error_set(err, EW_ERR_NOT_FOUND, "%s", t->error);
    }
    enum ew_status status =
        ew_calibration_fit(&target, &reference, s->steps, s->n_steps, (int64_t)(s->settle_s * 1e9), out, err);
    if (status != EW_OK) return status;
    ew_calibration_board(s->config.root, out->board, sizeof out->board);
    out->taken_at_s = (int64_t)time(NULL);
    return EW_OK;
}

static enum ew_status keep_and_say(const struct session *s, const struct ew_calibration *c, struct ew_error *err) {
    char path[PATH_SIZE];
    enum ew_status status = EW_OK;
    if (!s->o->no_save) status = ew_calibration_save(c, s->o->folder, path, sizeof path, err);
    const char *kept = s->o->no_save || status != EW_OK ? NULL : path;
    if (!s->o->common.json)
        ew_calibrate_print(c, kept);
    else if (!ew_meter_json_print(ew_calibrate_json(c, kept), true, stdout) && status == EW_OK)
        status = ew_error_set(err, EW_ERR_IO, "standard output: cannot be written");
    return status;
}

static int calibrate(struct session *s) {
    struct ew_error err = {0};
    struct ew_calibration c;
    int exit_status = EW_EXIT_OK;
    s->live = isatty(STDERR_FILENO) && !s->o->dry_run;
    enum ew_status status = ew_meter_list_probe(&s->config, &s->list, &err);
    if (status == EW_OK) status = find_meter(s, "target", s->o->target, &s->meters[0], &err);
    if (status == EW_OK) status = find_meter(s, "reference", s->o->reference, &s->meters[1], &err);
    if (status == EW_OK && !s->o->dry_run) status = prove_both(s, &err);
    if (status == EW_OK) status = plan(s, &err);
    if (status == EW_OK && s->o->dry_run) return show_plan(s);
    if (status == EW_OK) status = play(s, &err);
    if (status == EW_OK) status = fit(s, &c, &err);
    bool unfit = status == EW_ERR_NOT_FOUND && s->sampler;
    if (status == EW_OK) status = keep_and_say(s, &c, &err);
    if (status == EW_OK) return EW_EXIT_OK;
    if (s->live) fputs("\r\033[K", stderr);
    exit_status = ew_cli_fail(&err);
    if (unfit)
        fputs("edgewise: nothing was kept. A quiet machine, longer steps (--step-time) or a meter that covers the "
              "processor may help; docs/meters.md, “Calibration”, has the limits.\n",
              stderr);
    return status == EW_ERR_CANCELLED ? 128 + stopped : exit_status;
}

int ew_meter_command_calibrate(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&ew_cli_common_argp, 0, NULL, 0}, {&ew_meter_options_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "",
        .doc = "Compares one meter with another over a staircase of load on all usable cores, and keeps gain and "
               "offset as a dated file: reference = gain × target + offset. Close what else is running: it takes a "
               "minute or more.\v"
               "Example:\n  edgewise meter calibrate --target rapl --reference log "
               "--meter-source 'log:usb.csv?boundary=board&error=0.5%'\n"
               "  edgewise meter run --calibration auto -- ./job\n\nExit status: 0 kept, 1 it does not fit or a meter "
               "cannot be used, 2 wrong use, 128 + N stopped by signal N.",
        .children = children};
    struct options o = {.steps = DEFAULT_STEPS};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    o.meters.calibration = "none"; /* readings as they are: a calibration of a calibrated meter would count twice */
    struct session s = {.o = &o, .config = ew_meter_options_config(&o.meters, o.common.root)};
    int status = calibrate(&s);
    ew_load_maker_close(&s.maker);
    ew_meter_sampler_close(&s.sampler);
    ew_meter_list_close(&s.list);
    ew_meter_options_close(&o.meters);
    return status;
}
