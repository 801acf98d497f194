/* Words for the states of a trial, as the store and every output spell them. */
#include "study/study_record.h"

#include <string.h>

static const char *const names[EW_TRIAL_STATUSES] = {
    [EW_TRIAL_PLANNED] = "planned", [EW_TRIAL_RUNNING] = "running", [EW_TRIAL_OK] = "ok",
    [EW_TRIAL_FAILED] = "failed",   [EW_TRIAL_CRASHED] = "crashed", [EW_TRIAL_TIMEOUT] = "timeout",
    [EW_TRIAL_OOM] = "oom",
};

const char *ew_trial_status_name(enum ew_trial_status status) {
    return (size_t)status < EW_TRIAL_STATUSES ? names[status] : "unknown";
}

bool ew_trial_status_parse(const char *text, enum ew_trial_status *out) {
    for (int i = 0; i < EW_TRIAL_STATUSES; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = (enum ew_trial_status)i;
        return true;
    }
    return false;
}
