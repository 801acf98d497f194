/* The nearest orthogonal matrix, roughly: all singular values are pulled towards 1, singular vectors stay. Five steps
 * of X ← a X + (b A + c A²) X with A = X Xᵀ, begun at X = G / ‖G‖; a, b, c are chosen so that small singular values
 * grow fast, so they end between about 0.7 and 1.2 and not at 1, which training does not mind. Source: Jordan et al.
 * 2024, "Muon: an optimizer for hidden layers in neural networks". */
#ifndef EW_TRAIN_NEWTON_SCHULZ_H
#define EW_TRAIN_NEWTON_SCHULZ_H

#include <stdbool.h>
#include <stddef.h>

#define EW_NEWTON_SCHULZ_A 3.4445f
#define EW_NEWTON_SCHULZ_B (-4.7750f)
#define EW_NEWTON_SCHULZ_C 2.0315f
enum { EW_NEWTON_SCHULZ_STEPS = 5 };

/* Floats of scratch for a matrix. */
size_t ew_newton_schulz_scratch(size_t rows, size_t columns);
/* x: [rows, columns], replaced. */
void ew_newton_schulz(size_t rows, size_t columns, float *x, float *scratch);

#endif
