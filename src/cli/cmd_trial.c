/* edgewise trial: one trial of a study, for other programs. The spec comes as JSON on standard input, events go as
 * JSON lines to standard output; docs/trial-protocol.md. */
#include "base/error.h"
#include "cli/command.h"
#include "study/trial_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const char doc[] =
    "Runs one trial of a study in this process: a JSON object on standard input says what, events "
    "come as JSON lines on standard output (docs/trial-protocol.md).\v"
    "Example:\n  echo '{\"protocol\":1,\"model\":\"m.gguf\",\"prompt_tokens\":128,"
    "\"generate_tokens\":32}' | edgewise trial\n";

static error_t parse(int key, char *arg, struct argp_state *state) {
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->input;
        return 0;
    }
    if (key == ARGP_KEY_ARG) argp_error(state, "%s: nothing is expected here; the spec comes on standard input", arg);
    return ARGP_ERR_UNKNOWN;
}

static enum ew_status read_stdin(char **out, size_t *size, struct ew_error *err) {
    char *text = malloc(EW_TRIAL_MAX_LINE);
    if (!text) return ew_error_set(err, EW_ERR_MEMORY, "spec: out of memory");
    size_t n = fread(text, 1, EW_TRIAL_MAX_LINE, stdin);
    if (ferror(stdin) || n == EW_TRIAL_MAX_LINE) {
        free(text);
        return ew_error_set(err, EW_ERR_IO, "spec: cannot be read, or is longer than %d bytes", EW_TRIAL_MAX_LINE);
    }
    *out = text;
    *size = n;
    return EW_OK;
}

int ew_cmd_trial(int argc, char **argv) {
    struct ew_cli_common common;
    static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {.parser = parse, .args_doc = "", .doc = doc, .children = children};
    ew_cli_parse(&argp, argc, argv, &common, &common);
    struct ew_error err = {0};
    struct ew_trial_spec spec;
    char *text = NULL;
    size_t size = 0;
    void *owner = NULL;
    enum ew_status status = read_stdin(&text, &size, &err);
    if (status == EW_OK) status = ew_trial_spec_read(text, size, &spec, &owner, &err);
    free(text);
    if (status == EW_OK) {
        status = ew_trial_child_run(&spec, EW_VERSION, stdout, &err);
        ew_trial_spec_free(&owner);
    } else {
        ew_trial_child_fail(stdout, &err);
    }
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
