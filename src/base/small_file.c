/* Owns reading of one-value text files; refuses nothing but what does not fit its buffer. */
#include "base/small_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t ew_small_file_read(const char *root, const char *path, char *buf, size_t capacity) {
    char full[PATH_MAX];
    int n = snprintf(full, sizeof full, "%s%s", root ? root : "", path);
    if (n < 0 || (size_t)n >= sizeof full) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t used = 0;
    while (used + 1 < capacity) {
        ssize_t got = read(fd, buf + used, capacity - 1 - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int e = errno;
            close(fd);
            errno = e;
            return -1;
        }
        if (got == 0) break;
        used += (size_t)got;
    }
    close(fd);
    while (used > 0 && isspace((unsigned char)buf[used - 1])) used--;
    buf[used] = 0;
    return (ssize_t)used;
}

bool ew_small_file_read_i64(const char *root, const char *path, int64_t *out) {
    char text[64];
    if (ew_small_file_read(root, path, text, sizeof text) < 0) return false;
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

bool ew_small_file_number(const char *text, const char *name, int64_t *out) {
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) != 0 || (line[n] != ':' && line[n] != ' ')) continue;
        char *end;
        long long value = strtoll(line + n + 1, &end, 10);
        if (end == line + n + 1) return false;
        *out = value;
        return true;
    }
    return false;
}
