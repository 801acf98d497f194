/* What a person sees of a running study: one line that changes on a terminal, a line per trial elsewhere. */
#ifndef EW_CLI_STUDY_VIEW_H
#define EW_CLI_STUDY_VIEW_H

#include "study/study_run.h"
#include <stdio.h>

struct ew_study_view {
    FILE *out;
    bool live; /* a terminal: the line is redrawn */
    const struct ew_study_file *study;
    const volatile int *stop_soon;
    bool omits_runs;                                                       /* say nothing of each run */
    void (*after_run)(void *context, const struct ew_trial_record *trial); /* between two runs; may be NULL */
    void *after_run_context;
    bool said_stopping;
    char shown[512];
};

/* out: where to write; live lines only where it is a terminal. */
void ew_study_view_open(struct ew_study_view *view, FILE *out, const struct ew_study_file *study,
                        const volatile int *stop_soon);
struct ew_study_watcher ew_study_view_watcher(struct ew_study_view *view);
/* Removes the live line. */
void ew_study_view_clear(struct ew_study_view *view);
/* Draws a line of progress of anything else, such as writing a file. */
void ew_study_view_say(struct ew_study_view *view, const char *line);

/* "Llama-3.2-1B Q4_0 · 2 threads", with whatever else the study varies. */
void ew_study_view_label(const struct ew_study_file *study, const struct ew_model_record *model,
                         const struct ew_config_record *config, char *buf, size_t capacity);

#endif
