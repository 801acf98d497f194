/* The two speeds of a trial, for progress lines and for deciding when enough has been repeated. Reports derive their
 * figures from the store: src/insight. */
#ifndef EW_STUDY_TRIAL_SPEED_H
#define EW_STUDY_TRIAL_SPEED_H

#include "study/study_record.h"

/* Prompt tokens per second of the prefill phase; NAN when there is none, or the trial did not end well. */
double ew_trial_prefill_speed(const struct ew_trial_record *trial);
/* Tokens 2 … n per second; NAN as above. */
double ew_trial_decode_speed(const struct ew_trial_record *trial);

#endif
