/* The Pareto front: the points that no other point beats in one figure without losing in another. */
#ifndef EW_INSIGHT_FRONT_H
#define EW_INSIGHT_FRONT_H

#include <stdbool.h>
#include <stddef.h>

/* values: [n][n_dims], sense: [n_dims] of +1 (more is better) or -1. on_front: [n]. A point with a value that is not
 * finite is not on the front and beats nobody; equal points are all on it. O(n² n_dims): hundreds of points. */
void ew_front_mark(const double *values, size_t n, size_t n_dims, const int *sense, bool *on_front);

#endif
