/* Owns the definition of prefill and decode speed from stamps; docs/trial-protocol.md has the formulas. */
#include "study/trial_speed.h"

#include <math.h>
#include <string.h>

double ew_trial_prefill_speed(const struct ew_trial_record *trial) {
    if (trial->status != EW_TRIAL_OK) return NAN;
    for (size_t i = 0; i < trial->n_phases; i++) {
        const struct ew_phase_record *p = &trial->phases[i];
        if (strcmp(p->name, "prefill") == 0 && p->n_tokens > 0 && p->end_ns > p->begin_ns)
            return (double)p->n_tokens * 1e9 / (double)(p->end_ns - p->begin_ns);
    }
    return NAN;
}

double ew_trial_decode_speed(const struct ew_trial_record *trial) {
    if (trial->status != EW_TRIAL_OK || trial->n_stamps < 2 || trial->last_stamp_ns <= trial->first_stamp_ns)
        return NAN;
    return (double)(trial->n_stamps - 1) * 1e9 / (double)(trial->last_stamp_ns - trial->first_stamp_ns);
}
