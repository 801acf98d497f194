/* One row per subcommand of `edgewise meter`, each in its own file; cmd_meter.c dispatches. */
#ifndef EW_CLI_METER_COMMANDS_H
#define EW_CLI_METER_COMMANDS_H

/* argc/argv start at the command's own name ("edgewise meter list" as argv[0]); the exit status comes back. */
int ew_meter_command_list(int argc, char **argv);
int ew_meter_command_watch(int argc, char **argv);
int ew_meter_command_run(int argc, char **argv);
int ew_meter_command_attach(int argc, char **argv);
int ew_meter_command_signature(int argc, char **argv);
int ew_meter_command_calibrate(int argc, char **argv);
int ew_meter_command_calibrations(int argc, char **argv);

#endif
