/* Private to the study runner: what the section `quality` of a study comes down to. A job is one start of `edgewise
 * eval`: a model file with a KV type, on one text, one task, or one set of prompts. Only those are listed whose figures
 * the store does not have yet. */
#ifndef EW_STUDY_QUALITY_JOBS_H
#define EW_STUDY_QUALITY_JOBS_H

#include "study/eval_figures.h"
#include "study/prompt_set.h"
#include "study/study_plan.h"
#include "study/study_sink.h"

enum ew_quality_kind { EW_QUALITY_TEXT, EW_QUALITY_TASK, EW_QUALITY_ANSWERS };

/* A file that models are asked about. */
struct ew_quality_data {
    enum ew_quality_kind kind;
    const struct ew_study_text *text; /* of a text */
    char *path;
    char name[EW_DATA_NAME], hash[EW_DATA_HASH];
    double tokens;                /* about */
    struct ew_prompt_set prompts; /* of a set of prompts */
};

struct ew_quality_job {
    size_t data, order;                  /* index of its data; place in which it was listed */
    const struct ew_model_record *model; /* of the study, or the reference beside it */
    int64_t model_id;                    /* EW_MISSING: a reference only, whose own figures are not kept */
    const char *kv_type;                 /* NULL = "f16" */
    int64_t context;                     /* of a text: tokens of a window */
    char settings[EW_TEXT_SETTINGS];
    char *run;       /* file of a reference run; NULL: no divergence is asked for, or it is known */
    bool writes_run; /* it is the reference */
    double cost;     /* in proportion to the time it takes */
    /* While they are listed: what the store has of it. */
    bool has_value, has_divergence;
};

struct ew_quality_jobs {
    struct ew_quality_data *data;
    size_t n_data;
    struct ew_quality_job *jobs; /* [n] in the order to run */
    size_t n;
    size_t n_known;                 /* jobs that were left out because the store has their figures */
    size_t n_synthetic;             /* model files that are not asked: random weights */
    struct ew_model_record outside; /* a reference that is none of the study's models */
    char *folder;                   /* of reference runs */
    uint64_t *runs;                 /* [n_runs] by their names: of all jobs, also those that need not run */
    size_t n_runs;
};

/* plan: its configurations know their models' rows, and it is told what is left out: files that cannot be read,
 * divergences without a reference. study_id: the study's row. Errors: MEMORY, those of the sink. *out:
 * ew_quality_jobs_close; it stays where it is, as jobs point into it. */
enum ew_status ew_quality_jobs_make(const struct ew_study_file *study, const struct ew_located_models *models,
                                    struct ew_study_plan *plan, const struct ew_study_sink *sink, int64_t study_id,
                                    struct ew_quality_jobs *out, struct ew_error *err);
/* Reference runs are large, and worth nothing once all were held against them. What a killed study left of them goes,
 * too.
 */
void ew_quality_jobs_remove_runs(const struct ew_quality_jobs *jobs);
void ew_quality_jobs_close(struct ew_quality_jobs *jobs);

#endif
