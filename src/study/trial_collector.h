/* Turns the bytes of a trial's stdout into a trial record, line by line, trusting nothing.
 *
 * A line that breaks the protocol is remembered (the first one), and what follows is still read: the phases of a
 * trial that crashed later are worth having. */
#ifndef EW_STUDY_TRIAL_COLLECTOR_H
#define EW_STUDY_TRIAL_COLLECTOR_H

#include "edgewise/status.h"
#include "study/study_record.h"

struct ew_trial_collector;

enum ew_status ew_trial_collector_open(struct ew_trial_collector **out, struct ew_error *err);
void ew_trial_collector_close(struct ew_trial_collector **collector);

/* Bytes as they come. Errors: MEMORY only. */
enum ew_status ew_trial_collector_feed(struct ew_trial_collector *collector, const char *bytes, size_t n,
                                       struct ew_error *err);
/* No more bytes: an unfinished last line is a broken one. */
enum ew_status ew_trial_collector_end(struct ew_trial_collector *collector, struct ew_error *err);

struct ew_trial_collected {
    int64_t pid;              /* from hello; EW_MISSING before it */
    const char *phase;        /* the phase that is open now, or NULL */
    bool done;                /* "done" was seen, and everything a good trial has before it */
    const char *error_status; /* of an error event; NULL = none */
    const char *error_message;
    const char *broken; /* first protocol rule that was broken, in words; NULL = none */
};
/* Strings live as long as the collector. */
struct ew_trial_collected ew_trial_collector_state(const struct ew_trial_collector *collector);

/* Fills what events say: engine*, cpu_features, kernels, ttft_ns, ledger, sample_*, phases (an open one ends at
 * end_ns), stamps. Everything else of *record stays. Pointers live as long as the collector, which must be at its end;
 * phases may be changed by the caller. */
void ew_trial_collector_record(struct ew_trial_collector *collector, int64_t end_ns, struct ew_trial_record *record);

#endif
