/* edgewise meter: the table of its subcommands. Each owns its options, help and output in meter_NAME.c. */
#include "cli/command.h"
#include "cli/meter_commands.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"list", ew_meter_command_list, "all meters of this machine: usable ones, and why others are not"},
    {"watch", ew_meter_command_watch, "power, joules, heat, clocks and memory, live"},
    {"run", ew_meter_command_run, "any program: its energy, memory and time"},
    {"attach", ew_meter_command_attach, "the energy of a run that is over, from the log of another meter"},
    {"signature", ew_meter_command_signature, "play a load pattern that other meters' logs can be found by"},
    {"calibrate", ew_meter_command_calibrate, "one meter against another, over a staircase of load"},
    {"calibrations", ew_meter_command_calibrations, "the calibrations that are kept"},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *out) {
    fputs("Usage: edgewise meter COMMAND [OPTION…]\n\n"
          "What this machine can measure about itself, and what a program takes.\n\n",
          out);
    for (int i = 0; i < N_COMMANDS; i++) fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fputs("\nExample:\n  edgewise meter list --prove\n  edgewise meter run --idle 10s -- make -j4\n\n"
          "edgewise meter COMMAND --help says more; docs/meter.md explains every figure.\n",
          out);
}

int ew_cmd_meter(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return EW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "-?") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EW_EXIT_OK;
    }
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        char name[64];
        snprintf(name, sizeof name, "edgewise meter %s", commands[i].name);
        argv[1] = name;
        return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "edgewise meter: `%s` is not a command of it; edgewise meter --help lists them\n", argv[1]);
    return EW_EXIT_USAGE;
}
