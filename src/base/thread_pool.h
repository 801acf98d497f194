/* A pool of worker threads that run one function together, with a barrier between its steps.
 *
 * The calling thread is member 0. Workers spin for a settable time after their work and then sleep (spinning costs
 * joules). Members may be pinned to cores. Not reentrant: one run at a time. */
#ifndef EW_BASE_THREAD_POOL_H
#define EW_BASE_THREAD_POOL_H

#include "edgewise/status.h"
#include <stdint.h>

struct ew_thread_pool;

struct ew_pool_member {
    struct ew_thread_pool *pool;
    uint32_t index; /* 0 … count - 1 */
    uint32_t count; /* members of this run */
};

typedef void ew_pool_fn(const struct ew_pool_member *me, void *context);

/* max_threads >= 1. cores: [max_threads] CPU numbers to pin members 1… to (member 0 is the caller's own thread and is
 * pinned only for the time of a run), or NULL for no pinning. spin_us: see session.h. */
enum ew_status ew_thread_pool_open(uint32_t max_threads, const int *cores, uint32_t spin_us,
                                   struct ew_thread_pool **out, struct ew_error *err);
void ew_thread_pool_close(struct ew_thread_pool **pool);

/* Runs fn on n_threads members (1 … max_threads) and returns when all have returned. */
void ew_thread_pool_run(struct ew_thread_pool *pool, uint32_t n_threads, ew_pool_fn *fn, void *context);

/* All members of the current run wait here for each other. */
void ew_pool_barrier(const struct ew_pool_member *me);

#endif
