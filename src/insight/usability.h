/* Is it pleasant to use? Plain classes of a configuration, each with its thresholds and their source. */
#ifndef EW_INSIGHT_USABILITY_H
#define EW_INSIGHT_USABILITY_H

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

/* Silent reading in tokens per second: 238 words/min at 4 tokens per 3 words. */
double ew_use_reading_tokens_per_s(void);

#endif
