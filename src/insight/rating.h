/* How good the model of a configuration is: the figures that were measured of its file, and one number out of them for
 * trade-offs and limits. Quality belongs to a model file and its KV type; threads do not change it. docs/insight.md,
 * "Quality", has the rules. Pure. */
#ifndef EW_INSIGHT_RATING_H
#define EW_INSIGHT_RATING_H

#include "insight/insight.h"

/* The KV type of a record, "f16" where none is said. */
const char *ew_rating_kv(const char *kv_type);

/* Fills insight->qualities, insight->rating and the quality of every configuration. Figures of synthetic weights say
 * nothing about a model and are left out. Errors: MEMORY. */
enum ew_status ew_rating_find(struct ew_insight *insight, struct ew_error *err);

const char *ew_rating_key(enum ew_rating_basis basis);  /* "tasks"; NULL without one */
const char *ew_rating_unit(enum ew_rating_basis basis); /* for the head of a column: "share right" */

/* A figure of this file, or NULL. `like`: of the same measure, data and settings. */
const struct ew_insight_quality *ew_rating_figure(const struct ew_insight *insight, const struct ew_model_record *model,
                                                  const char *kv_type, const struct ew_quality_record *like);

/* Two figures that can be held against each other: same measure, data and settings. */
bool ew_rating_comparable(const struct ew_quality_record *a, const struct ew_quality_record *b);

/* A share of right answers, 0 … 1: accuracy, exact match, last word. */
bool ew_rating_is_share(const struct ew_quality_record *record);

/* What the model knows beyond guessing, per gross joule of a generated token, and per gigabyte (10⁹ bytes) of peak
 * memory. NAN where either is not known. */
double ew_rating_per_joule(const struct ew_insight_config *config);
double ew_rating_per_gb(const struct ew_insight_config *config);

/* Configurations with runs whose quality is not told apart from this one's (the intervals overlap), its own file left
 * out. 0 where there is no interval. */
size_t ew_rating_not_told_apart(const struct ew_insight *insight, const struct ew_insight_config *config);

#endif
