/* t tests of a ratio of two configurations: is it one, and is it within a margin of one? On logarithms, so that "5 %
 * slower" and "5 % faster" are the same distance. The verdict, which also asks the ranks: comparison.h. Pure. */
#ifndef EW_STUDY_EQUIVALENCE_H
#define EW_STUDY_EQUIVALENCE_H

#include "study/statistics.h"

struct ew_stat_equivalence {
    double ratio;        /* of geometric means, a / b; NAN without two positive values a side */
    double low, high;    /* 95 % interval of the ratio */
    double equivalent_p; /* of the two one-sided tests; NAN without a margin */
    double different_p;  /* two-sided t test, ratio = 1 */
    double df;           /* degrees of freedom; Welch's need not be whole */
    double spread;       /* deviation of a difference of two logarithms: 0.02 = about 2 % */
    size_t runs_wanted;  /* rough runs a side to claim equivalence with 80 % power if the ratio is one;
                            0: unknown */
};

/* margin: 0.02 = ratios between 1 / 1.02 and 1.02 count as no difference; 0 = no equivalence claim is possible.
 * Fewer than three values on a side, or one that is not positive: p is NAN.
 * Groups: Welch 1947. Pairs (a[i] and b[i] from one block): one-sample t of log ratios. Equivalence: Schuirmann 1987.
 */
struct ew_stat_equivalence ew_stat_compare_groups(const double *a, size_t na, const double *b, size_t nb,
                                                  double margin);
struct ew_stat_equivalence ew_stat_compare_pairs(const double *a, const double *b, size_t n, double margin);

#endif
