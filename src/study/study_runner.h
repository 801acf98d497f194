/* Private to the study runner: what it knows while it runs. study_run.c has the order of events, study_trial.c one
 * trial. */
#ifndef EW_STUDY_STUDY_RUNNER_H
#define EW_STUDY_STUDY_RUNNER_H

#include "study/quality_jobs.h"
#include "study/study_run.h"
#include "study/study_side_files.h"
#include "study/study_slots.h"

struct ew_study_runner {
    const struct ew_study_request *request;
    struct ew_error *err;
    struct ew_study_plan plan;
    struct ew_study_slots slots;
    struct ew_quality_jobs quality;
    struct ew_study_meters meters;
    struct ew_study_side_files side_files;
    bool meters_open, trials_wanted;
    int64_t study_id, machine_id, invocation_id, seed;
    int64_t started_ns;                     /* the monotonic clock */
    int64_t own_cpu_ns;                     /* at the start */
    bool device_touched;                    /* settings of the machine must be put back */
    struct ew_study_setting device_setting; /* in force */
    struct ew_study_progress progress;
    double quality_j; /* spent on quality; NAN and unknown figures count as 0 */
};

bool ew_study_stops_soon(const struct ew_study_runner *r);
void ew_study_note_progress(struct ew_study_runner *r, size_t index);
/* A line for whoever watches. */
__attribute__((format(printf, 2, 3))) void ew_study_say(const struct ew_study_runner *r, const char *format, ...);

/* Cools, sets, drops or fills the cache, runs, and stores the result. A trial that goes wrong is no error. Errors:
 * CANCELLED (before or in the trial), those of the sink, MEMORY, IO. */
enum ew_status ew_study_run_trial(struct ew_study_runner *r, size_t index);

/* Runs what is left of the section `quality`, job by job, and stores what each says. A child that goes wrong is left
 * out with its reason. out: what was stopped, and counts. Errors: those of the sink, MEMORY, IO. */
enum ew_status ew_study_run_quality(struct ew_study_runner *r, struct ew_study_outcome *out);

/* A cancelled step is no error: *out says that the study was stopped, and by what. */
enum ew_status ew_study_note_stop(enum ew_status status, struct ew_study_outcome *out);

/* Whether `next` fits into the budgets; otherwise out says which it does not. */
bool ew_study_budget_left(const struct ew_study_runner *r, const struct ew_next_trial *next,
                          struct ew_study_outcome *out);

/* Puts the machine's settings back as they were found. A failure is said, and returned. */
enum ew_status ew_study_restore_device(struct ew_study_runner *r);

#endif
