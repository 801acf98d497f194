/* What is known of each trial of a plan while it runs: done or not, how fast, how long, and so what is left. */
#ifndef EW_STUDY_STUDY_SLOTS_H
#define EW_STUDY_STUDY_SLOTS_H

#include "study/study_budget.h"
#include "study/study_plan.h"
#include "study/study_sink.h"

struct ew_study_slot {
    enum ew_trial_status status;
    double prefill_tokens_per_s, decode_tokens_per_s; /* NAN */
    double seconds;                                   /* 0 = not run */
    double spent_j;                                   /* NAN unknown */
    bool dropped;                                     /* not needed any more: precise enough, or it cannot end well */
};

struct ew_study_slots {
    const struct ew_study_plan *plan;
    struct ew_study_slot *slots; /* [plan->n_trials] */
    size_t n_dropped;
};

/* Reads from the sink what was finished before. Errors: MEMORY, and the sink's. */
enum ew_status ew_study_slots_open(const struct ew_study_plan *plan, const struct ew_study_sink *sink, int64_t study_id,
                                   struct ew_study_slots *out, struct ew_error *err);
void ew_study_slots_close(struct ew_study_slots *slots);

void ew_study_slots_note(struct ew_study_slots *slots, size_t index, const struct ew_trial_record *record);

/* Whether this trial is still to be run. Drops it where its configuration needs no more repeats: both speeds are known
 * within the study's until_interval, or it ran out of memory or time before. */
bool ew_study_slots_wants(struct ew_study_slots *slots, const struct ew_study_file *study, size_t index);

struct ew_slots_estimate {
    size_t done, total;
    double seconds_left, fraction;
};
struct ew_slots_estimate ew_study_slots_estimate(const struct ew_study_slots *slots);

/* What was spent so far by the finished trials of the whole study. */
double ew_study_slots_spent_j(const struct ew_study_slots *slots);
/* What one more trial of this kind takes: the mean of its configuration's, or scaled from the others'. */
struct ew_next_trial ew_study_slots_next(const struct ew_study_slots *slots, size_t index);

#endif
