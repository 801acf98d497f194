/* Owns posix_fadvise and mincore. When they are used: study_trial.c. */
#include "study/page_cache.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20 };

static bool is_told(const char *path, const struct stat *info) {
    return info->st_uid == geteuid() || geteuid() == 0 || access(path, W_OK) == 0;
}

static double resident_share(int fd, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size + page - 1) / page, resident = 0;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return NAN;
    enum { AT_ONCE = 65536 };
    unsigned char flags[AT_ONCE];
    bool known = true;
    for (size_t i = 0; known && i < n; i += AT_ONCE) {
        size_t some = n - i < AT_ONCE ? n - i : AT_ONCE;
        size_t bytes = (i + some) * page < size ? some * page : size - i * page;
        known = mincore((char *)map + i * page, bytes, flags) == 0;
        for (size_t k = 0; known && k < some; k++) resident += flags[k] & 1;
    }
    munmap(map, size);
    return known ? (double)resident / (double)n : NAN;
}

double ew_page_cache_share(const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NAN;
    double share = NAN;
    if (fstat(fd, &info) == 0 && info.st_size > 0 && is_told(path, &info))
        share = resident_share(fd, (size_t)info.st_size);
    close(fd);
    return share;
}

static enum ew_status cannot(const char *path, const char *what, int number, struct ew_error *err) {
    return ew_error_errno(err, number == ENOENT ? EW_ERR_NOT_FOUND : EW_ERR_IO, number, "%s: cannot %s", path, what);
}

enum ew_status ew_page_cache_drop(const char *path, struct ew_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cannot(path, "open", errno, err);
    fdatasync(fd); /* dirty pages are not dropped; a file system that cannot sync has none */
    int number = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return number == 0 ? EW_OK : cannot(path, "drop from the page cache", number, err);
}

enum ew_status ew_page_cache_fill(const char *path, const volatile int *stop, struct ew_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cannot(path, "open", errno, err);
    char *bytes = malloc(READ_BYTES);
    ssize_t n = bytes ? 1 : -1;
    while (n > 0 && !(stop && *stop)) {
        n = read(fd, bytes, READ_BYTES);
        if (n < 0 && errno == EINTR) n = 1;
    }
    int number = errno;
    close(fd);
    if (!bytes) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    free(bytes);
    if (n < 0) return cannot(path, "read", number, err);
    return n == 0 ? EW_OK : ew_error_set(err, EW_ERR_CANCELLED, "stopped");
}
