/* A model file with its weights decoded to F32: what a quantized file computes when nothing else is rounded. */
#ifndef EW_TESTS_FLOAT_COPY_H
#define EW_TESTS_FLOAT_COPY_H

/* Writes the copy; fails the test where that cannot be done. */
void float_copy(const char *from, const char *to);

#endif
