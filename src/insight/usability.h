/* Is it pleasant to use? Plain classes of a configuration, each with its thresholds and their source. */
#ifndef EW_INSIGHT_USABILITY_H
#define EW_INSIGHT_USABILITY_H

#include "edgewise/status.h"

#include <stddef.h>

enum ew_use_class {
    EW_USE_INTERACTIVE = 0, /* as fast as a hosted assistant */
    EW_USE_CONVERSATIONAL,  /* keeps a conversation going */
    EW_USE_READING,         /* text comes at least as fast as one reads */
    EW_USE_SPEECH,          /* text comes at least as fast as one speaks */
    EW_USE_CLASSES
};

struct ew_use_threshold {
    const char *key, *name, *rule, *source;
    double ttft_s;           /* longest wait for the first token; INFINITY = not asked */
    double time_per_token_s; /* longest mean time per token */
};
const struct ew_use_threshold *ew_use_threshold(enum ew_use_class use);

/* 1 met, 0 not met, -1 unknown (a figure it asks for is NAN). */
int ew_use_meets(enum ew_use_class use, double ttft_s, double decode_tokens_per_s);

/* A class of the user's own. */
enum { EW_MOST_OWN_USES = 8 };
struct ew_own_use {
    char name[32];
    double ttft_s, time_per_token_s; /* INFINITY = not asked */
    char rule[112];                  /* in words */
};

/* "kiosk=1s,200ms": first token within 1 s, then 200 ms per token or less; either may be left out ("kiosk=,200ms").
 * Errors: ARGUMENT, naming text and rule. */
enum ew_status ew_use_parse(const char *text, struct ew_own_use *out, struct ew_error *err);
int ew_use_meets_own(const struct ew_own_use *use, double ttft_s, double decode_tokens_per_s); /* as ew_use_meets */

/* Silent reading in tokens per second: 238 words/min at 4 tokens per 3 words. */
double ew_use_reading_tokens_per_s(void);

#endif
