/* A model file with its weights decoded to F32: what a quantized file computes when nothing else is rounded. Or with
 * its matrices in F16. */
#ifndef EW_TESTS_FLOAT_COPY_H
#define EW_TESTS_FLOAT_COPY_H

#include "edgewise/quantize.h"

/* Writes the copy, matrices in F32 or F16; fails the test where that cannot be done. */
void float_copy(const char *from, const char *to, enum ew_type matrices);

#endif
