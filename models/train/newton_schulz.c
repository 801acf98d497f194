/* Owns the iteration; the Gram matrix is that of the shorter side, from whichever side that is. */
#include "train/newton_schulz.h"

#include "train/matrix_product.h"
#include <math.h>
#include <string.h>

size_t ew_newton_schulz_scratch(size_t rows, size_t columns) {
    const size_t side = rows < columns ? rows : columns;
    return 2 * side * side + rows * columns;
}

void ew_newton_schulz(size_t rows, size_t columns, float *x, float *scratch) {
    const size_t n = rows * columns, side = rows < columns ? rows : columns;
    const bool wide = rows < columns;
    float *gram = scratch, *step = gram + side * side, *before = step + side * side;
    double square = 0;
    for (size_t i = 0; i < n; i++) square += (double)x[i] * (double)x[i];
    const float shrink = (float)(1 / (sqrt(square) + 1e-12));
    for (size_t i = 0; i < n; i++) x[i] *= shrink;
    for (int round = 0; round < EW_NEWTON_SCHULZ_STEPS; round++) {
        memcpy(before, x, n * sizeof *x);
        const struct ew_product_side straight = ew_side(before, columns), turned = ew_side_transposed(before, columns);
        ew_product(side, side, wide ? columns : rows, 1, wide ? straight : turned, wide ? turned : straight, 0, gram,
                   side);
        memcpy(step, gram, side * side * sizeof *step);
        ew_product(side, side, side, EW_NEWTON_SCHULZ_C, ew_side(gram, side), ew_side(gram, side), EW_NEWTON_SCHULZ_B,
                   step, side);
        ew_product(rows, columns, side, 1, wide ? ew_side(step, side) : straight, wide ? straight : ew_side(step, side),
                   EW_NEWTON_SCHULZ_A, x, columns);
    }
}
