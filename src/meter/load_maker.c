/* Owns the load that meters are watched with. It works in registers and in a few KiB of cache: integer and floating
 * chains side by side, as a loop of one dependent chain leaves most of a core idle and draws little more than a wait.
 * It touches no memory outside, so it says nothing about memory power. Used by prove.c, load_signature.c. */
#include "meter/load_maker.h"
#include "base/error.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANES = 8, WORK_SIZE = 512 };
static const int64_t period_ns = EW_LOAD_PERIOD_MS * 1000000LL;

struct worker {
    struct ew_load_maker *maker;
    pthread_t thread;
    size_t index;
    bool running;
    double floats[WORK_SIZE];
    uint64_t integers[WORK_SIZE];
};

struct ew_load_maker {
    pthread_mutex_t mutex;
    pthread_cond_t changed, seen;
    double level;
    bool quit;
    atomic_uint_fast64_t generation; /* of the level; workers stop working when it moves */
    size_t n_seen;                   /* workers that know the newest generation */
    size_t n;
    struct worker workers[];
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* the clock of the condition variable */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* About 10 to 30 microseconds of work. The multipliers keep the floats near 1 and the integers busy. */
static void work_once(struct worker *w) {
    for (size_t i = 0; i < WORK_SIZE; i += LANES) {
        double *f = w->floats + i;
        uint64_t *u = w->integers + i;
        for (int round = 0; round < 16; round++) {
            for (int k = 0; k < LANES; k++) f[k] = f[k] * 0.999999 + 1e-6;
            for (int k = 0; k < LANES; k++) u[k] = (u[k] ^ (u[k] >> 29)) * 0xbf58476d1ce4e5b9u + 1;
        }
    }
    __asm__ volatile("" : : "r"(w->floats), "r"(w->integers) : "memory"); /* the results count as used */
}

static void work_until(struct worker *w, uint64_t generation, int64_t end_ns) {
    do work_once(w);
    while (atomic_load_explicit(&w->maker->generation, memory_order_relaxed) == generation && now_ns() < end_ns);
}

/* The end of the working part and of the whole period that worker `index` is in. Shifting the cores against each other
 * makes the sum of their power smoother than that of one. */
static void find_period(const struct worker *w, double level, int64_t *work_end, int64_t *period_end) {
    int64_t shift = (int64_t)(w->index * (uint64_t)period_ns / w->maker->n);
    int64_t now = now_ns();
    int64_t begin = now - (now + shift) % period_ns;
    *work_end = begin + (int64_t)(level * (double)period_ns);
    *period_end = begin + period_ns;
}

static void wait_until(struct ew_load_maker *m, int64_t end_ns) {
    struct timespec t = {.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};
    pthread_cond_timedwait(&m->changed, &m->mutex, &t);
}

static void *run_worker(void *context) {
    struct worker *w = context;
    struct ew_load_maker *m = w->maker;
    uint64_t known = 0;
    pthread_mutex_lock(&m->mutex);
    while (!m->quit) {
        uint64_t generation = atomic_load(&m->generation);
        if (generation != known) {
            known = generation;
            if (++m->n_seen == m->n) pthread_cond_signal(&m->seen);
        }
        if (m->level <= 0) {
            pthread_cond_wait(&m->changed, &m->mutex);
            continue;
        }
        double level = m->level;
        int64_t work_end, period_end;
        find_period(w, level, &work_end, &period_end);
        if (level >= 1 || now_ns() < work_end) {
            pthread_mutex_unlock(&m->mutex);
            work_until(w, known, work_end);
            pthread_mutex_lock(&m->mutex);
        }
        if (level < 1 && atomic_load(&m->generation) == known) wait_until(m, period_end);
    }
    pthread_mutex_unlock(&m->mutex);
    return NULL;
}

static enum ew_status start_worker(struct worker *w, const int *core, struct ew_error *err) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return ew_error_set(err, EW_ERR_MEMORY, "load: out of memory");
    int e = 0;
    if (core) {
        cpu_set_t set;
        CPU_ZERO(&set);
        if (*core >= 0 && *core < CPU_SETSIZE) CPU_SET(*core, &set);
        e = pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    }
    if (e == 0) e = pthread_create(&w->thread, &attributes, run_worker, w);
    pthread_attr_destroy(&attributes);
    w->running = e == 0;
    if (e == 0) return EW_OK;
    if (core && e != EAGAIN)
        return ew_error_errno(err, EW_ERR_ARGUMENT, e, "load: CPU %d: this process may not use it", *core);
    return ew_error_errno(err, EW_ERR_IO, e, "load: cannot start thread %zu", w->index);
}

/* All signals belong to the program's own threads. */
static enum ew_status start_workers(struct ew_load_maker *m, const int *cores, struct ew_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < m->n && status == EW_OK; i++) {
        m->workers[i].maker = m;
        m->workers[i].index = i;
        for (size_t k = 0; k < WORK_SIZE; k++) m->workers[i].floats[k] = 1.0 + (double)k * 1e-4;
        status = start_worker(&m->workers[i], cores ? &cores[i] : NULL, err);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

enum ew_status ew_load_maker_open(const int *cores, size_t n, struct ew_load_maker **out, struct ew_error *err) {
    if (n < 1 || n > EW_LOAD_MAX_THREADS)
        return ew_error_set(err, EW_ERR_ARGUMENT, "load: %zu threads: 1 to %d are possible", n, EW_LOAD_MAX_THREADS);
    struct ew_load_maker *m = calloc(1, sizeof *m + n * sizeof *m->workers);
    if (!m) return ew_error_set(err, EW_ERR_MEMORY, "load: out of memory for %zu threads", n);
    m->n = n;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&m->mutex, NULL);
    pthread_cond_init(&m->changed, &attributes);
    pthread_cond_init(&m->seen, NULL);
    pthread_condattr_destroy(&attributes);
    enum ew_status status = start_workers(m, cores, err);
    if (status == EW_OK)
        *out = m;
    else
        ew_load_maker_close(&m);
    return status;
}

void ew_load_maker_close(struct ew_load_maker **maker) {
    if (!maker || !*maker) return;
    struct ew_load_maker *m = *maker;
    pthread_mutex_lock(&m->mutex);
    m->quit = true;
    atomic_fetch_add(&m->generation, 1);
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->mutex);
    for (size_t i = 0; i < m->n; i++)
        if (m->workers[i].running) pthread_join(m->workers[i].thread, NULL);
    pthread_cond_destroy(&m->seen);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->mutex);
    free(m);
    *maker = NULL;
}

void ew_load_maker_set(struct ew_load_maker *m, double level) {
    pthread_mutex_lock(&m->mutex);
    m->level = level > 0 ? fmin(level, 1) : 0; /* NAN is off */
    m->n_seen = 0;
    atomic_fetch_add(&m->generation, 1);
    pthread_cond_broadcast(&m->changed);
    while (m->n_seen < m->n) pthread_cond_wait(&m->seen, &m->mutex);
    pthread_mutex_unlock(&m->mutex);
}

void ew_load_maker_switch(void *maker, bool on) { ew_load_maker_set(maker, on ? 1 : 0); }

size_t ew_load_maker_usable_cores(int *cores, size_t capacity) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    size_t n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set)) continue;
        if (n < capacity) cores[n] = cpu;
        n++;
    }
    return n;
}
