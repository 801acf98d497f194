/* Owns the pool of worker threads: dispatch, barrier, waiting and pinning. Refuses queues, stealing and nesting: one
 * function runs on all members of a run at once, and the engine splits its work by member index.
 * All waiting goes through one primitive, struct gate, so that the memory order is argued once. */
#include "base/thread_pool.h"

#include "base/clock.h"
#include "base/error.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    CACHE_LINE = 64,
    MAX_THREADS = 1024,
    SPINS_PER_CLOCK_READ = 64, /* a clock read costs about as much as a few pauses */
    STACK_SIZE = 256 * 1024    /* kernels keep their work space in scratch, not on the stack */
};

/* ---- gate: wait until a generation has passed ---- */

/* word = 2 * generation + (somebody may be asleep). Advancing is a release, seeing the new generation an acquire, so
 * all that was written before an advance is visible after the wait. One advancer at a time; any number of waiters. */
struct gate {
    _Alignas(CACHE_LINE) _Atomic uint32_t word;
};

static void cpu_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint32_t gate_generation(struct gate *g) { return atomic_load_explicit(&g->word, memory_order_acquire) & ~1u; }

static void gate_advance(struct gate *g) {
    uint32_t next = gate_generation(g) + 2;
    uint32_t old = atomic_exchange_explicit(&g->word, next, memory_order_acq_rel);
    if (old & 1) syscall(SYS_futex, &g->word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static bool gate_spin(struct gate *g, uint32_t seen, int64_t spin_ns) {
    int64_t end_ns = 0;
    for (;;) {
        for (int i = 0; i < SPINS_PER_CLOCK_READ; i++) {
            if (gate_generation(g) != seen) return true;
            cpu_relax();
        }
        int64_t now_ns = ew_clock_now_ns();
        if (end_ns == 0) end_ns = now_ns + spin_ns;
        if (now_ns >= end_ns) return false;
    }
}

/* Returns once the generation is no longer `seen`: spins for spin_ns, then sleeps. */
static void gate_wait(struct gate *g, uint32_t seen, int64_t spin_ns) {
    if (spin_ns > 0 && gate_spin(g, seen, spin_ns)) return;
    for (;;) {
        uint32_t word = atomic_load_explicit(&g->word, memory_order_acquire);
        if ((word & ~1u) != seen) return;
        bool marked = word & 1;
        if (!marked && !atomic_compare_exchange_weak_explicit(&g->word, &word, seen | 1, memory_order_acq_rel,
                                                              memory_order_acquire))
            continue;
        /* The kernel compares the word again before sleeping: an advance in between returns at once. */
        syscall(SYS_futex, &g->word, FUTEX_WAIT_PRIVATE, seen | 1, NULL, NULL, 0);
    }
}

/* ---- pool ---- */

struct worker {
    struct gate start; /* its own, so that members outside a run stay asleep */
    pthread_t thread;
    struct ew_pool_member me; /* count is written by the caller before `start` advances */
    int core;                 /* -1: not pinned */
};

struct ew_thread_pool {
    struct gate done;
    struct gate barrier;
    _Alignas(CACHE_LINE) _Atomic uint32_t n_arrived; /* at the barrier */
    _Alignas(CACHE_LINE) _Atomic uint32_t n_running; /* workers that have not finished the run */
    /* What runs: written before the start gates advance. */
    _Alignas(CACHE_LINE) ew_pool_fn *fn;
    void *context;
    bool stop;
    bool running;
    /* Fixed after opening. */
    uint32_t max_threads;
    uint32_t n_cpus; /* that members can really run on at the same time */
    uint32_t n_started;
    int64_t spin_ns;
    int caller_core;
    struct worker workers[]; /* [max_threads]; 0 is not used: the caller is member 0 */
};

/* More members than cores: whoever spins keeps the core from the one it waits for. */
static int64_t spin_time_ns(const struct ew_thread_pool *pool, uint32_t n_threads) {
    return n_threads > pool->n_cpus ? 0 : pool->spin_ns;
}

static void pin_this_thread(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void *worker_main(void *arg) {
    struct worker *w = arg;
    struct ew_thread_pool *pool = w->me.pool;
    char name[16];
    snprintf(name, sizeof name, "edgewise-%u", w->me.index);
    pthread_setname_np(pthread_self(), name);
    if (w->core >= 0) pin_this_thread(w->core);

    int64_t spin_ns = spin_time_ns(pool, pool->max_threads);
    for (uint32_t seen = 0;; seen += 2) {
        gate_wait(&w->start, seen, spin_ns);
        if (pool->stop) return NULL;
        spin_ns = spin_time_ns(pool, w->me.count);
        pool->fn(&w->me, pool->context);
        if (atomic_fetch_sub_explicit(&pool->n_running, 1, memory_order_acq_rel) == 1) gate_advance(&pool->done);
    }
}

/* Signals belong to the program's own threads: workers are started with all of them blocked. */
static enum ew_status start_workers(struct ew_thread_pool *pool, struct ew_error *err) {
    pthread_attr_t attr;
    int e = pthread_attr_init(&attr);
    if (e) return ew_error_errno(err, EW_ERR_MEMORY, e, "thread pool: cannot prepare thread attributes");
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    e = pthread_attr_setstacksize(&attr, STACK_SIZE);
    for (uint32_t i = 1; !e && i < pool->max_threads; i++) {
        e = pthread_create(&pool->workers[i].thread, &attr, worker_main, &pool->workers[i]);
        if (!e) pool->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (!e) return EW_OK;
    return ew_error_errno(err, EW_ERR_MEMORY, e, "thread pool: cannot start worker %u of %u", pool->n_started + 1,
                          pool->max_threads - 1);
}

/* How many CPUs the members have: those of the process, or the distinct ones among `cores`. */
static enum ew_status count_cpus(uint32_t max_threads, const int *cores, uint32_t *n_cpus, struct ew_error *err) {
    cpu_set_t allowed, chosen;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return ew_error_errno(err, EW_ERR_IO, errno, "thread pool: cannot read this process's CPU affinity");
    if (!cores) {
        *n_cpus = (uint32_t)CPU_COUNT(&allowed);
        return EW_OK;
    }
    CPU_ZERO(&chosen);
    for (uint32_t i = 0; i < max_threads; i++) {
        if (cores[i] < 0 || cores[i] >= CPU_SETSIZE || !CPU_ISSET(cores[i], &allowed))
            return ew_error_set(err, EW_ERR_ARGUMENT, "thread pool: core %d is not among the %d this process may use",
                                cores[i], CPU_COUNT(&allowed));
        CPU_SET(cores[i], &chosen);
    }
    *n_cpus = (uint32_t)CPU_COUNT(&chosen);
    return EW_OK;
}

enum ew_status ew_thread_pool_open(uint32_t max_threads, const int *cores, uint32_t spin_us,
                                   struct ew_thread_pool **out, struct ew_error *err) {
    if (max_threads < 1 || max_threads > MAX_THREADS)
        return ew_error_set(err, EW_ERR_ARGUMENT, "thread pool: %u threads: must be 1 to %d", max_threads, MAX_THREADS);
    uint32_t n_cpus;
    enum ew_status status = count_cpus(max_threads, cores, &n_cpus, err);
    if (status) return status;

    size_t size = sizeof(struct ew_thread_pool) + max_threads * sizeof(struct worker);
    struct ew_thread_pool *pool = aligned_alloc(CACHE_LINE, size);
    if (!pool) return ew_error_set(err, EW_ERR_MEMORY, "thread pool: cannot allocate %zu bytes", size);
    memset(pool, 0, size);
    pool->max_threads = max_threads;
    pool->n_cpus = n_cpus;
    pool->spin_ns = spin_us == EW_POOL_NO_SPIN ? 0 : (int64_t)(spin_us ? spin_us : EW_POOL_SPIN_US) * 1000;
    pool->caller_core = cores ? cores[0] : -1;
    for (uint32_t i = 0; i < max_threads; i++) {
        pool->workers[i].me = (struct ew_pool_member){.pool = pool, .index = i};
        pool->workers[i].core = cores ? cores[i] : -1;
    }
    status = start_workers(pool, err);
    if (status) {
        ew_thread_pool_close(&pool);
        return status;
    }
    *out = pool;
    return EW_OK;
}

void ew_thread_pool_close(struct ew_thread_pool **pool_ptr) {
    if (!pool_ptr || !*pool_ptr) return;
    struct ew_thread_pool *pool = *pool_ptr;
    assert(!pool->running);
    pool->stop = true;
    for (uint32_t i = 1; i <= pool->n_started; i++) gate_advance(&pool->workers[i].start);
    for (uint32_t i = 1; i <= pool->n_started; i++) pthread_join(pool->workers[i].thread, NULL);
    free(pool);
    *pool_ptr = NULL;
}

static void run_members(struct ew_thread_pool *pool, uint32_t n_threads, ew_pool_fn *fn, void *context) {
    struct ew_pool_member me = {.pool = pool, .index = 0, .count = n_threads};
    if (n_threads == 1) {
        fn(&me, context);
        return;
    }
    pool->fn = fn;
    pool->context = context;
    atomic_store_explicit(&pool->n_running, n_threads - 1, memory_order_relaxed);
    uint32_t seen = gate_generation(&pool->done);
    for (uint32_t i = 1; i < n_threads; i++) {
        pool->workers[i].me.count = n_threads;
        gate_advance(&pool->workers[i].start);
    }
    fn(&me, context);
    gate_wait(&pool->done, seen, spin_time_ns(pool, n_threads));
}

void ew_thread_pool_run(struct ew_thread_pool *pool, uint32_t n_threads, ew_pool_fn *fn, void *context) {
    assert(n_threads >= 1 && n_threads <= pool->max_threads);
    assert(!pool->running);
    pool->running = true;
    cpu_set_t before;
    bool pinned = pool->caller_core >= 0 && sched_getaffinity(0, sizeof before, &before) == 0;
    if (pinned) pin_this_thread(pool->caller_core);
    run_members(pool, n_threads, fn, context);
    if (pinned) sched_setaffinity(0, sizeof before, &before);
    pool->running = false;
}

void ew_pool_barrier(const struct ew_pool_member *me) {
    if (me->count == 1) return;
    struct ew_thread_pool *pool = me->pool;
    /* Read before arriving: once the last member has arrived the generation may advance at any moment. */
    uint32_t seen = gate_generation(&pool->barrier);
    if (atomic_fetch_add_explicit(&pool->n_arrived, 1, memory_order_acq_rel) + 1 == me->count) {
        atomic_store_explicit(&pool->n_arrived, 0, memory_order_relaxed);
        gate_advance(&pool->barrier);
    } else {
        gate_wait(&pool->barrier, seen, spin_time_ns(pool, me->count));
    }
}
