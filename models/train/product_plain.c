/* The matrix product in plain loops, for tests and for machines without OpenBLAS. */
#include "train/matrix_product.h"

static float element(struct ew_product_side side, size_t row, size_t column) {
    return side.transposed ? side.data[column * side.stride + row] : side.data[row * side.stride + column];
}

void ew_product(size_t m, size_t n, size_t k, float alpha, struct ew_product_side a, struct ew_product_side b,
                float beta, float *c, size_t c_stride) {
    for (size_t i = 0; i < m; i++) {
        float *row = c + i * c_stride;
        for (size_t j = 0; j < n; j++) row[j] = beta == 0 ? 0 : beta * row[j];
        for (size_t l = 0; l < k; l++) {
            const float factor = alpha * element(a, i, l);
            for (size_t j = 0; j < n; j++) row[j] += factor * element(b, l, j);
        }
    }
}

const char *ew_product_name(void) { return "plain loops"; }
