/* Which trials a study consists of: every configuration, every repeat, in shuffled blocks. Pure: the same study,
 * models, machine and seed give the same list with the same keys, which is what makes a study resumable. */
#ifndef EW_STUDY_STUDY_PLAN_H
#define EW_STUDY_STUDY_PLAN_H

#include "study/core_set.h"
#include "study/study_device.h"
#include "study/study_models.h"

struct ew_plan_limits {
    int usable_cpus;                      /* most threads that make sense here */
    int all_cores;                        /* what "all" means: physical cores */
    uint64_t cpu_mask;                    /* of every configuration; 0 = all features */
    const char *engine;                   /* command of another engine, or NULL */
    const struct ew_machine *machine;     /* knows the cores; NULL: no study may name any */
    const struct ew_study_device *device; /* says what can be set; NULL: nothing can */
};

struct ew_plan_config {
    size_t model;                   /* index in ew_located_models */
    struct ew_config_record record; /* key and texts are owned; id and model_id are the runner's to fill in */
    char key[17];
    const cpu_set_t *cpus; /* cores it may run on; NULL = all */
    double cost;           /* rough seconds of one trial, for time left until there is something better */
};

struct ew_plan_trial {
    size_t config;
    int64_t repeat;
    char key[17];
};

/* Configurations that are not run, and why. */
struct ew_plan_left_out {
    char what[112]; /* "governor performance", "4 threads on cores 0-1", "as exclude asks" */
    char why[256];  /* "" where what says it all */
    size_t n;
    bool asked; /* by exclude */
};

struct ew_study_plan {
    struct ew_plan_config *configs;
    size_t n_configs;
    struct ew_plan_trial *trials; /* in the order to run: one block per repeat, each shuffled by itself */
    size_t n_trials;
    struct ew_plan_left_out *left_out;
    size_t n_left_out;
    struct ew_core_set *core_sets; /* [the study's words]; private */
};

/* Texts of the configurations belong to study, models and plan, which must live as long.
 * Errors: ARGUMENT with file, line, key, value and rule (more threads than CPUs), LIMIT (too many trials), MEMORY.
 * seed 0 is allowed: the keys do not depend on it. Models must have been located; without records (before describe) the
 * keys are provisional. */
enum ew_status ew_study_plan_make(const struct ew_study_file *study, const struct ew_located_models *models,
                                  const struct ew_plan_limits *limits, uint64_t seed, struct ew_study_plan *out,
                                  struct ew_error *err);
void ew_study_plan_close(struct ew_study_plan *plan);

#endif
