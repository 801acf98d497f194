/* What else an evaluation said, out of the object that it printed (docs/eval.md). */
#ifndef EW_INSIGHT_QUALITY_FIGURES_H
#define EW_INSIGHT_QUALITY_FIGURES_H

#include <stdbool.h>

/* NAN throughout: not said. */
struct ew_quality_figures {
    double bits_per_byte;
    double kl, kl_error; /* nats, against the reference */
    double same_top, same_top_error;
    double delta_p, delta_p_rms;       /* percentage points */
    double log_ratio, log_ratio_error; /* ln(perplexity / the reference's), of paired differences */
};

/* json NULL or damaged: NAN throughout. */
struct ew_quality_figures ew_quality_figures_read(const char *json);

#endif
