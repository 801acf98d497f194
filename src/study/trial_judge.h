/* What became of a trial: from how its process ended and what it had said. A pure function. */
#ifndef EW_STUDY_TRIAL_JUDGE_H
#define EW_STUDY_TRIAL_JUDGE_H

#include "study/trial_collector.h"

enum { EW_TRIAL_REASON_SIZE = 400 };

struct ew_trial_evidence {
    struct ew_trial_collected said;
    bool timed_out; /* the parent killed it after timeout_s */
    double timeout_s;
    int exit_code;               /* -1 when a signal ended it */
    int signal;                  /* 0 when it exited */
    int64_t oom_kills;           /* by how much the kernel's counter moved meanwhile; EW_MISSING unknown */
    int64_t peak_bytes;          /* most it was seen to take; EW_MISSING unknown */
    int64_t free_at_start_bytes; /* what a new process could take; EW_MISSING unknown */
    const char *stderr_tail;     /* never NULL */
};

/* reason: empty for EW_TRIAL_OK. */
enum ew_trial_status ew_trial_judge(const struct ew_trial_evidence *evidence, char reason[EW_TRIAL_REASON_SIZE]);

#endif
