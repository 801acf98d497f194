/* When a configuration has been repeated often enough. */
#ifndef EW_STUDY_STOPPING_H
#define EW_STUDY_STOPPING_H

#include "study/statistics.h"

/* The fewest repeats after which a configuration can be settled, whatever `min` the user asks for. */
enum { EW_STAT_FEWEST_TO_SETTLE = 6 };

/* values: [n] in the order in which they were measured. True when the 95 % interval of the median was at most ±until of
 * it (0.02 = ±2 %) after the last run and after the one before, both with at least five values: looking after each run
 * stops on lucky streaks, and two looks in a row undo most of that. What is left of the coverage: docs/statistics.md.
 */
bool ew_stat_is_settled(const double *values, size_t n, double until);

#endif
