/* Many tests at once: p values made larger so that a table of comparisons keeps its promise. Pure. */
#ifndef EW_STUDY_MULTIPLICITY_H
#define EW_STUDY_MULTIPLICITY_H

#include "edgewise/status.h"
#include <stddef.h>

/* p: [n], changed in place; NAN entries stay and are not counted. Afterwards "p <= 0.05" means:
 * holm: at most 5 in 100 whole tables have any false claim (Holm 1979);
 * benjamini_hochberg: at most 5 in 100 claims are false on average (Benjamini and Hochberg 1995). Errors: MEMORY. */
enum ew_status ew_stat_adjust_holm(double *p, size_t n, struct ew_error *err);
enum ew_status ew_stat_adjust_benjamini_hochberg(double *p, size_t n, struct ew_error *err);

#endif
