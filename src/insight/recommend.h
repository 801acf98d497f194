/* "Recommended for you": the configuration to run under the user's own limits, with the reason, and why the others fell
 * out. */
#ifndef EW_INSIGHT_RECOMMEND_H
#define EW_INSIGHT_RECOMMEND_H

#include "insight/insight.h"

enum ew_limit {
    EW_LIMIT_MEMORY = 0, /* most peak memory, bytes */
    EW_LIMIT_TTFT,       /* longest wait for the first token, s */
    EW_LIMIT_SPEED,      /* least decode speed, tokens/s */
    EW_LIMIT_WATTS,      /* most average power in any phase, W */
    EW_LIMIT_JOULES,     /* most gross joules per generated token */
    EW_LIMIT_QUALITY,    /* least quality, in the unit of the model's score */
    EW_LIMITS
};

enum ew_preference { EW_PREFER_QUALITY = 0, EW_PREFER_SPEED, EW_PREFER_ENERGY, EW_PREFER_MEMORY, EW_PREFERENCES };

struct ew_wishes {
    double limit[EW_LIMITS]; /* NAN = not asked */
    enum ew_preference prefer;
};

struct ew_recommendation {
    const struct ew_insight_config *config; /* NULL: nothing meets the limits */
    const char *text;                       /* "Run …" or "Nothing here …"; owned by the insight */
    const char *reason;                     /* why this one; or which limit would have to give, and how far */
    size_t n_meeting;                       /* configurations within all limits */
    size_t broken[EW_LIMITS];  /* how many configurations broke each limit, or lack the figure it asks for */
    size_t unknown[EW_LIMITS]; /* of those, how many lack the figure */
};

struct ew_limit_info {
    const char *option; /* "max-memory" */
    const char *words;  /* "at most %s of memory" */
    const char *unit;
    int sense; /* -1: at most, +1: at least */
};
const struct ew_limit_info *ew_limit_info(enum ew_limit limit);
const char *ew_preference_name(enum ew_preference prefer); /* "quality" */

/* The figure that a limit is held against; NAN = not measured. */
double ew_recommend_value(const struct ew_insight_config *config, enum ew_limit limit);

/* Errors: MEMORY. */
enum ew_status ew_recommend(struct ew_insight *insight, const struct ew_wishes *wishes, struct ew_recommendation *out,
                            struct ew_error *err);

#endif
