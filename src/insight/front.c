/* See front.h. web/src/front.js has the same rule for axes that a reader chooses. */
#include "insight/front.h"

#include <math.h>

static bool is_whole(const double *point, size_t n_dims) {
    for (size_t d = 0; d < n_dims; d++)
        if (!isfinite(point[d])) return false;
    return true;
}

static bool beats(const double *a, const double *b, size_t n_dims, const int *sense) {
    bool better = false;
    for (size_t d = 0; d < n_dims; d++) {
        double x = a[d] * sense[d], y = b[d] * sense[d];
        if (x < y) return false;
        better |= x > y;
    }
    return better;
}

void ew_front_mark(const double *values, size_t n, size_t n_dims, const int *sense, bool *on_front) {
    for (size_t i = 0; i < n; i++) {
        const double *point = values + i * n_dims;
        on_front[i] = is_whole(point, n_dims);
        for (size_t j = 0; j < n && on_front[i]; j++) {
            const double *other = values + j * n_dims;
            if (j != i && is_whole(other, n_dims) && beats(other, point, n_dims, sense)) on_front[i] = false;
        }
    }
}
