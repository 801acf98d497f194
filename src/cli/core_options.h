/* --cores and --spin of commands that run a model in their own process. */
#ifndef EW_CLI_CORE_OPTIONS_H
#define EW_CLI_CORE_OPTIONS_H

#include "cli/command.h"

struct ew_core_options {
    const char *cores; /* a set of cores by name or list; NULL = all that may be used */
    uint32_t spin_us;  /* as in struct ew_session_params */
};
/* As an argp child whose input is a struct ew_core_options. */
extern const struct argp ew_core_options_argp;

/* Leaves this process a set of cores, before a session chooses among them; NULL: all that it has. Errors: those of
 * ew_core_set_find, IO. */
enum ew_status ew_cores_take(const char *cores, struct ew_error *err);

#endif
