/* Owns reading side files: their names, whose they are, and refusing what does not fit to the byte. Every member of the
 * table is compared with what the plan says and none is used instead of it, so that damage cannot lead anywhere.
 * Writing: side_file_write.c. */
#include "backend/cpu/side_file.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Samples are spread evenly over the weights. */
enum { SAMPLES = 64, SAMPLE_BYTES = 4096, PAGE = 4096, NAME_BYTES = 120 };

/* ---- whose it is ---- */

enum ew_status ew_side_file_path(const char *folder, const char *model_path, char **out, struct ew_error *err) {
    char real[PATH_MAX], *path = NULL;
    if (!realpath(model_path, real)) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot find", model_path);
    const char *base = strrchr(real, '/') + 1;
    size_t n = strlen(base);
    if (n > 5 && strcmp(base + n - 5, ".gguf") == 0) n -= 5;
    if (n > NAME_BYTES) n = NAME_BYTES;
    if (asprintf(&path, "%s/%.*s-%016llx.packed", folder, (int)n, base,
                 (unsigned long long)ew_checksum(real, strlen(real), 0)) < 0)
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", model_path);
    *out = path;
    return EW_OK;
}

static int64_t nanoseconds(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

/* The time of change catches files replaced with their old times kept; samples catch clocks that were set back. The
 * inode is left out: on FAT it is another one after each mount. */
static enum ew_status fingerprint_of(const struct ew_gguf *gguf, int file, uint64_t *out, struct ew_error *err) {
    struct stat info;
    if (fstat(file, &info) != 0) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot stat", ew_gguf_path(gguf));
    size_t header = ew_gguf_header_bytes(gguf);
    int64_t facts[] = {info.st_size, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim), (int64_t)header};
    uint64_t hash = ew_checksum(facts, sizeof facts, EW_SIDE_FILE_VERSION);
    hash = ew_checksum(ew_gguf_map(gguf)->data, header, hash);
    for (uint64_t i = 0; i < SAMPLES && (uint64_t)info.st_size > header; i++) {
        uint8_t sample[SAMPLE_BYTES];
        uint64_t at = header + ((uint64_t)info.st_size - header) / SAMPLES * i;
        ssize_t got = pread(file, sample, sizeof sample, (off_t)at);
        if (got < 0) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot read", ew_gguf_path(gguf));
        hash = ew_checksum(sample, (size_t)got, hash);
    }
    *out = hash;
    return EW_OK;
}

enum ew_status ew_side_file_fingerprint(const struct ew_gguf *gguf, uint64_t *out, struct ew_error *err) {
    int file = open(ew_gguf_path(gguf), O_RDONLY | O_CLOEXEC);
    if (file < 0) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot open again", ew_gguf_path(gguf));
    enum ew_status status = fingerprint_of(gguf, file, out, err);
    close(file);
    return status;
}

/* ---- the header ---- */

static size_t table_end(size_t n) { return EW_SIDE_FILE_FIXED_BYTES + n * EW_SIDE_FILE_ENTRY_BYTES; }

size_t ew_side_file_header_bytes(size_t n_matrices) {
    size_t bytes = table_end(n_matrices) + sizeof(uint64_t);
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

uint64_t ew_side_file_matrix_sum(const struct ew_packed_matrix *m, const uint64_t *sums) {
    return ew_checksum(sums + m->first_piece, ew_packing_pieces(m) * sizeof *sums, 0);
}

struct header {
    uint32_t version, n;
    uint64_t fingerprint, file_bytes, start;
};

static enum ew_status damaged(const char *path, const char *what, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_FORMAT, "%s: %s: the side file is cut or damaged", path, what);
}

/* The fixed part, and the checksum over it and the table. */
static enum ew_status read_header(struct ew_bytes *b, const char *path, struct header *out, struct ew_error *err) {
    struct header h;
    const uint8_t *magic = ew_bytes_take(b, 8);
    if (!magic || memcmp(magic, "EWPACKED", 8) != 0) return damaged(path, "no EWPACKED at its start", err);
    if (!ew_bytes_u32(b, &h.version)) return damaged(path, "the header ends early", err);
    if (h.version != EW_SIDE_FILE_VERSION)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: version %u of side files is not known (%d is)", path,
                            h.version, EW_SIDE_FILE_VERSION);
    if (!ew_bytes_u32(b, &h.n) || !ew_bytes_u64(b, &h.fingerprint) || !ew_bytes_u64(b, &h.file_bytes) ||
        !ew_bytes_u64(b, &h.start))
        return damaged(path, "the header ends early", err);
    if (h.n > (b->size - b->pos) / EW_SIDE_FILE_ENTRY_BYTES) return damaged(path, "the table ends early", err);
    struct ew_bytes at_sum = {.data = b->data, .size = b->size, .pos = table_end(h.n)};
    uint64_t sum;
    if (!ew_bytes_u64(&at_sum, &sum)) return damaged(path, "the table ends early", err);
    if (sum != ew_checksum(b->data, table_end(h.n), 0)) return damaged(path, "the header's checksum differs", err);
    if (h.file_bytes != b->size) return damaged(path, "its length is another one than it says", err);
    *out = h;
    return EW_OK;
}

/* Whether the entry at the cursor is of this matrix, packed as these kernels want it. */
static bool entry_fits(struct ew_bytes *b, const struct ew_packed_matrix *m) {
    uint64_t source, offset, size, sum;
    uint32_t type, order, n_in, n_out;
    if (!ew_bytes_u64(b, &source) || !ew_bytes_u32(b, &type) || !ew_bytes_u32(b, &order) || !ew_bytes_u32(b, &n_in) ||
        !ew_bytes_u32(b, &n_out) || !ew_bytes_u64(b, &offset) || !ew_bytes_u64(b, &size) || !ew_bytes_u64(b, &sum))
        return false;
    return source == m->tensor->offset && type == m->rows.type && order == ew_matmul_packed_order(type) &&
           n_in == m->rows.n_in && n_out == m->rows.n_out && offset == m->offset && size == m->size;
}

static enum ew_status check_fit(struct ew_bytes *b, const char *path, const struct header *h,
                                const struct ew_gguf *gguf, const struct ew_packing *packing, struct ew_error *err) {
    uint64_t fingerprint;
    enum ew_status status = ew_side_file_fingerprint(gguf, &fingerprint, err);
    if (status != EW_OK) return status;
    if (h->fingerprint != fingerprint)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: is of another state of %s", path, ew_gguf_path(gguf));
    bool fits = h->n == packing->n && h->start == ew_side_file_header_bytes(packing->n) &&
                h->file_bytes - h->start == packing->size;
    for (size_t i = 0; i < packing->n && fits; i++) fits = entry_fits(b, &packing->matrices[i]);
    return fits ? EW_OK : ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: is packed for other kernels", path);
}

/* ---- opening ---- */

enum ew_status ew_side_file_open(const char *path, const struct ew_gguf *gguf, const struct ew_packing *packing,
                                 struct ew_side_file *out, struct ew_error *err) {
    struct ew_side_file file = {0};
    struct header h = {0};
    enum ew_status status = ew_file_map_open(path, &file.map, err);
    if (status != EW_OK) return status;
    ew_file_map_want_large_pages(&file.map);
    struct ew_bytes b = {.data = file.map.data, .size = file.map.size};
    status = read_header(&b, path, &h, err);
    if (status == EW_OK) status = check_fit(&b, path, &h, gguf, packing, err);
    if (status != EW_OK) {
        ew_side_file_close(&file);
        return status;
    }
    file.weights = file.map.data + h.start;
    *out = file;
    return EW_OK;
}

void ew_side_file_close(struct ew_side_file *file) {
    ew_file_map_close(&file->map);
    *file = (struct ew_side_file){0};
}

/* ---- verifying ---- */

struct verify_job {
    const struct ew_packing *packing;
    const uint8_t *weights;
    uint64_t *sums;
    atomic_size_t next;
};

static void sum_matrices(const struct ew_pool_member *me, void *context) {
    (void)me;
    struct verify_job *job = context;
    size_t i;
    while ((i = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->packing->n) {
        const struct ew_packed_matrix *m = &job->packing->matrices[i];
        for (size_t p = m->first_piece; p < m->first_piece + ew_packing_pieces(m); p++) {
            size_t begin, end;
            ew_packing_piece_bytes(m, p, &begin, &end);
            job->sums[p] = ew_checksum(job->weights + begin, end - begin, 0);
        }
    }
}

enum ew_status ew_side_file_verify(const struct ew_side_file *file, const char *path, const struct ew_packing *packing,
                                   struct ew_thread_pool *pool, uint32_t n_threads, struct ew_error *err) {
    struct verify_job job = {.packing = packing, .weights = file->weights};
    job.sums = calloc(packing->n_pieces + 1, sizeof *job.sums);
    if (!job.sums) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    ew_thread_pool_run(pool, n_threads, sum_matrices, &job);
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < packing->n && status == EW_OK; i++) {
        struct ew_bytes b = {
            .data = file->map.data, .size = file->map.size, .pos = table_end(i + 1) - sizeof(uint64_t)};
        uint64_t sum = 0;
        char name[96];
        if (!ew_bytes_u64(&b, &sum) || sum != ew_side_file_matrix_sum(&packing->matrices[i], job.sums))
            status = ew_error_set(err, EW_ERR_FORMAT, "%s: %s: its checksum differs: the side file is damaged", path,
                                  ew_gguf_print_string(packing->matrices[i].tensor->name, name, sizeof name));
    }
    free(job.sums);
    return status;
}
