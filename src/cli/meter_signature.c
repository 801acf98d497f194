/* edgewise meter signature: plays the load pattern alone and prints when it did what, for those who measure something
 * else than a program. The pattern: meter/load_signature.c. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/meter_commands.h"
#include "cli/meter_json.h"
#include "cli/meter_run_view.h"
#include "meter/aligned_log.h"
#include "study/command_signature.h"
#include "study/study_value.h"

#include <signal.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    double period_s;
};

static const struct argp_option options[] = {
    {"period", 'p', "TIME", 0, "How often the meter writes (0.05s); slower ones need a longer pattern", 1}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 'p':
        if (!ew_value_parse_duration(arg, &o->period_s) || o->period_s > 60)
            argp_error(state, "--period: `%s` is not a time of at most 60s", arg);
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "`%s`: takes no words", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static bool print(const struct options *o, const struct ew_played_signature *played) {
    int64_t epoch = ew_clock_epoch_ns();
    if (o->common.json) {
        json_t *root = ew_meter_signature_json(played);
        json_object_set_new(root, "epoch_ns", json_integer(epoch));
        return ew_meter_json_print(root, true, stdout);
    }
    printf("# pattern of load: seconds since 1970-01-01 00:00 UTC, and of CLOCK_MONOTONIC_RAW; from then on 1 or 0\n"
           "unix_s,monotonic_raw_s,load\n");
    for (size_t i = 0; i < played->pattern.n; i++)
        printf("%.6f,%.6f,%d\n", 1e-9 * (double)(played->edges[i].time_ns - epoch),
               1e-9 * (double)played->edges[i].time_ns, played->edges[i].on);
    return !ferror(stdout);
}

int ew_meter_command_signature(int argc, char **argv) {
    static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {.options = options,
                                     .parser = parse,
                                     .doc = "Plays the load pattern that `meter run --signature` plays, alone, on all "
                                            "usable cores, and prints its edges: by them the log of any other device "
                                            "can be put on this machine's clock.\v"
                                            "Example:\n  edgewise meter signature > edges.csv",
                                     .children = children};
    struct options o = {0};
    struct ew_error err = {0};
    struct ew_played_signature played;
    char time[32];
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    ew_value_print_duration(ew_command_signature_s(o.period_s), time, sizeof time);
    if (isatty(STDERR_FILENO)) fprintf(stderr, "edgewise: load signature, %s …\n", time);
    enum ew_status status = ew_command_signals_open(&err);
    if (status == EW_OK) status = ew_command_play_signature(o.period_s, &played, &err);
    int interrupted = ew_command_interrupted();
    ew_command_signals_close();
    if (status == EW_OK && !print(&o, &played))
        status = ew_error_set(&err, EW_ERR_IO, "standard output: cannot be written");
    if (status == EW_OK) return EW_EXIT_OK;
    int exit_status = ew_cli_fail(&err);
    return interrupted ? 128 + interrupted : exit_status;
}
