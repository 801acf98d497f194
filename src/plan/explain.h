/* Plans as text, so that a person can read what will happen. */
#ifndef EW_PLAN_EXPLAIN_H
#define EW_PLAN_EXPLAIN_H

#include "plan/plan.h"

/* One line per op; layers that do the same are told once. Owned by the caller (free); NULL when memory is short. */
char *ew_plan_explain(const struct ew_plan *plan);

#endif
