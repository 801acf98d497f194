/* Owns mmap of model files. Refuses anything that is not a regular file. */
#include "base/file_map.h"

#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum ew_status status_of_errno(int e) {
    if (e == ENOENT || e == ENOTDIR) return EW_ERR_NOT_FOUND;
    if (e == EACCES || e == EPERM) return EW_ERR_PERMISSION;
    return EW_ERR_IO;
}

enum ew_status ew_file_map_open(const char *path, struct ew_file_map *out, struct ew_error *err) {
    enum ew_status status = EW_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ew_error_errno(err, status_of_errno(errno), errno, "%s: cannot open", path);
    struct stat st;
    if (fstat(fd, &st) != 0) {
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot stat", path);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        status = ew_error_set(err, EW_ERR_ARGUMENT, "%s: not a regular file", path);
        goto done;
    }
    struct ew_file_map map = {.data = NULL, .size = (size_t)st.st_size};
    if (map.size > 0) {
        void *p = mmap(NULL, map.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot map %zu bytes", path, map.size);
            goto done;
        }
        map.data = p;
    }
    *out = map;
done:
    close(fd);
    return status;
}

void ew_file_map_close(struct ew_file_map *map) {
    if (map->data) munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct ew_file_map){0};
}

void ew_file_map_release(const struct ew_file_map *map, size_t offset, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t begin = (offset + page - 1) / page * page;
    size_t end = (offset + size) / page * page;
    if (end > begin) madvise((void *)(uintptr_t)(map->data + begin), end - begin, MADV_DONTNEED);
}

void ew_file_map_want_large_pages(const struct ew_file_map *map) {
    if (map->data) madvise((void *)(uintptr_t)map->data, map->size, MADV_HUGEPAGE);
}
