/* Small text files, as in /proc and /sys, below a root folder (so that recorded trees can stand in for a machine). */
#ifndef EW_BASE_SMALL_FILE_H
#define EW_BASE_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads at most capacity - 1 bytes of root/path into buf, NUL-terminated, trailing white space cut.
 * path starts with '/'; root NULL or "" means the real file system. Returns the length, or -1 with errno set. */
ssize_t ew_small_file_read(const char *root, const char *path, char *buf, size_t capacity);

/* The same, parsed as one decimal integer. false with errno set (EINVAL when it is no number). */
bool ew_small_file_read_i64(const char *root, const char *path, int64_t *out);

/* The whole number in the line of text that begins with "NAME:" or "NAME ", as in /proc/meminfo, /proc/vmstat and
 * /proc/PID/status. false, and *out untouched, when there is no such line or no number in it. */
bool ew_small_file_number(const char *text, const char *name, int64_t *out);

#endif
