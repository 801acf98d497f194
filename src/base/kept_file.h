/* A small file that is read again and again, as sensors in /sys and counters in /proc are: opened at its first reading
 * and kept open, each reading one pread from the start. */
#ifndef EW_BASE_KEPT_FILE_H
#define EW_BASE_KEPT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* {0} is closed and may be closed again. Not thread-safe. */
struct ew_kept_file {
    char *path;    /* root and path; owned */
    bool recorded; /* below a root: plain files, which may be replaced, so they are opened at every reading */
    int fd;        /* -1 while it is not open */
};

/* Notes root/path without opening it; a file that appears later is found then. path starts with '/'; root NULL or ""
 * means the real file system. false with errno set (ENOMEM, ENAMETOOLONG), and *file is then {0}. */
bool ew_kept_file_set(struct ew_kept_file *file, const char *root, const char *path);
void ew_kept_file_close(struct ew_kept_file *file);

/* Reads at most capacity - 1 bytes from the start into buf, NUL-terminated, trailing white space cut. A file whose
 * device went away and came back (ENODEV, ESTALE) is opened once more. Returns the length, or -1 with errno set (EBADF
 * for a closed one); after an error the next reading tries to open it again. */
ssize_t ew_kept_file_read(struct ew_kept_file *file, char *buf, size_t capacity);

/* The same, parsed as one decimal integer. false with errno set (EINVAL when it is no number). */
bool ew_kept_file_read_i64(struct ew_kept_file *file, int64_t *out);

#endif
