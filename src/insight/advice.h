/* The answer in words, and what changes it. Called by ew_insight_build when every figure is there. */
#ifndef EW_INSIGHT_ADVICE_H
#define EW_INSIGHT_ADVICE_H

#include "insight/insight.h"

/* Fill insight->answers and insight->caveats. Errors: MEMORY. */
enum ew_status ew_advice_answer(struct ew_insight *insight, struct ew_error *err);
enum ew_status ew_advice_warn(struct ew_insight *insight, struct ew_error *err);

/* Bits per weight of the file; NAN when unknown. */
double ew_advice_bits_per_weight(const struct ew_model_record *model);

/* Seconds that one prompt and its answer take: prompt / prefill + generated / decode. NAN when unknown. */
double ew_advice_request_s(const struct ew_insight_config *config);

#endif
