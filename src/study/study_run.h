/* Runs the trials of a study one after the other, and goes on where an earlier run stopped. */
#ifndef EW_STUDY_STUDY_RUN_H
#define EW_STUDY_STUDY_RUN_H

#include "machine/machine.h"
#include "study/study_meters.h"
#include "study/study_plan.h"
#include "study/study_sink.h"

struct ew_study_progress {
    size_t done, total; /* trials */
    const struct ew_located_model *model;
    const struct ew_config_record *config;
    int64_t repeat;
    const char *phase;                                /* of the running trial; may be NULL */
    double seconds_left;                              /* of the whole study */
    double fraction;                                  /* of its time, 0 … 1 */
    double degrees_c;                                 /* NAN: no temperature yet */
    double prefill_tokens_per_s, decode_tokens_per_s; /* of the trial that ended last; NAN */
};

/* A job of the section `quality`. */
struct ew_quality_progress {
    size_t done, total;
    const struct ew_model_record *model;
    const char *kv_type;  /* NULL = "f16" */
    const char *what;     /* "perplexity", "task", "answers" */
    const char *data;     /* by name */
    double seconds_left;  /* of all of them; a rough guess until one has ended */
    double value;         /* finished: its first figure; NAN: there is none */
    const char *left_out; /* finished: why there is nothing; NULL otherwise */
};

/* All members may be NULL. */
struct ew_study_watcher {
    void *context;
    void (*begun)(void *context, size_t done, size_t total, const struct ew_study_meters *meters);
    void (*resting)(void *context, const char *place, double seconds);
    void (*tick)(void *context, const struct ew_study_progress *progress);
    void (*finished)(void *context, const struct ew_study_progress *progress, const struct ew_trial_record *trial);
    void (*asking)(void *context, const struct ew_quality_progress *progress); /* as tick, while a job runs */
    void (*asked)(void *context, const struct ew_quality_progress *progress);  /* it has ended */
    void (*said)(void *context, const char *line);                             /* something that a person should know */
};

struct ew_study_request {
    const struct ew_study_file *study;
    const struct ew_located_models *models; /* described */
    struct ew_machine *machine;             /* read again around each trial */
    const char *root;                       /* as for ew_machine_open; may be NULL */
    struct ew_plan_limits limits;
    const char *const *engine; /* command, NULL-terminated */
    const char *program; /* edgewise itself, for `eval`; NULL: the engine is another one, whose quality is not ours */
    const struct ew_study_sink *sink;
    const struct ew_meter_config *meters; /* may be NULL */
    const char *version;
    const char *kernels;           /* for each trial's spec; may be NULL */
    const volatile int *stop_soon; /* non-zero: finish the running trial, then return */
    const volatile int *stop_now;  /* non-zero: end the running trial; it is repeated next time */
    struct ew_study_watcher watcher;
};

struct ew_study_outcome {
    int64_t study_id;
    size_t total;                    /* trials in the plan, without those that turned out not to be needed */
    size_t done;                     /* have a result, from now or earlier */
    size_t count[EW_TRIAL_STATUSES]; /* by status */
    bool stopped;                    /* by stop_soon or stop_now, or by a budget */
    size_t quality_total, quality_done, quality_left_out; /* jobs of the section `quality` */
    char stopped_why[200]; /* "interrupted", or the budget that would be exceeded; "" = not stopped */
};

int64_t ew_study_unix_now_ns(void); /* wall-clock, for records */

/* Errors: what the sink, the meters or starting the engine give; *out is set in any case once the plan is known. A
 * child that fails is no error. */
enum ew_status ew_study_run(const struct ew_study_request *request, struct ew_study_outcome *out, struct ew_error *err);

#endif
