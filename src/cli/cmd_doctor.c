/* edgewise doctor: which meters work here, what holds the speed back, and what to change. The facts are gathered in
 * doctor_measure.c and doctor_model.c, judged in insight/doctor.h, and shown by doctor_text.c and doctor_json.c. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/doctor_view.h"
#include "cli/meter_options.h"
#include "cli/terminal_style.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    struct ew_meter_options meters;
    const char *model;
    bool quick, no_model;
    bool kernels, again;
};

enum { KEY_NO_MODEL = 2001, KEY_KERNELS };

static const struct argp_option options[] = {
    {"quick", 'q', 0, 0, "Measure nothing: what files and meters say now", 1},
    {"no-model", KEY_NO_MODEL, 0, 0, "Measure the machine's limits, and no model against them", 1},
    {"kernels", KEY_KERNELS, "again", OPTION_ARG_OPTIONAL,
     "Show which kernels a contest has chosen for MODEL's types, or the usual ones, and hold it where it has not been "
     "held; again: in any case",
     1},
    {0},
};

static const char doc[] =
    "Says which meters work here and how far they can be believed, what this machine can do at most, what share of "
    "that "
    "a model reaches, and what stands in the way, each with the command that changes it. Without MODEL one with random "
    "weights is made up that no cache can hold, and deleted again.\v"
    "Example:\n  edgewise doctor\n  edgewise doctor --json llama.gguf\n\n"
    "It exits with 0 whatever it finds. docs/doctor.md lists every finding with its threshold.";

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->meters;
        return 0;
    case 'q': o->quick = true; return 0;
    case KEY_NO_MODEL: o->no_model = true; return 0;
    case KEY_KERNELS:
        o->kernels = true;
        o->again = arg != NULL;
        if (arg && strcmp(arg, "again") != 0) argp_error(state, "--kernels: `%s` is not again", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time, please: `%s` is a second one", arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->model && o->no_model) argp_error(state, "--no-model and a model (`%s`) exclude each other", o->model);
        if (o->kernels && (o->quick || o->no_model || *o->common.root))
            argp_error(state, "--kernels measures kernels on this machine: it goes with MODEL and --cpu-mask only");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static volatile sig_atomic_t stop;
static void on_signal(int number) {
    (void)number;
    stop = 1;
}

int ew_cmd_doctor(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&ew_cli_common_argp, 0, NULL, 0}, {&ew_meter_options_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "[MODEL]", .doc = doc, .children = children};
    struct options o = {0};
    struct ew_error err = {0};
    struct ew_doctor_visit visit = {0};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct ew_meter_config config = ew_meter_options_config(&o.meters, o.common.root);
    struct ew_doctor_request request = {.root = o.common.root,
                                        .model_path = o.model,
                                        .quick = o.quick,
                                        .no_model = o.no_model,
                                        .cpu_mask = o.common.cpu_mask,
                                        .meters = &config,
                                        .progress = isatty(STDERR_FILENO) && !o.common.json ? stderr : NULL,
                                        .stop = &stop};
    struct ew_text_style style = ew_terminal_style(STDOUT_FILENO, false);
    enum ew_status status = o.kernels ? ew_doctor_show_kernels(&request, o.again, o.common.json, stdout, &style, &err)
                                      : ew_doctor_visit_machine(&request, &visit, &err);
    bool visited = status == EW_OK && !o.kernels;
    if (visited && !o.common.json) ew_doctor_print_text(&visit, stdout, &style);
    if (visited && o.common.json && !ew_doctor_print_json(&visit, stdout))
        status = ew_error_set(&err, EW_ERR_IO, "standard output: cannot be written");
    ew_doctor_visit_close(&visit);
    ew_meter_options_close(&o.meters);
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
