/* What `edgewise eval --task` shows: progress, text, JSON, and items line by line. docs/tasks.md explains the figures.
 */
#ifndef EW_CLI_EVAL_TASK_VIEW_H
#define EW_CLI_EVAL_TASK_VIEW_H

#include "quality/task_prompts.h"
#include "quality/task_result.h"
#include <jansson.h>
#include <stdio.h>

enum { EW_TASK_SETTINGS = 256 };

struct ew_eval_task_result {
    const char *model, *path;
    bool synthetic; /* random weights: the figures mean nothing */
    uint32_t n_ctx;
    const struct ew_task_set *set;
    struct ew_task_examples examples;
    uint32_t most_items; /* 0 = all */
    struct ew_task_result result;
    const struct ew_task_count *groups; /* [set->n_groups] */
    uint64_t n_evaluated;               /* tokens that went through the model */
    double seconds;
    const char *items_out; /* file of the items, or NULL */
};

/* What must be equal beside the data for two figures to be comparable: "choice, by char, 5 shots of dev". */
void ew_eval_task_settings(const struct ew_eval_task_result *result, char settings[EW_TASK_SETTINGS]);

/* One line on a terminal's standard error, over itself. */
void ew_eval_task_show_progress(size_t done, size_t total, const struct ew_task_result *result);
void ew_eval_task_print(const struct ew_eval_task_result *result);
/* An object with a list of tasks; the caller's: json_decref. NULL: out of memory. */
json_t *ew_eval_task_json(const struct ew_eval_task_result *result);

/* One item as an object: where it is written, what was chosen, and all scores; or what a model would be asked. NULL:
 * out of memory. */
json_t *ew_eval_item_json(const struct ew_task_set *set, const struct ew_task_outcome *outcome);
json_t *ew_eval_prompt_json(const struct ew_task_prompts *prompts, const struct ew_task_item *item);

#endif
