/* One row of the command table per file cmd_NAME.c; main.c dispatches and owns nothing else. */
#ifndef EW_CLI_COMMAND_H
#define EW_CLI_COMMAND_H

#include "edgewise/status.h"
#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit status of every command. */
enum { EW_EXIT_OK = 0, EW_EXIT_FAILED = 1, EW_EXIT_USAGE = 2 };

/* argc/argv start at the command's own name ("edgewise run" as argv[0]). */
int ew_cmd_bench(int argc, char **argv);
int ew_cmd_convert(int argc, char **argv);
int ew_cmd_doctor(int argc, char **argv);
int ew_cmd_eval(int argc, char **argv);
int ew_cmd_imatrix(int argc, char **argv);
int ew_cmd_info(int argc, char **argv);
int ew_cmd_logits(int argc, char **argv);
int ew_cmd_merge(int argc, char **argv);
int ew_cmd_meter(int argc, char **argv);
int ew_cmd_quantize(int argc, char **argv);
int ew_cmd_report(int argc, char **argv);
int ew_cmd_run(int argc, char **argv);
int ew_cmd_store(int argc, char **argv);
int ew_cmd_study(int argc, char **argv);
int ew_cmd_synth(int argc, char **argv);
int ew_cmd_tokenize(int argc, char **argv);
int ew_cmd_trial(int argc, char **argv);

/* Options that every command takes, as an argp child whose input is a struct ew_cli_common. */
struct ew_cli_common {
    bool json;         /* --json: machine-readable output */
    uint64_t cpu_mask; /* --cpu-mask: features kernels may use; all by default */
    const char *root;  /* --root: where /proc, /sys, /dev are looked for; "" by default */
};
extern const struct argp ew_cli_common_argp;

/* Fills defaults and parses; *common is handed to ew_cli_common_argp when argp's first child is that. `input` is what
 * the command's own parser gets as state->input; its parser must set state->child_inputs[0] = common on
 * ARGP_KEY_INIT. Wrong use exits the program with EW_EXIT_USAGE and a message, as argp does. */
void ew_cli_parse(const struct argp *argp, int argc, char **argv, struct ew_cli_common *common, void *input);

/* The same for commands that run another program: options end with the first word that is none, or with --. */
void ew_cli_parse_in_order(const struct argp *argp, int argc, char **argv, struct ew_cli_common *common, void *input);

/* Parses an option's number in [min, max]; wrong use exits as argp does, naming option, value and range. */
uint32_t ew_cli_u32(const struct argp_state *state, const char *option, const char *text, uint32_t min, uint32_t max);
double ew_cli_f64(const struct argp_state *state, const char *option, const char *text, double min, double max);

/* Prints "edgewise: message" to stderr and returns EW_EXIT_USAGE for EW_ERR_ARGUMENT, otherwise EW_EXIT_FAILED. */
int ew_cli_fail(const struct ew_error *err);

#endif
