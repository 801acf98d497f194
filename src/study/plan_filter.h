/* Private to the plan: which combinations are left out, and why. */
#ifndef EW_STUDY_PLAN_FILTER_H
#define EW_STUDY_PLAN_FILTER_H

#include "study/study_plan.h"

/* What a value of the knob `cores` is here; NULL = all cores. */
const struct ew_core_set *ew_plan_core_set(const struct ew_study_plan *plan, int64_t value);

/* Whether an entry of configurations or exclude speaks of this model. `model` is a shape, a file's name or path, or
 * box; `type` is the type of synthetic models, and what the file says once models are described. */
bool ew_plan_chooses_model(const struct ew_study_file *study, const struct ew_study_grid *grid,
                           const struct ew_located_model *model);

/* *leave_out: it is not run, and plan->left_out says why. value: [EW_SWEEP_AXES]. Errors: MEMORY. */
enum ew_status ew_plan_filter(const struct ew_study_file *study, const struct ew_plan_limits *limits,
                              const struct ew_located_model *model, const int64_t *value,
                              const struct ew_config_record *config, const struct ew_core_set *cores,
                              struct ew_study_plan *plan, bool *leave_out, struct ew_error *err);

/* Notes a combination that is left out, or one more like it. `n` of *one does not count. Errors: MEMORY. */
enum ew_status ew_study_plan_leave_out(struct ew_study_plan *plan, const struct ew_plan_left_out *one,
                                       struct ew_error *err);

#endif
