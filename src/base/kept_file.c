/* Owns files that stay open between readings. One pread is one reading: the kernel makes the text of a sensor's file at
 * that moment, in one piece. Files that are read once are in small_file.h. */
#include "base/kept_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ew_kept_file_set(struct ew_kept_file *file, const char *root, const char *path) {
    *file = (struct ew_kept_file){.fd = -1};
    size_t n_root = root ? strlen(root) : 0, n_path = strlen(path);
    if (n_root >= PATH_MAX || n_path >= PATH_MAX - n_root) {
        errno = ENAMETOOLONG;
        return false;
    }
    file->path = malloc(n_root + n_path + 1);
    if (!file->path) return false;
    if (n_root) memcpy(file->path, root, n_root);
    memcpy(file->path + n_root, path, n_path + 1);
    file->recorded = n_root > 0;
    return true;
}

static void release(struct ew_kept_file *file) {
    int e = errno;
    if (file->path && file->fd >= 0) close(file->fd);
    file->fd = -1;
    errno = e;
}

void ew_kept_file_close(struct ew_kept_file *file) {
    release(file);
    free(file->path);
    *file = (struct ew_kept_file){.fd = -1};
}

static ssize_t read_now(struct ew_kept_file *file, char *buf, size_t capacity) {
    if (file->fd < 0) file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0) return -1;
    ssize_t got;
    do got = pread(file->fd, buf, capacity - 1, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 || file->recorded) release(file);
    return got;
}

ssize_t ew_kept_file_read(struct ew_kept_file *file, char *buf, size_t capacity) {
    if (!file->path || capacity == 0) {
        errno = file->path ? EINVAL : EBADF;
        return -1;
    }
    bool kept = file->fd >= 0;
    ssize_t got = read_now(file, buf, capacity);
    if (got < 0 && kept && (errno == ENODEV || errno == ESTALE)) got = read_now(file, buf, capacity);
    if (got < 0) return -1;
    while (got > 0 && isspace((unsigned char)buf[got - 1])) got--;
    buf[got] = 0;
    return got;
}

bool ew_kept_file_read_i64(struct ew_kept_file *file, int64_t *out) {
    char text[64];
    if (ew_kept_file_read(file, text, sizeof text) < 0) return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text) {
        errno = EINVAL;
        return false;
    }
    *out = value;
    return true;
}
