/* What the thread pool costs by itself: starting a run on all members and waiting for it, and one barrier, alone and
 * beside a busy process on the first core. Then a piece of work that is handed out in halves, in equal chunks and in
 * shrinking ones (backend/cpu/cpu_chunks.h): what a core that somebody else uses costs with each. Medians and the
 * central 90 % of many batches. More threads than cores show what sleeping costs. */
#include "backend/cpu/cpu_chunks.h"
#include "base/clock.h"
#include "base/thread_pool.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCHES = 101, PER_BATCH = 100, WORK_BATCHES = 41, UNITS = 256, UNIT_NS = 10000, STEP = 4 };

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

static void report(const char *what, uint32_t n_threads, double *us, size_t n) {
    qsort(us, n, sizeof *us, by_size);
    printf("%-40s %2u threads  %9.3f us  (%.3f to %.3f)\n", what, n_threads, us[n / 2], us[n / 20], us[n - 1 - n / 20]);
}

static struct ew_thread_pool *open_pool(uint32_t n_threads, uint32_t spin_us) {
    struct ew_thread_pool *pool = NULL;
    struct ew_error err;
    if (ew_thread_pool_open(n_threads, NULL, spin_us, &pool, &err)) fprintf(stderr, "%s\n", err.message);
    return pool;
}

static int measure_waits(uint32_t n_threads, uint32_t spin_us, const char *where) {
    struct ew_thread_pool *pool = open_pool(n_threads, spin_us);
    if (!pool) return 1;
    double run_us[BATCHES], barrier_us[BATCHES];
    char what[64];
    for (int b = 0; b < BATCHES; b++) {
        int64_t t0 = ew_clock_now_ns();
        for (int i = 0; i < PER_BATCH; i++) ew_thread_pool_run(pool, n_threads, do_nothing, NULL);
        int64_t t1 = ew_clock_now_ns();
        ew_thread_pool_run(pool, n_threads, meet, NULL);
        int64_t t2 = ew_clock_now_ns();
        run_us[b] = (double)(t1 - t0) * 1e-3 / PER_BATCH;
        barrier_us[b] = (double)(t2 - t1) * 1e-3 / PER_BATCH;
    }
    snprintf(what, sizeof what, "run%s", where);
    report(what, n_threads, run_us, BATCHES);
    snprintf(what, sizeof what, "barrier%s", where);
    report(what, n_threads, barrier_us, BATCHES);
    ew_thread_pool_close(&pool);
    return 0;
}

/* ---- work ---- */

enum split { HALVES, EQUAL, SHRINKING };
static const char *const split_names[] = {"work in halves", "work in 8 chunks per thread", "work in shrinking chunks"};

struct work {
    enum split split;
    uint64_t rounds; /* of arithmetic per unit */
    atomic_uint next;
};

static void toil(const struct work *w, uint32_t units) {
    uint64_t x = 1;
    for (uint64_t i = 0; i < w->rounds * units; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(x));
    }
}

static void do_work(const struct ew_pool_member *me, void *context) {
    struct work *w = context;
    struct ew_cpu_chunks c = ew_cpu_chunks_of(UNITS, STEP, me->count);
    uint32_t equal = UNITS / (8 * me->count), number;
    if (w->split == HALVES) {
        toil(w, UNITS * (me->index + 1) / me->count - UNITS * me->index / me->count);
        return;
    }
    for (;;) {
        number = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        if (w->split == EQUAL) {
            if (number * equal >= UNITS) return;
            toil(w, equal);
        } else {
            if (!ew_cpu_chunks_seek(&c, number)) return;
            toil(w, c.end - c.begin);
        }
    }
}

static int measure_work(uint32_t n_threads, const char *where) {
    struct ew_thread_pool *pool = open_pool(n_threads, 0);
    if (!pool) return 1;
    struct work w = {.rounds = 1000};
    double us[3][WORK_BATCHES], best_ns = 1e18;
    for (int i = 0; i < 20; i++) {
        int64_t begin = ew_clock_now_ns();
        toil(&w, 1);
        if ((double)(ew_clock_now_ns() - begin) < best_ns) best_ns = (double)(ew_clock_now_ns() - begin);
    }
    w.rounds = (uint64_t)(1000.0 * UNIT_NS / best_ns);
    for (int b = 0; b < WORK_BATCHES; b++)
        for (int s = HALVES; s <= SHRINKING; s++) { /* in turns, so that all meet the same neighbour */
            w.split = (enum split)s;
            atomic_store(&w.next, 0);
            int64_t begin = ew_clock_now_ns();
            ew_thread_pool_run(pool, n_threads, do_work, &w);
            us[s][b] = (double)(ew_clock_now_ns() - begin) * 1e-3;
        }
    for (int s = HALVES; s <= SHRINKING; s++) {
        char what[64];
        snprintf(what, sizeof what, "%s%s", split_names[s], where);
        report(what, n_threads, us[s], WORK_BATCHES);
    }
    ew_thread_pool_close(&pool);
    return 0;
}

/* A process that keeps the first allowed core busy until it is killed, also by this one's end. */
static pid_t start_neighbour(const cpu_set_t *allowed) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, allowed)) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        sched_setaffinity(0, sizeof one, &one);
        break;
    }
    for (volatile uint64_t i = 0;; i++) {
    }
}

int main(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    uint32_t n_cores = (uint32_t)CPU_COUNT(&allowed);
    int failed = 0;
    for (uint32_t n = 1; n < n_cores; n *= 2) failed |= measure_waits(n, 0, "");
    failed |= measure_waits(n_cores, 0, "") || measure_waits(n_cores, EW_POOL_NO_SPIN, ", no spin");
    failed |= measure_waits(2 * n_cores, 0, "") || measure_work(n_cores, "");
    pid_t neighbour = start_neighbour(&allowed);
    if (neighbour < 0) return 1;
    failed |= measure_waits(n_cores, 0, ", neighbour") || measure_work(n_cores, ", neighbour");
    kill(neighbour, SIGKILL);
    waitpid(neighbour, NULL, 0);
    return failed;
}
