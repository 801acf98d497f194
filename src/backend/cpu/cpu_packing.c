/* Owns packing with all threads. Rows are read with pread into a buffer that stays in a core's cache: against reading
 * through the mapping that saves a page fault for every few pages and giving the pages back, and two copies of the
 * weights never exist. What the packed bytes are: kernel/matmul_pack.c. */
#include "backend/cpu/cpu_packing.h"

#include "backend/cpu/cpu_backend.h"
#include "base/checksum.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Of the model file, read at a time. Also what the checksums of a side file are taken over, so it is part of that
 * format. */
enum { PIECE_BYTES = 256 << 10 };

/* ---- the list ---- */

static void add_matrix(struct ew_packing *p, const struct ew_gguf_tensor *t) {
    struct ew_packed_matrix m = {.tensor = t,
                                 .rows = {.data = t->data,
                                          .type = t->type,
                                          .layout = EW_LAYOUT_ROWS,
                                          .n_in = (uint32_t)t->ne[0],
                                          .n_out = (uint32_t)(t->ne[1] * t->ne[2])},
                                 .row_bytes = ew_type_row_bytes(t->type, t->ne[0]),
                                 .offset = p->size,
                                 .first_piece = p->n_pieces};
    size_t rows = PIECE_BYTES / m.row_bytes / 16 * 16;
    m.piece_rows = rows < 16 ? 16 : (uint32_t)rows;
    m.size = ew_matmul_packed_bytes(m.rows.type, m.rows.n_in, m.rows.n_out);
    p->size += ew_cpu_align(m.size);
    p->n_pieces += ew_packing_pieces(&m);
    p->matrices[p->n++] = m;
}

enum ew_status ew_packing_list(const struct ew_plan *plan, const struct ew_kernels *kernels,
                               enum ew_weights_layout layout, struct ew_packing *out, struct ew_error *err) {
    struct ew_packing p = {.matrices = calloc(plan->n_ops * EW_OP_MAX_WEIGHTS + 1, sizeof *p.matrices)};
    if (!p.matrices) return ew_error_set(err, EW_ERR_MEMORY, "backend cpu: out of memory");
    for (size_t i = 0; i < plan->n_ops; i++) {
        const struct ew_gguf_tensor *t[EW_OP_MAX_WEIGHTS];
        uint32_t n = ew_plan_op_matrices(&plan->ops[i], t);
        for (uint32_t w = 0; w < n; w++)
            if (ew_plan_packs(kernels, layout, t[w])) add_matrix(&p, t[w]);
    }
    *out = p;
    return EW_OK;
}

void ew_packing_free(struct ew_packing *packing) {
    free(packing->matrices);
    *packing = (struct ew_packing){0};
}

size_t ew_packing_pieces(const struct ew_packed_matrix *m) {
    return ((size_t)m->rows.n_out + m->piece_rows - 1) / m->piece_rows;
}

void ew_packing_piece_bytes(const struct ew_packed_matrix *m, size_t piece, size_t *begin, size_t *end) {
    size_t bytes = m->piece_rows * m->row_bytes;
    *begin = (piece - m->first_piece) * bytes;
    *end = m->size - *begin < bytes ? m->size : *begin + bytes;
    *begin += m->offset;
    *end += m->offset;
}

/* ---- packing ---- */

struct pack_job {
    const struct ew_packing *packing;
    const struct ew_kernels *kernels;
    int model;
    const struct ew_packing_target *target;
    uint8_t *buffers; /* two per thread: rows as read, and packed where they go to a file */
    size_t buffer_bytes;
    atomic_size_t next;
    atomic_int read_error, write_error; /* 0, an errno, or EW_FILE_ENDED */
};

int ew_packing_read(int file, uint8_t *to, size_t n, uint64_t at) {
    while (n > 0) {
        ssize_t got = pread(file, to, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? errno : EW_FILE_ENDED;
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

static int write_all(int file, const uint8_t *from, size_t n, uint64_t at) {
    while (n > 0) {
        ssize_t done = pwrite(file, from, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return done < 0 ? errno : EIO;
        from += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return 0;
}

static void pack_piece(struct pack_job *job, const struct ew_packed_matrix *m, size_t piece, uint8_t *buffer) {
    const struct ew_packing_target *target = job->target;
    uint32_t row = (uint32_t)(piece - m->first_piece) * m->piece_rows;
    struct ew_weight rows = m->rows;
    rows.n_out = m->rows.n_out - row < m->piece_rows ? m->rows.n_out - row : m->piece_rows;
    rows.data = (const uint8_t *)m->rows.data + row * m->row_bytes;
    if (job->model >= 0) {
        int e = ew_packing_read(job->model, buffer, rows.n_out * m->row_bytes, m->tensor->offset + row * m->row_bytes);
        if (e) atomic_store(&job->read_error, e);
        rows.data = buffer;
    }
    size_t begin, end;
    ew_packing_piece_bytes(m, piece, &begin, &end);
    uint8_t *packed = target->memory ? target->memory + begin : buffer + job->buffer_bytes;
    ew_matmul_pack_rows(job->kernels, &rows, 0, rows.n_out, packed);
    if (target->memory) return;
    target->sums[piece] = ew_checksum(packed, end - begin, 0);
    int e = write_all(target->file, packed, end - begin, target->start + begin);
    if (e) atomic_store(&job->write_error, e);
}

static void pack_pieces(const struct ew_pool_member *me, void *context) {
    struct pack_job *job = context;
    const struct ew_packing *p = job->packing;
    uint8_t *buffer = job->buffers + me->index * 2 * job->buffer_bytes;
    size_t i = 0, piece;
    while ((piece = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < p->n_pieces) {
        if (atomic_load(&job->read_error) || atomic_load(&job->write_error)) return;
        while (i + 1 < p->n && p->matrices[i + 1].first_piece <= piece) i++;
        pack_piece(job, &p->matrices[i], piece, buffer);
    }
}

enum ew_status ew_packing_read_failed(int e, struct ew_error *err) {
    if (e == EW_FILE_ENDED) return ew_error_set(err, EW_ERR_FORMAT, "weights: the model file has become shorter");
    return ew_error_errno(err, EW_ERR_IO, e, "weights: cannot read the model file");
}

static enum ew_status outcome(const struct pack_job *job, struct ew_error *err) {
    int e = atomic_load(&job->read_error);
    if (e) return ew_packing_read_failed(e, err);
    e = atomic_load(&job->write_error);
    return e ? ew_error_errno(err, EW_ERR_IO, e, "cannot write") : EW_OK;
}

enum ew_status ew_packing_run(const struct ew_packing *packing, const struct ew_kernels *kernels, int model,
                              struct ew_thread_pool *pool, uint32_t n_threads, const struct ew_packing_target *target,
                              struct ew_error *err) {
    struct pack_job job = {.packing = packing, .kernels = kernels, .model = model, .target = target};
    for (size_t i = 0; i < packing->n; i++) {
        size_t bytes = ew_cpu_align(packing->matrices[i].piece_rows * packing->matrices[i].row_bytes);
        if (bytes > job.buffer_bytes) job.buffer_bytes = bytes;
    }
    job.buffers = aligned_alloc(64, n_threads * 2 * job.buffer_bytes + 64);
    if (!job.buffers) return ew_error_set(err, EW_ERR_MEMORY, "weights: no memory to pack them");
    if (model >= 0) posix_fadvise(model, 0, 0, POSIX_FADV_SEQUENTIAL);
    ew_thread_pool_run(pool, n_threads, pack_pieces, &job);
    if (model >= 0) posix_fadvise(model, 0, 0, POSIX_FADV_NORMAL); /* single rows follow */
    free(job.buffers);
    return outcome(&job, err);
}
