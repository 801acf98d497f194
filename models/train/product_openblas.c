/* The matrix product by OpenBLAS, one thread a call: threads of training each have sequences of their own, which needs
 * no waiting inside a product. */
#include "train/matrix_product.h"

#include <cblas.h>

/* Before main: the library starts its threads when it is first used. */
__attribute__((constructor)) static void one_thread_a_call(void) { openblas_set_num_threads(1); }

void ew_product(size_t m, size_t n, size_t k, float alpha, struct ew_product_side a, struct ew_product_side b,
                float beta, float *c, size_t c_stride) {
    cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
                (blasint)m, (blasint)n, (blasint)k, alpha, a.data, (blasint)a.stride, b.data, (blasint)b.stride, beta,
                c, (blasint)c_stride);
}

const char *ew_product_name(void) { return "OpenBLAS"; }
