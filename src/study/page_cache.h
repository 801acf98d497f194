/* One file's pages in the page cache: how many are there, dropping them, reading them in. Nothing else of the cache is
 * touched, and no rights are needed. */
#ifndef EW_STUDY_PAGE_CACHE_H
#define EW_STUDY_PAGE_CACHE_H

#include "edgewise/status.h"

/* The share that is resident, 0 … 1. NAN where it cannot be known: Linux tells it only to a file's owner and to those
 * who may write it (mincore(2)). */
double ew_page_cache_share(const char *path);

/* Writes back what is dirty and drops the file's pages. Pages that somebody has mapped, and files of a file system that
 * lives in memory, stay: ask for the share afterwards. Errors: NOT_FOUND, IO. */
enum ew_status ew_page_cache_drop(const char *path, struct ew_error *err);

/* Reads the whole file. *stop (may be NULL) non-zero: no further. Errors: NOT_FOUND, IO, MEMORY, CANCELLED. */
enum ew_status ew_page_cache_fill(const char *path, const volatile int *stop, struct ew_error *err);

#endif
