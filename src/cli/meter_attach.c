/* edgewise meter attach: the energy of runs that are over, from the log of a meter that this machine did not read. Owns
 * which known load brings the two clocks together: the played patterns, else the runs between their rests, or none
 * where the log's stamps are this machine's time. What is said: meter_attach_view.c. */
#include "cli/meter_attach.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/meter_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs that follow each other within this are one load: no meter that needs attaching shows the gap. */
static const int64_t joined_ns = 1000000000;

struct options {
    struct ew_cli_common common;
    const char *run, *log;
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case ARGP_KEY_ARG:
        if (o->log) argp_error(state, "`%s`: RUN.json and LOG are all", arg);
        *(o->run ? &o->log : &o->run) = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->log) argp_error(state, "which run and which log? edgewise meter attach run.json usb-meter.csv");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* The known load of the runs: on from begin to end of each, off in the rests around them. */
static enum ew_status pattern_of_runs(const struct ew_run_file *run, struct ew_load_edge *edges,
                                      struct ew_load_pattern *out, struct ew_error *err) {
    struct ew_load_phase *phases = calloc(run->n, sizeof *phases);
    size_t n = 0;
    if (!phases) return ew_error_set(err, EW_ERR_MEMORY, "attach: out of memory");
    for (size_t i = 0; i < run->n; i++) {
        const struct ew_run_window *w = &run->windows[i];
        if (w->name[0] || w->end_ns <= w->begin_ns) continue;
        if (n > 0 && w->begin_ns - phases[n - 1].end_ns < joined_ns)
            phases[n - 1].end_ns = w->end_ns;
        else
            phases[n++] = (struct ew_load_phase){.begin_ns = w->begin_ns, .end_ns = w->end_ns};
    }
    enum ew_status status = ew_load_pattern_of_phases(phases, n, 0, edges, out, err);
    free(phases);
    if (status != EW_OK) return status;
    if (run->rests[0].begin_ns > out->begin_ns || run->rests[run->n_rests - 1].end_ns < out->end_ns)
        return ew_error_set(err, EW_ERR_ARGUMENT, "the rests are not around the runs");
    out->begin_ns = run->rests[0].begin_ns;
    out->end_ns = run->rests[run->n_rests - 1].end_ns;
    return EW_OK;
}

static enum ew_status align(struct ew_attached *a, struct ew_aligned_log **log, struct ew_error *err) {
    const struct ew_run_file *run = a->run;
    struct ew_load_pattern patterns[2];
    struct ew_alignment how = {.patterns = patterns, .epoch_ns = run->epoch_ns};
    struct ew_load_edge *edges = NULL;
    struct ew_log_choice choice;
    enum ew_status status = ew_log_choice_parse(a->source, &choice, err);
    if (status != EW_OK) return status;
    if (choice.clock_is_here) {
        a->by = "here";
    } else if (run->n_signatures > 0) {
        a->by = "signatures";
        how.n_patterns = run->n_signatures;
        for (size_t i = 0; i < run->n_signatures; i++) patterns[i] = run->signatures[i].pattern;
    } else if (run->n_rests == 2) {
        a->by = "runs";
        how.n_patterns = 1;
        edges = calloc(2 * run->n, sizeof *edges);
        if (!edges) return ew_error_set(err, EW_ERR_MEMORY, "attach: out of memory");
        status = pattern_of_runs(run, edges, &patterns[0], err);
    } else {
        status = ew_error_set(err, EW_ERR_ARGUMENT,
                              "%s: nothing in it brings its clock and the log's together: run with --signature or "
                              "--idle 30s, or say ?clock=here where the log has this machine's time of day",
                              a->run_path);
    }
    if (status == EW_OK) status = ew_aligned_log_open(a->source, &how, log, err);
    if (status == EW_ERR_NOT_FOUND && edges) {
        char why[EW_ERROR_MESSAGE_SIZE];
        snprintf(why, sizeof why, "%s", err->message);
        ew_error_set(err, status,
                     "%.300s. A run's own load is found only where the meter shows it even, between long rests: run it "
                     "with --signature, or say ?clock=here where the log has this machine's time of day",
                     why);
    }
    free(edges);
    return status;
}

static enum ew_status measure(struct ew_attached *a, struct ew_energy *energies, struct ew_error *err) {
    const struct ew_energy_trace trace = ew_aligned_log_trace(a->log);
    const struct ew_run_file *run = a->run;
    struct ew_energy rests[2];
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < run->n_rests && status == EW_OK; i++)
        if (run->rests[i].end_ns > run->rests[i].begin_ns)
            status = ew_energy_of_window(&trace, EW_ENERGY_TOTAL, run->rests[i].begin_ns, run->rests[i].end_ns, NULL,
                                         &rests[i], err);
    if (status != EW_OK) return status;
    if (run->n_rests > 0)
        a->has_idle = ew_energy_idle_baseline(&rests[0], run->n_rests > 1 ? &rests[1] : NULL, &a->idle);
    for (size_t i = 0; i < run->n && status == EW_OK; i++) {
        const struct ew_run_window *w = &run->windows[i];
        if (w->end_ns > w->begin_ns)
            status = ew_energy_of_window(&trace, EW_ENERGY_TOTAL, w->begin_ns, w->end_ns, a->has_idle ? &a->idle : NULL,
                                         &energies[i], err);
    }
    return status;
}

static enum ew_status attach(const struct options *o, struct ew_error *err) {
    static const char kind[] = "log:"; /* as --meter-source has it */
    struct ew_run_file *run = NULL;
    struct ew_aligned_log *log = NULL;
    struct ew_energy *energies = NULL;
    struct ew_attached a = {.run_path = o->run, .source = strncmp(o->log, kind, 4) == 0 ? o->log + 4 : o->log};
    enum ew_status status = ew_run_file_open(o->run, &run, err);
    a.run = run;
    if (status == EW_OK) status = align(&a, &log, err);
    a.log = log;
    if (status == EW_OK && !(energies = calloc(run->n + 1, sizeof *energies)))
        status = ew_error_set(err, EW_ERR_MEMORY, "attach: out of memory");
    a.energies = energies;
    if (status == EW_OK) status = measure(&a, energies, err);
    if (status == EW_OK && !o->common.json)
        ew_attach_print(&a);
    else if (status == EW_OK && !ew_attach_print_json(&a))
        status = ew_error_set(err, EW_ERR_IO, "standard output: cannot be written");
    free(energies);
    ew_aligned_log_close(&log);
    ew_run_file_close(&run);
    return status;
}

int ew_meter_command_attach(int argc, char **argv) {
    static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "RUN.json LOG[?KEY=VALUE&…]",
        .doc =
            "Gives the energy of each run and phase of RUN.json (edgewise meter run -o) from the log of a meter that "
            "was read elsewhere: a USB meter's CSV, tegrastats. The offset between both clocks is found by the load "
            "that is known to have run. docs/meters.md, “External meters”, has the keys.\v"
            "Example:\n  edgewise meter run --signature -o run.json -- ./job\n"
            "  edgewise meter attach run.json 'usb.csv?boundary=board&error=0.5%'\n",
        .children = children};
    struct options o = {0};
    struct ew_error err = {0};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    return attach(&o, &err) == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
