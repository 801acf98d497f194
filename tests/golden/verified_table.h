/* The page of verified models, docs/models.md: which architecture was held against exact logits in which format, as the
 * run that wrote it found. */
#ifndef EW_TESTS_VERIFIED_TABLE_H
#define EW_TESTS_VERIFIED_TABLE_H

#include <stdbool.h>

/* A file MODEL-WIDTH-TYPE passed; worst: the largest share of its bound that any path took. */
void verified_add(const char *name, const char *architecture, double worst);

/* A file whose type this build cannot read. */
void verified_skip(const char *name);

/* Replaces what stands between the page's markers; false, with a message, when that fails. */
bool verified_write(const char *path);

#endif
