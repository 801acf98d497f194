/* --weights and --cache, as commands share them: where a session's matrices are, and where side files are kept. */
#ifndef EW_CLI_WEIGHTS_OPTIONS_H
#define EW_CLI_WEIGHTS_OPTIONS_H

#include "cli/command.h"
#include "edgewise/session.h"

/* As an argp child whose input is this; zero-filled at first. */
struct ew_weights_options {
    enum ew_weights_layout layout;
    const char *cache; /* NULL: the default folder */
    char *folder;      /* of side files, filled in by apply */
};
extern const struct argp ew_weights_options_argp;

/* Puts the options into params, which point to them until they are closed. Errors: MEMORY. */
enum ew_status ew_weights_options_apply(struct ew_weights_options *o, struct ew_session_params *params,
                                        struct ew_error *err);
void ew_weights_options_close(struct ew_weights_options *o);

#endif
