/* edgewise meter run: any program under the meters. Measuring: study/command_run.c; what is said afterwards:
 * meter_run_text.c and meter_run_json.c. Its own failures end with 125, 126 and 127, as those of env(1) do, so that
 * they are not taken for the program's. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/meter_commands.h"
#include "cli/meter_json.h"
#include "cli/meter_options.h"
#include "cli/meter_run_view.h"
#include "machine/machine.h"
#include "study/study_value.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_OWN_FAILURE = 125, EXIT_NOT_STARTED = 126, EXIT_NOT_FOUND = 127 };
enum { KEY_IDLE = 2001, KEY_WARM_UP, KEY_TRACE, KEY_QUIET, KEY_SIGNATURE, KEY_PERIOD };

struct options {
    struct ew_cli_common common;
    struct ew_meter_options meters;
    struct ew_device_options device;
    const char *meter, *file, *trace;
    double idle_s;
    uint32_t repeats;
    int warm_ups; /* -1: not said */
    bool quiet, signature;
    double signature_period_s;
    const char **command; /* NULL-terminated, in argv */
};

static const struct argp_option options[] = {
    {"meter", 'm', "METER", 0, "Energy meter: auto, none, or a name from `edgewise meter list` (auto)", 1},
    {"idle", KEY_IDLE, "TIME", 0, "Rest this long before and after, and give the energy above idle too", 1},
    {"repeat", 'r', "N", 0, "Run N times, after a warm-up, and give medians", 2},
    {"warm-up", KEY_WARM_UP, "N", 0, "Runs before those that count (1 with --repeat, otherwise 0)", 2},
    {"output", 'o', "FILE", 0, "Write the summary as JSON to FILE", 3},
    {"trace", KEY_TRACE, "FILE", 0, "Write the samples of the energy meter as a trace file", 3},
    {"signature", KEY_SIGNATURE, 0, 0,
     "Play a load pattern before and after, by which `edgewise meter attach` finds the run in the log of another meter",
     4},
    {"signature-period", KEY_PERIOD, "TIME", 0,
     "How often that meter writes (0.05s); slower ones need a longer pattern", 4},
    {"quiet", KEY_QUIET, 0, 0, "Print no summary", 3},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->meters;
        state->child_inputs[2] = &o->device;
        return 0;
    case 'm': o->meter = arg; return 0;
    case 'o': o->file = arg; return 0;
    case 'r': o->repeats = ew_cli_u32(state, "--repeat", arg, 1, 10000); return 0;
    case KEY_TRACE: o->trace = arg; return 0;
    case KEY_QUIET: o->quiet = true; return 0;
    case KEY_SIGNATURE: o->signature = true; return 0;
    case KEY_PERIOD:
        o->signature = true;
        if (!ew_value_parse_duration(arg, &o->signature_period_s) || o->signature_period_s > 60)
            argp_error(state, "--signature-period: `%s` is not a time of at most 60s", arg);
        return 0;
    case KEY_WARM_UP: o->warm_ups = (int)ew_cli_u32(state, "--warm-up", arg, 0, 1000); return 0;
    case KEY_IDLE:
        if (!ew_value_parse_duration(arg, &o->idle_s) || o->idle_s > 86400)
            argp_error(state, "--idle: `%s` is not a time of at most a day (such as 10s, 1min)", arg);
        return 0;
    case ARGP_KEY_ARG:
        o->command = (const char **)state->argv + state->next - 1; /* it and all that follows are the command's */
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (!o->command) argp_error(state, "which command? For instance: edgewise meter run -- sleep 10");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- files, whole or not at all ---- */

typedef bool (*writer)(FILE *out, const struct ew_meter_run *run);

static bool write_json(FILE *out, const struct ew_meter_run *run) {
    return ew_meter_json_print(ew_meter_run_json(run), true, out);
}

/* All samples as they came: of several channels their total. */
static bool write_trace(FILE *out, const struct ew_meter_run *run) {
    const struct ew_meter_trace *t = run->result->energy_trace;
    bool counter = t->info->kind == EW_METER_COUNTER;
    fprintf(out, "# meter: %s\n# covers: %s\n", t->info->name, t->info->covers);
    if (t->info->boundary > EW_BOUNDARY_PROCESS)
        fprintf(out, "# boundary: %s\n", ew_meter_boundary_name(t->info->boundary));
    if (t->info->averaging_s > 0) fprintf(out, "# averaging_s: %.9g\n", t->info->averaging_s);
    if (t->info->error_relative >= 0) fprintf(out, "# error_relative: %.9g\n", t->info->error_relative);
    fprintf(out, "time_s,%s\n", counter ? "energy_j" : "power_w");
    for (size_t i = 0; i < t->n; i++) {
        double sum = 0;
        for (size_t c = 0; c < t->n_channels; c++)
            if (t->info->channels[c].in_total) sum += t->values[i * t->n_channels + c];
        fprintf(out, "%.9f,", (double)(t->times_ns[i] - t->times_ns[0]) * 1e-9);
        if (sum == sum) fprintf(out, "%.9g", sum);
        fputc('\n', out);
    }
    return true;
}

static enum ew_status write_file(const char *path, const struct ew_meter_run *run, writer write, struct ew_error *err) {
    char *part = NULL;
    if (asprintf(&part, "%s.XXXXXX", path) < 0) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    int fd = mkostemp(part, O_CLOEXEC);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    bool ok = out && write(out, run);
    ok = out && fclose(out) == 0 && ok;
    int failure = errno;
    mode_t mask = umask(0);
    umask(mask);
    if (ok) ok = chmod(part, 0666 & ~mask) == 0 && rename(part, path) == 0;
    if (!ok && out) failure = errno, unlink(part);
    free(part);
    return ok ? EW_OK : ew_error_errno(err, EW_ERR_IO, failure, "%s: cannot be written", path);
}

/* ---- the run ---- */

static void on_stage(void *context, enum ew_command_stage stage, uint32_t number, double seconds) {
    const struct options *o = context;
    char time[32];
    if (o->quiet || !isatty(STDERR_FILENO)) return;
    ew_value_print_duration(seconds, time, sizeof time);
    switch (stage) {
    case EW_STAGE_IDLE_BEFORE: fprintf(stderr, "edgewise: at rest for %s, before …\n", time); return;
    case EW_STAGE_IDLE_AFTER: fprintf(stderr, "edgewise: at rest for %s, after …\n", time); return;
    case EW_STAGE_WARM_UP: fprintf(stderr, "edgewise: warm-up\n"); return;
    case EW_STAGE_RUN:
        if (o->repeats > 1) fprintf(stderr, "edgewise: run %u of %u\n", number, o->repeats);
        return;
    case EW_STAGE_SIGNATURE_BEFORE:
    case EW_STAGE_SIGNATURE_AFTER: fprintf(stderr, "edgewise: load signature, %s …\n", time); return;
    }
}

/* The program runs on this machine, whatever its meters read. */
static int usable_cores(void) {
    struct ew_machine *machine = NULL;
    if (ew_machine_open(NULL, &machine, NULL) != EW_OK) return 0;
    int cores = machine->usable;
    ew_machine_close(&machine);
    return cores;
}

static bool gpu_shares_memory(const char *root) {
    struct ew_machine *machine = NULL;
    if (ew_machine_open(root, &machine, NULL) != EW_OK) return false;
    bool shares = machine->gpu.shares_memory == 1;
    ew_machine_close(&machine);
    return shares;
}

static int fail(const struct ew_error *err) {
    ew_cli_fail(err);
    bool command = err->status == EW_ERR_NOT_FOUND;
    return command ? EXIT_NOT_FOUND : EXIT_NOT_STARTED;
}

/* What is said must not change how the program ended. */
static int report(const struct options *o, const struct ew_meter_run *run) {
    struct ew_error err = {0};
    const struct ew_command_result *result = run->result;
    int status = ew_meter_run_exit_status(result->runs[result->n_runs - 1].wait_status);
    if (!o->quiet && o->common.json && !o->file && !ew_meter_json_print(ew_meter_run_json(run), true, stderr))
        status = EXIT_OWN_FAILURE;
    if (!o->quiet && !(o->common.json && !o->file) && ew_meter_run_print(run, stderr, &err) != EW_OK) ew_cli_fail(&err);
    if (o->file && write_file(o->file, run, write_json, &err) != EW_OK) {
        ew_cli_fail(&err);
        if (status == 0) status = EXIT_OWN_FAILURE;
    }
    if (o->trace && !result->energy_trace)
        fprintf(stderr, "edgewise: --trace: there is no energy meter, so %s is not written\n", o->trace);
    else if (o->trace && write_file(o->trace, run, write_trace, &err) != EW_OK) {
        ew_cli_fail(&err);
        if (status == 0) status = EXIT_OWN_FAILURE;
    }
    return status;
}

static int measure(const struct options *o, struct ew_study_meters *meters) {
    struct ew_error err = {0};
    struct ew_command_result *result = NULL;
    const struct ew_command_setup setup = {
        .argv = o->command,
        .meters = meters,
        .idle_s = o->idle_s,
        .warm_ups = o->warm_ups >= 0 ? (uint32_t)o->warm_ups : o->repeats > 1,
        .repeats = o->repeats,
        .signature = o->signature,
        .signature_period_s = o->signature_period_s,
        .stage = on_stage,
        .context = (void *)o,
    };
    int exit_status;
    if (ew_command_run(&setup, &result, &err) == EW_OK) {
        const struct ew_meter_run run = {.argv = o->command,
                                         .result = result,
                                         .meters = meters,
                                         .cores = usable_cores(),
                                         .gpu_shares_memory = gpu_shares_memory(o->common.root),
                                         .settings = o->device.list,
                                         .n_settings = o->device.n};
        exit_status = report(o, &run);
    } else {
        exit_status = err.status == EW_ERR_CANCELLED ? 128 + SIGINT : fail(&err);
        if (err.status == EW_ERR_CANCELLED) ew_cli_fail(&err);
    }
    ew_command_result_close(&result);
    return exit_status;
}

/* Settings come first and go last: their guardian wants to be started before there are threads. */
static int execute(const struct options *o) {
    struct ew_error err = {0};
    struct ew_study_meters meters = {0};
    struct ew_device_settings *settings = NULL;
    struct ew_meter_config config = ew_meter_options_config(&o->meters, o->common.root);
    int exit_status = EXIT_OWN_FAILURE;
    if (ew_device_options_apply(&o->device, o->common.root, &settings, &err) != EW_OK ||
        ew_study_meters_open(&config, o->meter, &meters, &err) != EW_OK)
        ew_cli_fail(&err);
    else
        exit_status = measure(o, &meters);
    ew_study_meters_close(&meters);
    if (!ew_device_options_close(&settings) && exit_status == 0) exit_status = EXIT_OWN_FAILURE;
    return exit_status;
}

int ew_meter_command_run(int argc, char **argv) {
    static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0},
                                                 {&ew_meter_options_argp, 0, NULL, 0},
                                                 {&ew_device_options_argp, 0, NULL, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "-- COMMAND [ARGUMENT…]",
        .doc = "Runs any program and says what it took: energy, power, time, memory of all its processes, heat. Its "
               "input, "
               "output and exit status are its own; the summary goes to standard error. The program can mark phases: "
               "docs/meter.md.\v"
               "Example:\n  edgewise meter run -- make -j4\n  edgewise meter run --idle 10s --repeat 5 -o run.json -- "
               "./job\n\n"
               "Exit status: the command's; 128 + N when signal N ended it; 127 command not found, 126 it cannot be "
               "started, 125 the measuring failed, 2 wrong use.",
        .children = children};
    struct options o = {.repeats = 1, .warm_ups = -1};
    ew_cli_parse_in_order(&argp, argc, argv, &o.common, &o);
    int status = execute(&o);
    ew_meter_options_close(&o.meters);
    return status;
}
