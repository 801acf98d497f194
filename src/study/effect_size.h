/* How large a difference is beside the spread. For ratios, which users read first: comparison.h. */
#ifndef EW_STUDY_EFFECT_SIZE_H
#define EW_STUDY_EFFECT_SIZE_H

#include <stddef.h>

/* Hedges' g: (mean a - mean b) / pooled deviation, times the exact correction for small samples. NAN with fewer than
 * two values on a side or without any spread. Source: Hedges 1981. */
double ew_stat_hedges_g(const double *a, size_t na, const double *b, size_t nb);

/* "negligible", "small", "medium", "large" for |delta| below 0.147, 0.33, 0.474 and above; NULL for NAN. Cliff's delta
 * is in rank_tests.h. Source: Romano et al. 2006. */
const char *ew_stat_delta_word(double delta);

#endif
