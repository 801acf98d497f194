/* Owns measuring the machine's limits. Threads take memory and turns piece by piece, so that a slow core or one that is
 * taken away holds nobody up. The loops themselves: kernel/limit_loops.h; the arithmetic of models: model_limit.c. */
#include "engine/machine_limits.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/thread_choice.h"
#include "gguf/tensor_type.h"
#include "kernel/limit_loops.h"
#include "kernel/matmul.h"
#include "machine/cpu_features.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PIECE_BYTES = 1 << 20, MIN_BUFFER_MIB = 64, MAX_BUFFER_MIB = 1024, NO_CACHE_MIB = 256, MAX_ROUNDS = 12 };
static const double default_budget_s = 2, peak_slice_s = 0.008, read_slice_s = 0.02;

struct measuring {
    const struct ew_limits_request *request;
    struct ew_machine_limits limits;
    struct ew_thread_pool *pool;                   /* all usable cores */
    struct ew_thread_pool *single[EW_LIMIT_KINDS]; /* one thread on a core of each kind */
    char *buffer;
    size_t size; /* a multiple of PIECE_BYTES */
    uint64_t features;
    enum ew_peak peak, half_peak;
    uint64_t turns[EW_PEAKS]; /* about a millisecond */
    atomic_size_t next;       /* piece */
    size_t pieces;
    int64_t deadline_ns;
    _Atomic double ops;
};

static void member_fill(const struct ew_pool_member *me, void *context) {
    struct measuring *m = context;
    size_t part = m->size / me->count / 4096 * 4096;
    memset(m->buffer + me->index * part, 1, me->index + 1 == me->count ? m->size - me->index * part : part);
}

static void member_read(const struct ew_pool_member *me, void *context) {
    struct measuring *m = context;
    (void)me;
    size_t in_buffer = m->size / PIECE_BYTES;
    for (size_t i = atomic_fetch_add(&m->next, 1); i < m->pieces; i = atomic_fetch_add(&m->next, 1))
        ew_limit_read(m->buffer + i % in_buffer * PIECE_BYTES, PIECE_BYTES, m->features);
}

static void member_peak(const struct ew_pool_member *me, void *context) {
    struct measuring *m = context;
    (void)me;
    double ops = 0;
    do {
        ops += ew_limit_peak(m->peak, m->features, m->turns[m->peak]);
    } while (ew_clock_now_ns() < m->deadline_ns);
    double before = atomic_load(&m->ops);
    while (!atomic_compare_exchange_weak(&m->ops, &before, before + ops)) {
    }
}

/* One pass over the buffer, or as much of a slow one as the slice allows. */
static double read_once(struct measuring *m, struct ew_thread_pool *pool, uint32_t threads, double expected) {
    size_t all = m->size / PIECE_BYTES, wanted = all;
    if (expected > 0 && (double)m->size / expected > 4 * read_slice_s)
        wanted = (size_t)(4 * read_slice_s * expected / PIECE_BYTES) + 1;
    size_t begin = atomic_load(&m->next) % all; /* go on behind what the caches may still hold */
    atomic_store(&m->next, begin);
    m->pieces = begin + wanted;
    int64_t start = ew_clock_now_ns();
    ew_thread_pool_run(pool, threads, member_read, m);
    double seconds = ew_clock_seconds(ew_clock_now_ns() - start);
    atomic_store(&m->next, m->pieces);
    return (double)wanted * PIECE_BYTES / seconds;
}

static double peak_once(struct measuring *m, struct ew_thread_pool *pool, uint32_t threads, enum ew_peak peak) {
    int64_t start = ew_clock_now_ns();
    m->peak = peak;
    m->deadline_ns = start + (int64_t)(peak_slice_s * 1e9);
    atomic_store(&m->ops, 0);
    ew_thread_pool_run(pool, threads, member_peak, m);
    return atomic_load(&m->ops) / ew_clock_seconds(ew_clock_now_ns() - start);
}

static void keep_best(double *best, double value) {
    if (value > *best) *best = value;
}

static void say(const struct measuring *m, double fraction, const char *what) {
    if (m->request->progress) m->request->progress(m->request->context, fraction, what);
}

static void round_of_all(struct measuring *m) {
    struct ew_machine_limits *l = &m->limits;
    for (size_t i = 0; i < l->n_reads; i++)
        keep_best(&l->reads[i].bytes_per_s, read_once(m, m->pool, l->reads[i].threads, l->reads[i].bytes_per_s));
    keep_best(&l->int8_ops_per_s, peak_once(m, m->pool, l->threads, EW_PEAK_INT8));
    keep_best(&l->f32_ops_per_s, peak_once(m, m->pool, l->threads, EW_PEAK_F32));
    if (m->half_peak == EW_PEAK_F32)
        l->half_ops_per_s = l->f32_ops_per_s;
    else
        keep_best(&l->half_ops_per_s, peak_once(m, m->pool, l->threads, m->half_peak));
    for (size_t k = 0; k < l->n_kinds; k++) {
        struct ew_core_limit *c = &l->kinds[k];
        keep_best(&c->read_bytes_per_s, read_once(m, m->single[k], 1, c->read_bytes_per_s));
        keep_best(&c->int8_ops_per_s, peak_once(m, m->single[k], 1, EW_PEAK_INT8));
        keep_best(&c->f32_ops_per_s, peak_once(m, m->single[k], 1, EW_PEAK_F32));
    }
}

/* ---- preparing ---- */

static enum ew_status open_buffer(struct measuring *m, const struct ew_machine *machine, struct ew_error *err) {
    int64_t cache = ew_machine_last_cache_bytes(machine), free_bytes = ew_machine_free_bytes(machine);
    int64_t mib = cache > 0 ? 4 * (cache >> 20) : NO_CACHE_MIB;
    if (mib < MIN_BUFFER_MIB) mib = MIN_BUFFER_MIB;
    if (mib > MAX_BUFFER_MIB) mib = MAX_BUFFER_MIB;
    if (free_bytes >= 0 && mib > free_bytes >> 23) mib = free_bytes >> 23; /* MiB of an eighth */
    if (mib < 8) mib = 8;
    m->size = (size_t)mib << 20;
    m->limits.buffer_bytes = m->size;
    m->limits.buffer_is_small = (int64_t)m->size < 2 * cache;
    void *p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return ew_error_set(err, EW_ERR_MEMORY, "limits: no %lld MiB of memory to read", (long long)mib);
    m->buffer = p;
    madvise(p, m->size, MADV_HUGEPAGE); /* where it is refused, small pages are what models get as well */
    return EW_OK;
}

/* 1, 2, 3, 4, half and all of the threads, each once. */
static void choose_reads(struct ew_machine_limits *l) {
    const uint32_t wanted[] = {1, 2, 3, 4, (l->threads + 1) / 2, l->threads};
    uint32_t last = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (wanted[i] <= last || wanted[i] > l->threads) continue;
        last = wanted[i];
        l->reads[l->n_reads++].threads = last;
    }
}

static void open_kinds(struct measuring *m, const struct ew_machine *machine) {
    struct ew_machine_limits *l = &m->limits;
    int ids[EW_MAX_THREADS];
    size_t n = ew_machine_core_order(machine, ids, EW_MAX_THREADS);
    for (size_t i = 0; i < n && i < EW_MAX_THREADS && l->n_kinds < EW_LIMIT_KINDS; i++) {
        const struct ew_machine_cpu *cpu = NULL;
        for (size_t c = 0; c < machine->n_cpus; c++)
            if (machine->cpus[c].id == ids[i]) cpu = &machine->cpus[c];
        if (!cpu || (l->n_kinds > 0 && l->kinds[l->n_kinds - 1].kind >= cpu->kind)) continue;
        if (ew_thread_pool_open(1, &cpu->id, 0, &m->single[l->n_kinds], NULL) != EW_OK) continue;
        l->kinds[l->n_kinds++] = (struct ew_core_limit){.kind = cpu->kind, .cpu = cpu->id};
    }
}

static void calibrate(struct measuring *m) {
    for (int p = 0; p < EW_PEAKS; p++) {
        m->turns[p] = 1000;
        for (;;) {
            int64_t begin = ew_clock_now_ns();
            ew_limit_peak((enum ew_peak)p, m->features, m->turns[p]);
            if (ew_clock_now_ns() - begin > 500000 || m->turns[p] > UINT64_C(1) << 40) break;
            m->turns[p] *= 2;
        }
    }
}

static enum ew_peak peak_of_half_weights(uint64_t features) {
    struct ew_kernels kernels;
    ew_kernels_init(&kernels, features);
    const struct ew_weight w = {.type = EW_TYPE_F16, .layout = EW_LAYOUT_ROWS, .n_in = 32, .n_out = 16};
    return ew_matmul_act_kind(&kernels, &w, EW_FEW_TOKENS + 1) == EW_ACT_Q16 ? EW_PEAK_INT16 : EW_PEAK_F32;
}

static enum ew_status prepare(struct measuring *m, const struct ew_machine *machine, struct ew_error *err) {
    struct ew_machine_limits *l = &m->limits;
    struct ew_thread_choice choice;
    uint64_t mask = m->request->cpu_features;
    ew_thread_choose(&choice);
    m->features = (mask ? mask : ew_cpu_features()) & ew_cpu_features();
    m->half_peak = peak_of_half_weights(m->features);
    l->features = m->features;
    l->threads = choice.n_default;
    l->int8_with = ew_limit_peak_name(EW_PEAK_INT8, m->features);
    l->f32_with = ew_limit_peak_name(EW_PEAK_F32, m->features);
    enum ew_status status = open_buffer(m, machine, err);
    if (status != EW_OK) return status;
    const int *cores = choice.n_cores >= choice.n_default ? choice.cores : NULL;
    status = ew_thread_pool_open(l->threads, cores, 0, &m->pool, err);
    if (status != EW_OK) return status;
    choose_reads(l);
    if (!m->request->all_in_all_only) open_kinds(m, machine);
    ew_thread_pool_run(m->pool, l->threads, member_fill, m);
    calibrate(m);
    return EW_OK;
}

enum ew_status ew_machine_limits_measure(const struct ew_machine *machine, const struct ew_limits_request *request,
                                         struct ew_machine_limits *out, struct ew_error *err) {
    struct measuring m = {.request = request};
    double budget_s = request->budget_s > 0 ? request->budget_s : default_budget_s;
    int64_t begin = ew_clock_now_ns();
    double seconds = 0;
    enum ew_status status = prepare(&m, machine, err);
    for (int i = 0; status == EW_OK && i < MAX_ROUNDS && (i < 2 || seconds < budget_s * i / (i + 1)); i++) {
        if (request->stop && *request->stop) status = ew_error_set(err, EW_ERR_CANCELLED, "limits: stopped");
        if (status == EW_OK) round_of_all(&m);
        seconds = ew_clock_seconds(ew_clock_now_ns() - begin);
        say(&m, seconds < budget_s ? seconds / budget_s : 1, "limits");
    }
    for (size_t i = 0; i < m.limits.n_reads; i++) {
        if (m.limits.reads[i].bytes_per_s <= m.limits.read_bytes_per_s) continue;
        m.limits.read_bytes_per_s = m.limits.reads[i].bytes_per_s;
        m.limits.read_threads = m.limits.reads[i].threads;
    }
    m.limits.seconds = seconds;
    ew_thread_pool_close(&m.pool);
    for (size_t k = 0; k < EW_LIMIT_KINDS; k++) ew_thread_pool_close(&m.single[k]);
    if (m.buffer) munmap(m.buffer, m.size);
    if (status == EW_OK) *out = m.limits;
    return status;
}
