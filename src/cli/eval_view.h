/* What `edgewise eval` shows: progress, text, JSON. docs/eval.md explains the figures. */
#ifndef EW_CLI_EVAL_VIEW_H
#define EW_CLI_EVAL_VIEW_H

#include "quality/divergence.h"
#include "quality/perplexity.h"

struct ew_eval_result {
    const char *model, *text;
    bool synthetic; /* random weights: the figures mean nothing */
    struct ew_text_windows windows;
    size_t n_ids;
    struct ew_perplexity perplexity;
    const char *saved;     /* file of the reference run that was written, or NULL */
    const char *reference; /* name of the model that the divergence is from, or NULL */
    struct ew_divergence divergence;
};

/* One line on a terminal's standard error, over itself. */
void ew_eval_show_progress(size_t done, size_t total, const struct ew_perplexity_sum *sum);
void ew_eval_end_progress(void);

void ew_eval_print(const struct ew_eval_result *result);
void ew_eval_print_json(const struct ew_eval_result *result);
/* The same object in one line; the caller's: free(). NULL = out of memory. */
char *ew_eval_json(const struct ew_eval_result *result);

#endif
