/* The harness of the kernel checks: seeded random input, buffers with guard bytes at any misalignment, and comparison
 * of floats exactly or within a stated bound. A failed check prints what differed, is counted, and never stops the run.
 */
#ifndef EW_TESTS_CHECK_KERNEL_H
#define EW_TESTS_CHECK_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- random input; the same seed gives the same values everywhere ---- */

struct ew_check_rng {
    uint64_t state;
};
uint64_t ew_check_random(struct ew_check_rng *rng);
float ew_check_uniform(struct ew_check_rng *rng, float low, float high);
/* An integer in [low, high]. */
int ew_check_integer(struct ew_check_rng *rng, int low, int high);
void ew_check_fill_uniform(struct ew_check_rng *rng, float *x, size_t n, float low, float high);
/* Small integers, so that sums of products are exact in any order. */
void ew_check_fill_integers(struct ew_check_rng *rng, float *x, size_t n, int low, int high);
void ew_check_fill_bytes(struct ew_check_rng *rng, void *data, size_t n);

/* ---- guarded memory ---- */

struct ew_check_buffer {
    void *data; /* size bytes, misalign bytes after a 64-byte boundary; filled with a pattern */
    size_t size;
    void *base;
    size_t mapped_bytes; /* 0: base is from aligned_alloc */
};
/* Aborts when memory is short. misalign < 64. */
struct ew_check_buffer ew_check_alloc(size_t size, size_t misalign);
/* Memory that ends exactly where an unreadable page begins, so that reading past it stops the run with a fault. For
 * inputs whose alignment follows from their size; needs no guard check. */
struct ew_check_buffer ew_check_alloc_at_end(size_t size);
/* Whether the bytes before and after are untouched; counts and prints a failure otherwise. */
bool ew_check_guards(const struct ew_check_buffer *buffer, const char *what);
void ew_check_free(struct ew_check_buffer *buffer);

/* ---- comparison; `what` names the case in the message ---- */

bool ew_check_true(bool ok, const char *what);
bool ew_check_equal(float got, float want, const char *what, size_t index);
/* |got - want| <= bound; a NaN never passes. */
bool ew_check_near(float got, double want, double bound, const char *what, size_t index);

/* ---- the run ---- */

/* Whether a variant is to be checked: each, or those that the environment's EW_CHECK_VARIANTS lists by spaces. */
bool ew_check_wants(const char *isa);
/* Prints "N checks, N failed" and returns the exit status, which is a failure too when there was no check at all. */
int ew_check_finish(void);

#endif
