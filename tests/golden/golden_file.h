/* Reads files of expected values: whole files, and lists or numbers behind a key of their JSON. For trusted test data
 * of known shape only, so that golden tests also run where no JSON library is installed (cross builds). */
#ifndef EW_TESTS_GOLDEN_FILE_H
#define EW_TESTS_GOLDEN_FILE_H

#include <stddef.h>
#include <stdint.h>

/* The file's bytes, NUL-terminated (free them); NULL when it cannot be opened. */
char *golden_read(const char *path, size_t *size);

/* Integers of the first list named key at or after *json, which moves behind it; returns how many, at most capacity.
 * 0 with *json = NULL when there is none. */
size_t golden_ints(const char **json, const char *key, int32_t *out, size_t capacity);

/* The first number named key behind the first mention of "within" (NULL: from the start). Fails the test if absent. */
double golden_number(const char *json, const char *within, const char *key);

#endif
