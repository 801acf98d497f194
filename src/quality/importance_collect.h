/* Gathers an importance matrix while a session evaluates a text. */
#ifndef EW_QUALITY_IMPORTANCE_COLLECT_H
#define EW_QUALITY_IMPORTANCE_COLLECT_H

#include "edgewise/session.h"
#include "quality/importance.h"

/* From now on the session adds the input of every product to importance, which outlives the session's evaluations or
 * is taken away with NULL. Every matrix of the model has an entry afterwards; entries that are there must fit. All
 * tokens that are evaluated count, in the head's entry those whose logits are asked for. Errors: SHAPE, LIMIT, MEMORY,
 * UNSUPPORTED (the session's backend shows no inputs). */
enum ew_status ew_importance_observe(struct ew_session *session, struct ew_importance *importance,
                                     struct ew_error *err);

#endif
