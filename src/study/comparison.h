/* Two configurations against each other, everything a report shows of it. Built from bootstrap.h, rank_tests.h,
 * effect_size.h and equivalence.h. Pure and seeded. */
#ifndef EW_STUDY_COMPARISON_H
#define EW_STUDY_COMPARISON_H

#include "study/equivalence.h"
#include "study/rank_tests.h"

/* One figure of one configuration, one value a run. blocks: [n] the interleaved block (repeat) of each run, each at
 * most once, or NULL. */
struct ew_stat_sample {
    const double *values;
    const int64_t *blocks;
    size_t n;
};

enum ew_stat_verdict {
    EW_VERDICT_UNDECIDED = 0, /* not enough data: neither claim can be made */
    EW_VERDICT_DIFFERENT,     /* the ratio is not one */
    EW_VERDICT_EQUIVALENT     /* the ratio lies within the margin; the only way to say "no difference" */
};
const char *ew_stat_verdict_name(enum ew_stat_verdict verdict); /* "not enough data", "different", "equivalent" */

/* Each p is twice the smaller of a t test's (equivalence.h) and a rank test's, capped at 1: the t test sees most in
 * clean noise and, by pairs, through blocks; the ranks see through runs that stall. Where one cannot be had (a value is
 * not positive, fewer than three runs) it is the other's alone. */
struct ew_stat_decision {
    size_t n_a, n_b, n_pairs;     /* n_pairs: blocks with a run on both sides; 0 without blocks */
    bool paired;                  /* the t test used pairs */
    double different_p;           /* NAN: nothing to test */
    double equivalent_p;          /* NAN without a margin */
    enum ew_stat_verdict verdict; /* of both at 0.05 */
    struct ew_stat_equivalence test;
    double rank_different_p, rank_equivalent_p; /* Mann-Whitney on all runs */
};

/* paired asks for pairs; with fewer than EW_STAT_FEWEST_PAIRS of them groups are compared. Runs of a block that the
 * other side lacks are left out of paired figures only. margin: 0.02 = ratios between 1 / 1.02 and 1.02 count as no
 * difference; 0 = no equivalence claim is possible. Resamples nothing. Errors: MEMORY. */
enum { EW_STAT_FEWEST_PAIRS = 5 };
enum ew_status ew_stat_decide(const struct ew_stat_sample *a, const struct ew_stat_sample *b, bool paired,
                              double margin, struct ew_stat_decision *out, struct ew_error *err);

/* The verdict at 0.05, also for p values that were adjusted for many comparisons (multiplicity.h). Equivalence wins: a
 * difference may be real and yet smaller than the margin. NAN claims nothing. */
enum ew_stat_verdict ew_stat_verdict_of(double different_p, double equivalent_p);

struct ew_stat_ratio {
    double value; /* NAN where it cannot be had */
    struct ew_stat_interval interval;
};

struct ew_stat_comparison {
    struct ew_stat_decision decision;
    struct ew_stat_ratio medians;  /* median a / median b, percentile bootstrap */
    struct ew_stat_ratio means;    /* mean a / mean b, studentized bootstrap */
    struct ew_stat_rank_test rank; /* Mann-Whitney, or signed ranks of pairs; shift in the figure's unit */
    double cliff_delta;            /* of all runs, also where the rest is paired */
    double hedges_g;               /* likewise, on logarithms where all values are positive */
};

/* Everything that a report shows of two configurations; ratios by pairs where the decision is. Errors: MEMORY, LIMIT.
 */
enum ew_status ew_stat_compare(const struct ew_stat_sample *a, const struct ew_stat_sample *b, bool paired,
                               double margin, uint64_t seed, struct ew_stat_comparison *out, struct ew_error *err);

#endif
