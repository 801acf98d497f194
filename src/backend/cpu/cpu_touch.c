/* Owns first touch: asking the system for pages before the first token needs them, with all threads at once, and in
 * whole pieces where the system can (MADV_POPULATE, Linux 5.14), page by page where it cannot. */
#include "backend/cpu/cpu_backend.h"

#include <sys/mman.h>
#include <unistd.h>

/* A piece is a few huge pages, so that two threads seldom want the same one. */
enum { PIECE_BYTES = 8 << 20 };

struct touch_job {
    const struct ew_cpu_span *spans;
    size_t n;
    bool write;
    size_t page;
    atomic_size_t next;
};

static size_t n_pieces(const struct ew_cpu_span *s) { return (s->size + PIECE_BYTES - 1) / PIECE_BYTES; }

static void touch_pages(uint8_t *begin, uint8_t *end, size_t page, bool write) {
    for (volatile uint8_t *p = begin; p < end; p += page) {
        if (write)
            *p = 0;
        else
            (void)*p;
    }
}

static void touch_piece(const struct touch_job *job, uint8_t *begin, uint8_t *end) {
    uint8_t *first = (uint8_t *)((uintptr_t)begin & ~(job->page - 1));
    size_t size = (size_t)(end - first);
    if (job->write) {
        if (madvise(first, size, MADV_POPULATE_WRITE) != 0) touch_pages(first, end, job->page, true);
        return;
    }
    madvise(first, size, MADV_WILLNEED); /* a disk is asked for the whole piece at once */
    if (madvise(first, size, MADV_POPULATE_READ) != 0) touch_pages(first, end, job->page, false);
}

static void touch_pieces(const struct ew_pool_member *me, void *context) {
    (void)me;
    struct touch_job *job = context;
    size_t i = 0, first = 0, piece;
    for (;;) {
        piece = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        while (i < job->n && piece >= first + n_pieces(&job->spans[i])) first += n_pieces(&job->spans[i++]);
        if (i == job->n) return;
        const struct ew_cpu_span *s = &job->spans[i];
        size_t at = (piece - first) * PIECE_BYTES;
        size_t size = s->size - at < PIECE_BYTES ? s->size - at : PIECE_BYTES;
        touch_piece(job, (uint8_t *)(uintptr_t)s->data + at, (uint8_t *)(uintptr_t)s->data + at + size);
    }
}

void ew_cpu_touch(struct ew_backend *b, const struct ew_cpu_span *spans, size_t n, bool write) {
    struct touch_job job = {.spans = spans, .n = n, .write = write, .page = (size_t)sysconf(_SC_PAGESIZE)};
    ew_thread_pool_run(b->pool, b->params.request.max_threads, touch_pieces, &job);
}
