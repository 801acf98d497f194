/* Owns the correction of many p values. */
#include "study/multiplicity.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

struct entry {
    double p;
    size_t index;
};

static int compare(const void *a, const void *b) {
    double x = ((const struct entry *)a)->p, y = ((const struct entry *)b)->p;
    return (x > y) - (x < y);
}

/* The entries that are numbers, smallest first; the caller frees them. */
static enum ew_status sort_entries(const double *p, size_t n, struct entry **out, size_t *n_out, struct ew_error *err) {
    struct entry *entries = calloc(n + 1, sizeof *entries);
    if (!entries) return ew_error_set(err, EW_ERR_MEMORY, "multiplicity: no memory for %zu values", n);
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(p[i])) entries[m++] = (struct entry){p[i], i};
    qsort(entries, m, sizeof *entries, compare);
    *out = entries;
    *n_out = m;
    return EW_OK;
}

enum ew_status ew_stat_adjust_holm(double *p, size_t n, struct ew_error *err) {
    struct entry *entries = NULL;
    size_t m = 0;
    enum ew_status status = sort_entries(p, n, &entries, &m, err);
    if (status != EW_OK) return status;
    double most = 0;
    for (size_t i = 0; i < m; i++) {
        most = fmax(most, fmin(1, entries[i].p * (double)(m - i)));
        p[entries[i].index] = most;
    }
    free(entries);
    return EW_OK;
}

enum ew_status ew_stat_adjust_benjamini_hochberg(double *p, size_t n, struct ew_error *err) {
    struct entry *entries = NULL;
    size_t m = 0;
    enum ew_status status = sort_entries(p, n, &entries, &m, err);
    if (status != EW_OK) return status;
    double least = 1;
    for (size_t i = m; i-- > 0;) {
        least = fmin(least, entries[i].p * (double)m / (double)(i + 1));
        p[entries[i].index] = least;
    }
    free(entries);
    return EW_OK;
}
