/* Opening the session of `edgewise run`, for a completion and for a chat. */
#ifndef EW_CLI_RUN_SESSION_H
#define EW_CLI_RUN_SESSION_H

#include "cli/run_options.h"

/* With the kernels of this machine, which are chosen now where this is the first start: *choosing_ns says how long that
 * took. Errors: those of ew_context_options_open. */
enum ew_status ew_run_session_open(const struct ew_run_options *o, struct ew_model *model, struct ew_session **out,
                                   int64_t *choosing_ns, struct ew_error *err);

#endif
