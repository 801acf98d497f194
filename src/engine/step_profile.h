/* Where the time of evaluations goes: by kind of operation, work and waiting apart, with the bytes that were moved.
 * Costs nothing until it is asked for, and then two looks at the clock per operation and thread. */
#ifndef EW_ENGINE_STEP_PROFILE_H
#define EW_ENGINE_STEP_PROFILE_H

#include "edgewise/session.h"
#include <stddef.h>

enum { EW_STEP_ROWS = 32, EW_STEP_NAME = 48 };

/* Operations of one kind in all layers; products by the weights that they take. Times are means over the threads. */
struct ew_step_row {
    char name[EW_STEP_NAME]; /* "ffn_gate + ffn_up" */
    uint32_t n_ops;
    double busy_s; /* at work */
    double wait_s; /* for other threads, before it could begin or go on */
    double bytes;  /* weights, keys and values, per call as in plan/cost.h; 0: none */
};

struct ew_step_profile {
    size_t n_rows;
    struct ew_step_row row[EW_STEP_ROWS]; /* in the order of the plan; the last takes in what finds no row */
    double busy_s, wait_s;                /* of all */
};

/* Begins to count, all figures at 0. Errors: MEMORY. */
enum ew_status ew_step_profile_begin(struct ew_session *session, struct ew_error *err);

/* What was counted since. Bytes are those of one call with n_tokens after depth positions. Errors: MEMORY. */
enum ew_status ew_step_profile_read(const struct ew_session *session, uint32_t n_tokens, uint32_t depth,
                                    struct ew_step_profile *out, struct ew_error *err);

#endif
