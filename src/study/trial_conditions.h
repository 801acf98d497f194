/* The circumstances of a trial: what the machine says just before and just after it. */
#ifndef EW_STUDY_TRIAL_CONDITIONS_H
#define EW_STUDY_TRIAL_CONDITIONS_H

#include "machine/machine.h"
#include "machine/processor_time.h"
#include "study/study_record.h"

struct ew_conditions_snapshot {
    struct ew_machine_throttle throttle;
    double cpu_c;                          /* NAN unknown */
    int64_t swap_in_pages, swap_out_pages; /* since boot; EW_MISSING unknown */
    int64_t own_cpu_ns;                    /* of this process */
    struct ew_processor_time processors;   /* all 0 unknown */
};

/* Refreshes the machine. root: as for ew_machine_open. */
struct ew_conditions_snapshot ew_conditions_take(struct ew_machine *machine, const char *root);

/* Fills everything that two snapshots say: temperatures, throttling, swapping, own time, and what others took of the
 * processors. engine_ns: what the engine took meanwhile, with all that it started. `throttled` is set where they say
 * so, and otherwise stays; notes [capacity] then get why. */
void ew_conditions_compare(const struct ew_conditions_snapshot *before, const struct ew_conditions_snapshot *after,
                           int64_t engine_ns, struct ew_trial_conditions *out, char *notes, size_t capacity);

/* Whether others took so much that speeds are not those of a quiet machine: a tenth of all CPU time, as where
 * `edgewise doctor` warns. */
bool ew_conditions_crowded(const struct ew_trial_conditions *conditions);

/* Processor time of this process with all its threads, without children. */
int64_t ew_conditions_own_cpu_ns(void);
/* Its largest resident set so far. */
int64_t ew_conditions_own_max_rss_bytes(void);

#endif
