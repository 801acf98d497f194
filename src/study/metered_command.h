/* A child under a study's meters whose output is kept whole: `edgewise eval`. Trials, whose output is a protocol:
 * trial_run.h; any program in the place of a shell: command_run.h. */
#ifndef EW_STUDY_METERED_COMMAND_H
#define EW_STUDY_METERED_COMMAND_H

#include "study/study_meters.h"
#include "study/trial_judge.h"

struct ew_metered_setup {
    const char *const *argv; /* NULL-terminated */
    double timeout_s;
    struct ew_study_meters *meters; /* may be NULL: no energy */
    const volatile int *stop;       /* becomes non-zero: kill it and give up. May be NULL */
    void (*tick)(void *context);    /* about ten times a second. May be NULL */
    void *context;
};

struct ew_metered_result {
    enum ew_trial_status status;
    char reason[EW_TRIAL_REASON_SIZE]; /* why not ok */
    char *output;                      /* [n_output] of stdout; ends with a NUL behind it */
    size_t n_output;
    int64_t begin_ns, end_ns;
    double joules; /* gross; NAN without a meter that lasted */
};

/* A child that goes wrong is a result. Errors: CANCELLED, MEMORY, IO, and what starting it gives. *out:
 * ew_metered_result_close. */
enum ew_status ew_metered_command_run(const struct ew_metered_setup *setup, struct ew_metered_result *out,
                                      struct ew_error *err);
void ew_metered_result_close(struct ew_metered_result *result);

#endif
