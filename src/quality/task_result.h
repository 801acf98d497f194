/* What came out of a task: per item, and the figures over all items with their 95 % intervals. docs/tasks.md defines
 * every figure. */
#ifndef EW_QUALITY_TASK_RESULT_H
#define EW_QUALITY_TASK_RESULT_H

#include "quality/answer_match.h"

struct ew_ending_score {
    double log_p;      /* Σ ln p of the ending's tokens after its context */
    double token_mean; /* the mean, from the first token on in which the endings differ */
    uint32_t n_tokens;
    uint32_t n_bytes, n_chars; /* of the ending as written, without its delimiter */
    bool greedy;               /* each of its tokens was the most likely one */
};

struct ew_task_outcome {
    const struct ew_task_item *item;
    bool skipped; /* longer than the context; nothing below is set */
    bool right;   /* by the task's own rule */
    /* Of all kinds but EW_TASK_GENERATE: */
    const struct ew_ending_score *endings; /* [item->n_endings] */
    uint32_t chosen[EW_TASK_LENGTHS];      /* the best ending by each rule; the first of equals */
    double true_mass;                      /* of a choice_multi: the share of the true endings' probability */
    /* Of EW_TASK_GENERATE: */
    const char *text;
    uint32_t n_tokens;
    struct ew_answer_match match;
};

/* Which ending is best by a rule. */
uint32_t ew_task_best_ending(const struct ew_ending_score *endings, uint32_t n, enum ew_task_length by);
/* Fills chosen, true_mass and right from endings. */
void ew_task_judge(const struct ew_task_rules *rules, struct ew_task_outcome *outcome);

/* ---- all items ---- */

struct ew_task_count {
    uint64_t n, right;
};

struct ew_task_sums {
    uint64_t n, n_skipped;
    uint64_t right[EW_TASK_LENGTHS]; /* by each rule; of generated answers strict and flexible */
    double mass, mass_squared;       /* of choice_multi */
    double nll, nll_squared;         /* of last words */
    double chance, mass_chance;
    struct ew_task_count *groups; /* [set->n_groups] the caller's, zero-filled at first */
};

void ew_task_sums_add(struct ew_task_sums *sums, const struct ew_task_rules *rules,
                      const struct ew_task_outcome *outcome);

struct ew_task_figure {
    const char *name;        /* "accuracy_char", "mc2", "exact_match", "perplexity" */
    double value, low, high; /* a share 0 … 1, or a perplexity; NAN without items, the ends also with one item where
                                the interval is not Wilson's */
    double chance;           /* what guessing gives; NAN where that says nothing */
};

struct ew_task_result {
    const char *measure; /* "accuracy", "exact_match", "last_word" */
    uint64_t n, n_skipped;
    struct ew_task_figure figures[EW_TASK_LENGTHS];
    size_t n_figures, main; /* figures[main] is the task's own */
};

struct ew_task_result ew_task_result_of(const struct ew_task_sums *sums, const struct ew_task_rules *rules);

/* Wilson's 95 % interval of a share. Source: Wilson 1927, Probable inference, the law of succession, and statistical
 * inference. n >= 1. */
void ew_wilson_interval(uint64_t right, uint64_t n, double *low, double *high);

#endif
