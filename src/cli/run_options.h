/* What `edgewise run` was asked for; filled by cmd_run.c, read by the completion there and by the chat. */
#ifndef EW_CLI_RUN_OPTIONS_H
#define EW_CLI_RUN_OPTIONS_H

#include "cli/context_options.h"
#include "cli/context_shift.h"
#include "cli/core_options.h"
#include "cli/meter_options.h"
#include "cli/weights_options.h"

struct ew_run_options {
    struct ew_cli_common common;
    struct ew_meter_options meters; /* the chat's */
    const char *model, *prompt, *file;
    uint32_t n_generate; /* 0 = not given */
    bool ignore_end, no_bos;
    bool chat;            /* asked for by name, or by an option that only a chat has */
    const char *system;   /* NULL = no system message */
    const char *template; /* a file; NULL = the model's own */
    bool no_template;     /* the plain one, whatever the model has */
    bool drop_oldest;     /* when the context is full, instead of stopping */
    const char *energy;   /* a meter's name, "auto" or "none" */
    struct ew_context_options context;
    struct ew_core_options cores;
    struct ew_shift_options shift; /* of a completion */
    struct ew_weights_options weights;
    struct ew_session_params session; /* the context apart */
    struct ew_sampler_params sampler;
};

/* The largest text that is read as a prompt or a line of a chat. */
enum { EW_RUN_MAX_PROMPT_BYTES = 64 << 20 };

#endif
