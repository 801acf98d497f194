/* Whether the processor was slowed down in a stretch of time: by two readings of what the machine counts
 * (machine/heat.h), and by what the meters saw in between, for a state that came and went is in no count. */
#ifndef EW_STUDY_THROTTLE_SPAN_H
#define EW_STUDY_THROTTLE_SPAN_H

#include "machine/machine.h"
#include "study/metering.h"

enum { EW_THROTTLE_WORDS = 640 };

struct ew_throttle_span {
    bool known; /* the machine tells anything about it */
    bool throttled;
    int64_t events;                /* heat, power limit and over-current together; EW_MISSING unknown */
    char words[EW_THROTTLE_WORDS]; /* what slowed it down, joined by "; "; "" = nothing that is known */
    char earlier[EW_MACHINE_TEXT]; /* Raspberry Pi: what did so before, "throttled since boot"; "" = nothing */
};

/* What two readings say. */
struct ew_throttle_span ew_throttle_span_of(const struct ew_machine_throttle *before,
                                            const struct ew_machine_throttle *after);

/* Adds what the meters "cooling" and "pi-throttle" saw from begin_ns to end_ns. After the sampler's stop. */
void ew_throttle_span_add(struct ew_throttle_span *span, const struct ew_metering *metering, int64_t begin_ns,
                          int64_t end_ns);

/* That alone, in words: "cpufreq-cpu0 in 12 of 40 readings, at 30 % of its most; throttled in 3 of 40 readings". false
 * and "" when they saw nothing of it. */
bool ew_throttle_seen(const struct ew_metering *metering, int64_t begin_ns, int64_t end_ns, char *buf, size_t capacity);

#endif
