/* Two configurations, or two whole studies, held against each other: every figure with its ratio, interval, effect size
 * and verdict. The statistics are study/comparison.h's; docs/insight.md, "Comparing", has the rules. Pure. */
#ifndef EW_INSIGHT_VERSUS_H
#define EW_INSIGHT_VERSUS_H

#include "insight/insight.h"

#define EW_VERSUS_MARGIN 0.02 /* where the caller has no opinion of what matters */

enum ew_versus_verdict {
    EW_VERSUS_UNKNOWN = 0, /* too few runs, or too much noise, to claim anything */
    EW_VERSUS_BETTER,      /* the second is, in the sense of the figure */
    EW_VERSUS_WORSE,
    EW_VERSUS_SAME, /* shown to lie within the margin */
    EW_VERSUS_VERDICTS
};
const char *ew_versus_verdict_name(enum ew_versus_verdict verdict); /* "better", "no difference" … */

struct ew_versus_figure {
    size_t n_a, n_b;                  /* runs; 0 on a side: nothing to compare */
    double a, b;                      /* medians; NAN without runs */
    double ratio;                     /* b / a; NAN where it cannot be had */
    double low, high;                 /* 95 % interval of the ratio; NAN with fewer than three runs a side */
    double different_p, equivalent_p; /* adjusted for the other pairs in a table of two studies; NAN: no claim */
    double cliff_delta;               /* P(b > a) - P(b < a) */
    double hedges_g;                  /* of logarithms; NAN without spread */
    size_t runs_wanted;               /* rough runs a side to show "no difference"; 0: unknown */
    bool paired;                      /* runs of one block were held against each other */
    enum ew_versus_verdict verdict;
};

/* The second (b) against the first (a). Runs are paired by block where both belong to one study. margin: 0.02 = up to
 * 2 % either way counts as no difference. Errors: MEMORY, LIMIT. */
enum ew_status ew_versus_configs(const struct ew_insight *ia, const struct ew_insight_config *a,
                                 const struct ew_insight *ib, const struct ew_insight_config *b, double margin,
                                 struct ew_versus_figure out[EW_MEASURES], struct ew_error *err);

struct ew_versus_pair {
    const struct ew_insight_config *a, *b;
    bool alike; /* not the same by key: name, type, threads and tokens agree, and `differs` says what does not */
    char differs[160];
    struct ew_versus_figure figure[EW_MEASURES];
};

struct ew_versus {
    const struct ew_insight *a, *b;
    double margin;
    struct ew_versus_pair *pairs; /* in the order of the first study */
    size_t n_pairs;
    const struct ew_insight_config **only_a, **only_b; /* have no counterpart */
    size_t n_only_a, n_only_b;
    size_t count[EW_MEASURES][EW_VERSUS_VERDICTS]; /* pairs with runs on both sides */
    double middle[EW_MEASURES];                    /* median of the pairs' ratios; NAN: none */
};

/* Configurations are matched by key (the model's hash and every knob), then by name, type, threads and tokens where
 * that is unambiguous. p values are adjusted per figure (Benjamini and Hochberg), so that of all differences claimed
 * about 5 in 100 are false. a and b must outlive it. Errors: MEMORY, LIMIT. */
enum ew_status ew_versus_build(const struct ew_insight *a, const struct ew_insight *b, double margin,
                               struct ew_versus **out, struct ew_error *err);
/* The same of two configurations of one study: one pair. Errors: MEMORY, LIMIT. */
enum ew_status ew_versus_build_two(const struct ew_insight *insight, const struct ew_insight_config *a,
                                   const struct ew_insight_config *b, double margin, struct ew_versus **out,
                                   struct ew_error *err);
void ew_versus_close(struct ew_versus **versus);

#endif
