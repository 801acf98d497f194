/* A pool of worker threads that run one function together, with a barrier between its steps.
 *
 * The calling thread is member 0. Workers spin for a settable time after their work and then sleep (spinning costs
 * joules). Members may be pinned to cores. Not reentrant: one run at a time. */
#ifndef EW_BASE_THREAD_POOL_H
#define EW_BASE_THREAD_POOL_H

#include "edgewise/status.h"
#include <stdint.h>

struct ew_thread_pool;

/* How long members spin by default, in microseconds: longer than choosing a token takes between two runs, so that an
 * engine's threads stay awake while it decodes, and short beside the pause of a person who reads. */
enum { EW_POOL_SPIN_US = 200 };
#define EW_POOL_NO_SPIN UINT32_MAX

struct ew_pool_member {
    struct ew_thread_pool *pool;
    uint32_t index; /* 0 … count - 1 */
    uint32_t count; /* members of this run */
};

typedef void ew_pool_fn(const struct ew_pool_member *me, void *context);

/* max_threads >= 1. cores: [max_threads] CPU numbers to pin members 1… to (member 0 is the caller's own thread and is
 * pinned only for the time of a run), or NULL for no pinning. Pinning later is best effort: a core taken offline does
 * not fail a run. spin_us: 0 = EW_POOL_SPIN_US, EW_POOL_NO_SPIN = sleep at once; a run with more members than
 * cores does not spin at all.
 * Errors: ARGUMENT (a core this process may not use), MEMORY, IO. Worker stacks are 256 KiB and block all signals. */
enum ew_status ew_thread_pool_open(uint32_t max_threads, const int *cores, uint32_t spin_us,
                                   struct ew_thread_pool **out, struct ew_error *err);
void ew_thread_pool_close(struct ew_thread_pool **pool);

/* Runs fn on n_threads members (1 … max_threads) and returns when all have returned. What the caller wrote before is
 * visible to all members, what they wrote is visible to the caller afterwards. The others stay asleep. */
void ew_thread_pool_run(struct ew_thread_pool *pool, uint32_t n_threads, ew_pool_fn *fn, void *context);

/* All members of the current run wait here for each other; what each wrote before is visible to all afterwards. */
void ew_pool_barrier(const struct ew_pool_member *me);

#endif
