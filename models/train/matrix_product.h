/* The one matrix product that training is made of. Chosen when building: product_openblas.c, or product_plain.c, which
 * needs no library and is for tests: it is slow. Thread-safe; each call runs on the calling thread alone. */
#ifndef EW_TRAIN_MATRIX_PRODUCT_H
#define EW_TRAIN_MATRIX_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

/* A matrix in memory, rows `stride` floats apart; transposed: as if its columns were its rows. */
struct ew_product_side {
    const float *data;
    size_t stride;
    bool transposed;
};

/* c = alpha · a · b + beta · c.   a: [m, k], b: [k, n] after transposition; c: [m, n], rows c_stride apart, apart from
 * a and b. beta 0 overwrites c, whatever was there. */
void ew_product(size_t m, size_t n, size_t k, float alpha, struct ew_product_side a, struct ew_product_side b,
                float beta, float *c, size_t c_stride);

/* "OpenBLAS" or "plain loops". */
const char *ew_product_name(void);

static inline struct ew_product_side ew_side(const float *data, size_t stride) {
    return (struct ew_product_side){data, stride, false};
}
static inline struct ew_product_side ew_side_transposed(const float *data, size_t stride) {
    return (struct ew_product_side){data, stride, true};
}

#endif
