/* Asks a model every item of a task: scores endings, or lets it write an answer. */
#ifndef EW_QUALITY_TASK_RUN_H
#define EW_QUALITY_TASK_RUN_H

#include "edgewise/session.h"
#include "quality/task_prompts.h"
#include "quality/task_result.h"

struct ew_task_run {
    const struct ew_task_prompts *prompts;
    const struct ew_model *model;
    struct ew_session *session; /* the run's alone until it is over */
    bool skip_long;             /* leave items out that do not fit the context, instead of refusing the task */
    /* Takes each outcome, in the order of the task; it is valid during the call. Anything but EW_OK ends the run. */
    enum ew_status (*take)(void *context, const struct ew_task_outcome *outcome, size_t done, struct ew_error *err);
    /* Asked between pieces of work; false ends the run with EW_ERR_CANCELLED. May be NULL. */
    bool (*goes_on)(void *context);
    void *context;        /* of both */
    uint64_t n_evaluated; /* out: tokens that went through the model */
};

/* Errors: MEMORY, CANCELLED, LIMIT (an item is longer than the context: file, line, tokens), FORMAT (logits that are no
 * numbers, an ending that is no token), those of the session and of take. */
enum ew_status ew_task_run_all(struct ew_task_run *run, struct ew_error *err);

#endif
