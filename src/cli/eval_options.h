/* What `edgewise eval` was asked for; filled by cmd_eval.c, read by its modes: a text (eval_text.c), a task with right
 * answers (eval_task.c), or prompts (eval_answers.h). */
#ifndef EW_CLI_EVAL_OPTIONS_H
#define EW_CLI_EVAL_OPTIONS_H

#include "cli/command.h"
#include "edgewise/session.h"

struct ew_eval_options {
    struct ew_cli_common common;
    const char *model;
    uint32_t n_ctx, threads; /* 0: not given */
    enum ew_kv_type kv_k, kv_v;
    const char *store; /* NULL: nothing is kept */
    /* A text: */
    const char *text, *reference, *save_reference;
    uint32_t stride, windows;
    /* A task: */
    const char *task, *format, *shots_from, *items_out;
    uint32_t shots, items, seed;
    int normalize; /* enum ew_task_length; -1: as the task says */
    bool skip_long, show_prompts;
    /* Prompts: */
    const char *prompts;
    uint32_t n_most; /* tokens of a written answer, also of a task's; 0: not given */
};

enum { EW_EVAL_LEAST_WINDOW = 4 };

/* The parameters of a session with these options. */
struct ew_session_params ew_eval_session_params(const struct ew_eval_options *o);

enum ew_status ew_eval_text(const struct ew_eval_options *o, struct ew_error *err);
enum ew_status ew_eval_task(const struct ew_eval_options *o, struct ew_error *err);

#endif
