/* Owns the times of ops: each thread keeps its own, and nothing is kept unless somebody asked for it. */
#include "backend/cpu/cpu_worker.h"

#include "base/clock.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

void ew_cpu_wait_timed(struct ew_cpu_worker *w) {
    int64_t begin = ew_clock_now_ns();
    ew_pool_barrier(w->me);
    w->wait_ns += ew_clock_now_ns() - begin;
}

void ew_cpu_run_timed(struct ew_cpu_worker *w, void (*run_op)(struct ew_cpu_worker *w, size_t op)) {
    int64_t begin = ew_clock_now_ns();
    for (size_t i = 0; i < w->b->plan->n_ops; i++) {
        w->wait_ns = 0;
        run_op(w, i);
        int64_t end = ew_clock_now_ns();
        w->times[i].wait_ns += w->wait_ns;
        w->times[i].busy_ns += end - begin - w->wait_ns;
        begin = end;
    }
}

enum ew_status ew_cpu_time_ops(struct ew_backend *b, struct ew_error *err) {
    size_t n = b->params.request.max_threads * b->plan->n_ops;
    if (!b->times) b->times = calloc(n, sizeof *b->times);
    if (!b->times) return ew_error_set(err, EW_ERR_MEMORY, "backend cpu: out of memory for times of %zu ops", n);
    memset(b->times, 0, n * sizeof *b->times);
    return EW_OK;
}

void ew_cpu_op_times(const struct ew_backend *b, struct ew_backend_time *out) {
    for (size_t i = 0; i < b->plan->n_ops; i++) {
        out[i] = (struct ew_backend_time){0};
        for (uint32_t t = 0; t < b->timed_threads; t++) {
            const struct ew_cpu_op_time *time = &b->times[t * b->plan->n_ops + i];
            out[i].busy_s += (double)time->busy_ns * 1e-9 / b->timed_threads;
            out[i].wait_s += (double)time->wait_ns * 1e-9 / b->timed_threads;
        }
    }
}
