/* One trial from outside: starts the engine, meters it, judges how it ended. Its result is a record, whatever
 * happened to the child; errors are only what the parent itself could not do. */
#ifndef EW_STUDY_TRIAL_RUN_H
#define EW_STUDY_TRIAL_RUN_H

#include "study/study_meters.h"
#include "study/trial_judge.h"
#include "study/trial_spec.h"

#include <sched.h>

struct ew_trial_setup {
    const char *const *engine; /* command, NULL-terminated */
    struct ew_trial_spec spec;
    const cpu_set_t *cpus; /* cores it may run on; NULL = all of ours */
    double timeout_s;
    struct ew_study_meters *meters;                 /* may be NULL: no samples */
    const volatile int *stop;                       /* becomes non-zero: kill the child and give up. May be NULL */
    void (*tick)(void *context, const char *phase); /* about ten times a second; phase may be NULL. May be NULL */
    void *tick_context;
};

struct ew_trial_result; /* owns what the record points to */

/* Errors: CANCELLED (*stop), MEMORY, IO, and what starting the command gives. */
enum ew_status ew_trial_run(const struct ew_trial_setup *setup, struct ew_trial_result **out, struct ew_error *err);
void ew_trial_result_close(struct ew_trial_result **result);

/* Everything but ids, key, repeat, position, seed and attempts is set; of the conditions, what the meters say. */
const struct ew_trial_record *ew_trial_result_record(const struct ew_trial_result *result);

#endif
