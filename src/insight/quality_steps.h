/* What each step of quantization costs: of the files of one model, ordered by size, each against the next larger one.
 * Only what compares is held against each other, and a difference is claimed only where intervals do not overlap.
 * docs/insight.md, "Quality", has the formulas. Pure. */
#ifndef EW_INSIGHT_QUALITY_STEPS_H
#define EW_INSIGHT_QUALITY_STEPS_H

#include "insight/insight.h"

enum { EW_STEP_MOST_TASKS = 8 };

/* Perplexity of the smaller file ÷ that of the larger one, on one text. */
struct ew_step_perplexity {
    const char *data; /* NULL: nothing compares */
    double ratio, low, high;
    bool paired;     /* from differences token by token, not from two perplexities */
    bool told_apart; /* the interval leaves out 1 */
    int64_t n;       /* scored tokens */
};

struct ew_step_divergence {
    const char *data;      /* NULL: none */
    const char *reference; /* as the run names it */
    bool from_larger;      /* the reference is the larger file of this step */
    double kl, same_top;   /* of the smaller file, against the reference */
    double kl_before;      /* of the larger file, against the same; NAN */
};

struct ew_step_task {
    const char *data;
    const struct ew_quality_record *from, *to;
    bool told_apart; /* the two intervals do not overlap */
};

struct ew_quality_step {
    const struct ew_model_record *from, *to;
    const char *kv_from, *kv_to;                    /* "f16" */
    const struct ew_insight_config *before, *after; /* alike but for the file: where speeds come from; NULL */
    double size_ratio, memory_ratio;                /* smaller ÷ larger; NAN unknown */
    double decode_ratio, joules_ratio;
    bool decode_told_apart, joules_told_apart;
    struct ew_step_perplexity perplexity;
    struct ew_step_divergence divergence;
    struct ew_step_task tasks[EW_STEP_MOST_TASKS];
    size_t n_tasks;
    const char *text; /* "Q8_0 → Q4_K_M: 41 % smaller, 1.6 times faster decode; perplexity +0.5 % …" */
};

/* Fills insight->steps from insight->qualities; a step needs at least one figure that compares. Errors: MEMORY. */
enum ew_status ew_quality_steps_find(struct ew_insight *insight, struct ew_error *err);

#endif
