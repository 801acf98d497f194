/* What the thread pool costs by itself: starting a run on all members and waiting for it, and one barrier. Medians and
 * the central 90 % of many batches. More threads than cores show what sleeping costs. */
#include "base/clock.h"
#include "base/thread_pool.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCHES = 101, PER_BATCH = 100 };

static void do_nothing(const struct ew_pool_member *me, void *context) {
    (void)me;
    (void)context;
}

static void meet(const struct ew_pool_member *me, void *context) {
    (void)context;
    for (int i = 0; i < PER_BATCH; i++) ew_pool_barrier(me);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, uint32_t n_threads, double *us) {
    qsort(us, BATCHES, sizeof *us, by_size);
    printf("%-8s %2u threads  %8.2f us  (%.2f to %.2f)\n", what, n_threads, us[BATCHES / 2], us[BATCHES / 20],
           us[BATCHES - 1 - BATCHES / 20]);
}

static int measure(uint32_t n_threads) {
    struct ew_thread_pool *pool;
    struct ew_error err;
    if (ew_thread_pool_open(n_threads, NULL, 0, &pool, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    double run_us[BATCHES], barrier_us[BATCHES];
    for (int b = 0; b < BATCHES; b++) {
        int64_t t0 = ew_clock_now_ns();
        for (int i = 0; i < PER_BATCH; i++) ew_thread_pool_run(pool, n_threads, do_nothing, NULL);
        int64_t t1 = ew_clock_now_ns();
        ew_thread_pool_run(pool, n_threads, meet, NULL);
        int64_t t2 = ew_clock_now_ns();
        run_us[b] = (double)(t1 - t0) * 1e-3 / PER_BATCH;
        barrier_us[b] = (double)(t2 - t1) * 1e-3 / PER_BATCH;
    }
    report("run", n_threads, run_us);
    report("barrier", n_threads, barrier_us);
    ew_thread_pool_close(&pool);
    return 0;
}

int main(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    uint32_t n_cores = (uint32_t)CPU_COUNT(&allowed);
    for (uint32_t n = 1; n < n_cores; n *= 2)
        if (measure(n)) return 1;
    return measure(n_cores) || measure(2 * n_cores);
}
