/* Owns writing side files. All bytes go to NAME.packed.partial, which one process at a time may lock, and get their
 * name when they are on the disk: what a killed writer leaves is never taken for whole, and the next writer starts it
 * anew. Nothing is written through a mapping, so a full disk is an error and not a signal. */
#include "backend/cpu/side_file.h"

#include "base/cache_folder.h"
#include "base/checksum.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct writing {
    const char *path;
    char *partial;
    int file;
    const struct ew_gguf *gguf;
    const struct ew_packing *packing;
    uint64_t *sums; /* of pieces */
    uint64_t fingerprint;
};

static enum ew_status cannot(const struct writing *w, const char *what, struct ew_error *err) {
    int e = errno;
    return ew_error_errno(err, e == EACCES || e == EPERM || e == EROFS ? EW_ERR_PERMISSION : EW_ERR_IO, e,
                          "%s: cannot %s", w->partial, what);
}

/* ---- the file that one process writes at a time ---- */

static enum ew_status busy(const struct writing *w, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_LIMIT, "%s: another process writes it now", w->path);
}

static enum ew_status open_partial(struct writing *w, struct ew_error *err) {
    struct stat mine, named;
    w->file = open(w->partial, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (w->file < 0) return cannot(w, "create", err);
    if (flock(w->file, LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK ? busy(w, err) : cannot(w, "lock", err);
    /* Who held the lock before may have given this very file its final name. */
    if (fstat(w->file, &mine) != 0 || stat(w->partial, &named) != 0 || mine.st_ino != named.st_ino ||
        mine.st_dev != named.st_dev)
        return busy(w, err);
    return ftruncate(w->file, 0) == 0 ? EW_OK : cannot(w, "empty", err);
}

/* Asks for all of the space at once, before a disk wears for nothing. */
static enum ew_status reserve(const struct writing *w, struct ew_error *err) {
    off_t size = (off_t)(ew_side_file_header_bytes(w->packing->n) + w->packing->size);
    if (fallocate(w->file, 0, 0, size) == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return EW_OK;
    return cannot(w, "reserve its space", err);
}

/* ---- the header ---- */

struct put {
    uint8_t *at;
};
static void put(struct put *p, const void *bytes, size_t n) {
    memcpy(p->at, bytes, n);
    p->at += n;
}
static void put_u32(struct put *p, uint32_t x) { put(p, &x, sizeof x); }
static void put_u64(struct put *p, uint64_t x) { put(p, &x, sizeof x); }

static enum ew_status write_header(const struct writing *w, struct ew_error *err) {
    size_t n = w->packing->n, size = ew_side_file_header_bytes(n);
    uint8_t *header = calloc(1, size);
    if (!header) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", w->path);
    struct put p = {header};
    put(&p, "EWPACKED", 8);
    put_u32(&p, EW_SIDE_FILE_VERSION);
    put_u32(&p, (uint32_t)n);
    put_u64(&p, w->fingerprint);
    put_u64(&p, size + w->packing->size);
    put_u64(&p, size);
    for (size_t i = 0; i < n; i++) {
        const struct ew_packed_matrix *m = &w->packing->matrices[i];
        put_u64(&p, m->tensor->offset);
        put_u32(&p, m->rows.type);
        put_u32(&p, ew_matmul_packed_order(m->rows.type));
        put_u32(&p, m->rows.n_in);
        put_u32(&p, m->rows.n_out);
        put_u64(&p, m->offset);
        put_u64(&p, m->size);
        put_u64(&p, ew_side_file_matrix_sum(m, w->sums));
    }
    put_u64(&p, ew_checksum(header, (size_t)(p.at - header), 0));
    ssize_t done = pwrite(w->file, header, size, 0);
    if (done >= 0 && (size_t)done < size) errno = ENOSPC;
    enum ew_status status = done >= 0 && (size_t)done == size ? EW_OK : cannot(w, "write", err);
    free(header);
    return status;
}

/* ---- the whole ---- */

/* Gaps between matrices and after the last one keep the file as long as its header says. */
static enum ew_status finish(const struct writing *w, struct ew_error *err) {
    if (ftruncate(w->file, (off_t)(ew_side_file_header_bytes(w->packing->n) + w->packing->size)) != 0)
        return cannot(w, "write", err);
    if (fsync(w->file) != 0) return cannot(w, "write", err);
    /* The pages of small writes are dropped, so that verifying reads the disk, and in large pages, which then stay. */
    posix_fadvise(w->file, 0, 0, POSIX_FADV_DONTNEED);
    return EW_OK;
}

/* A name is kept over a power cut once its folder is on the disk; where a folder cannot be synced, it is so anyway. */
static void sync_folder(const char *path) {
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash) {
        *slash = 0;
        int fd = open(*folder ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            fsync(fd);
            close(fd);
        }
    }
    free(folder);
}

/* Read back and compared before it gets its name. */
static enum ew_status verify(const struct writing *w, struct ew_thread_pool *pool, uint32_t n_threads,
                             struct ew_error *err) {
    struct ew_side_file file;
    enum ew_status status = ew_side_file_open(w->partial, w->gguf, w->packing, &file, err);
    if (status != EW_OK) return status;
    status = ew_side_file_verify(&file, w->partial, w->packing, pool, n_threads, err);
    ew_side_file_close(&file);
    return status;
}

static enum ew_status write_all_of_it(struct writing *w, int model, const struct ew_kernels *kernels,
                                      struct ew_thread_pool *pool, uint32_t n_threads, struct ew_error *err) {
    const struct ew_packing_target target = {
        .file = w->file, .start = ew_side_file_header_bytes(w->packing->n), .sums = w->sums};
    enum ew_status status = reserve(w, err);
    if (status == EW_OK) {
        status = ew_packing_run(w->packing, kernels, model, pool, n_threads, &target, err);
        if (status != EW_OK) ew_error_prefix(err, status, "%s", w->partial);
    }
    if (status == EW_OK) status = write_header(w, err);
    if (status == EW_OK) status = finish(w, err);
    if (status == EW_OK) status = verify(w, pool, n_threads, err); /* the fingerprint once more, too */
    if (status == EW_OK && rename(w->partial, w->path) != 0) status = cannot(w, "rename", err);
    if (status == EW_OK)
        sync_folder(w->path);
    else
        unlink(w->partial);
    return status;
}

/* A limit on the size of files is an error as a full disk is. Threads of the pool block all signals anyway. */
static void hold_file_size_signal(sigset_t *before) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &set, before);
}
static void drop_file_size_signal(const sigset_t *before) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    const struct timespec now = {0};
    if (!sigismember(before, SIGXFSZ)) sigtimedwait(&set, NULL, &now);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

enum ew_status ew_side_file_write(const char *path, const struct ew_gguf *gguf, int model,
                                  const struct ew_packing *packing, const struct ew_kernels *kernels,
                                  struct ew_thread_pool *pool, uint32_t n_threads, struct ew_error *err) {
    struct writing w = {.path = path, .file = -1, .gguf = gguf, .packing = packing};
    sigset_t before;
    enum ew_status status = ew_make_folders_of(path, err);
    if (status != EW_OK) return status;
    hold_file_size_signal(&before);
    w.sums = calloc(packing->n_pieces + 1, sizeof *w.sums);
    if (!w.sums || asprintf(&w.partial, "%s.partial", path) < 0) {
        w.partial = NULL;
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    }
    if (status == EW_OK) status = ew_side_file_fingerprint(gguf, &w.fingerprint, err);
    if (status == EW_OK) status = open_partial(&w, err);
    if (status == EW_OK) status = write_all_of_it(&w, model, kernels, pool, n_threads, err);
    if (w.file >= 0) close(w.file);
    free(w.partial);
    free(w.sums);
    drop_file_size_signal(&before);
    return status;
}
