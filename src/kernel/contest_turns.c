/* Owns the turns of a contest. Each turn begins with an untimed piece of the same work, so that clocks that an
 * instruction set lowers, and what it leaves in the caches, are the lane's own. Rounds go there and back, so that drift
 * hits all alike. */
#include "kernel/contest_turns.h"

#include "base/clock.h"
#include "base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A turn long enough for a timer and a barrier to be nothing, short enough that neighbours in a round meet the same
 * machine. Y_FLOATS bounds rows times tokens of a turn. */
static const double turn_s = 0.0015;
enum { N_IN = 2048, Y_FLOATS = 1 << 20, ROW_GROUP = 128, UNTIMED_SHARE = 4, PAGE = 4096 };
enum { ATTENTION_ROWS = EW_CONTEST_MANY * EW_CONTEST_GROUP };

struct ew_contest_bench {
    const struct ew_contest *contest;
    size_t size, at; /* of the buffer; where the next turn takes its weights */
    char *buffer;
    float *x, *y;
    void *act[EW_ACT_KINDS];
    char *scratch; /* scratch_bytes per thread */
    size_t scratch_bytes;
    /* the turn that runs */
    const struct ew_contest_group *group;
    const struct ew_contest_lane *lane;
    const char *data;
    uint32_t n_units;
    uint64_t peak_turns;
    _Atomic double peak_ops;
    ew_pool_fn *work;
    atomic_llong processor_ns; /* that all members used */
    atomic_uint next;
};

/* ---- work ---- */

static size_t unit_bytes(const struct ew_contest_group *g) {
    return g->attention ? (size_t)2 * EW_CONTEST_POSITIONS * ew_type_row_bytes(g->type, EW_CONTEST_HEAD_DIM)
                        : ew_type_row_bytes(g->type, N_IN);
}

static uint32_t least_units(const struct ew_contest_bench *b, const struct ew_contest_group *g) {
    return b->contest->threads * (g->attention ? 1 : ROW_GROUP);
}

static uint32_t most_units(const struct ew_contest_bench *b, const struct ew_contest_group *g) {
    size_t by_memory = b->size / 2 / unit_bytes(g), by_output = Y_FLOATS / g->n_tokens;
    if (g->attention) by_output = UINT32_MAX; /* heads overwrite each other's output per thread */
    size_t most = by_memory < by_output ? by_memory : by_output, least = least_units(b, g);
    return (uint32_t)(most < least ? least : most);
}

static void member_rows(const struct ew_pool_member *me, void *context) {
    struct ew_contest_bench *b = context;
    const struct ew_contest_lane *lane = b->lane;
    struct ew_weight w = {b->data, b->group->type, lane->layout, N_IN, b->n_units};
    uint32_t n_tokens = b->group->n_tokens, step = ew_matmul_row_step(&lane->kernels, &w, n_tokens);
    const void *act = b->act[ew_matmul_act_kind(&lane->kernels, &w, n_tokens)];
    for (;;) {
        uint32_t begin = atomic_fetch_add_explicit(&b->next, step, memory_order_relaxed);
        if (begin >= b->n_units) return;
        uint32_t end = begin + step < b->n_units ? begin + step : b->n_units;
        ew_matmul_rows(&lane->kernels, &w, act, n_tokens, begin, end, false, b->y, b->n_units,
                       b->scratch + me->index * b->scratch_bytes);
    }
}

static void member_heads(const struct ew_pool_member *me, void *context) {
    struct ew_contest_bench *b = context;
    const struct ew_contest_group *g = b->group;
    const size_t half = unit_bytes(g) / 2, row = (size_t)EW_CONTEST_GROUP * EW_CONTEST_HEAD_DIM;
    struct ew_attention_args a = {.q = b->x,
                                  .q_stride = row,
                                  .k_type = (enum ew_type)g->type,
                                  .v_type = (enum ew_type)g->type,
                                  .out = b->y + me->index * g->n_tokens * row,
                                  .out_stride = row,
                                  .head_dim = EW_CONTEST_HEAD_DIM,
                                  .n_group = EW_CONTEST_GROUP,
                                  .n_tokens = g->n_tokens,
                                  .pos0 = EW_CONTEST_POSITIONS - g->n_tokens,
                                  .scale = 0.125f,
                                  .scratch = b->scratch + me->index * b->scratch_bytes};
    for (;;) {
        uint32_t head = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed);
        if (head >= b->n_units) return;
        a.k = b->data + head * 2 * half;
        a.v = (const char *)a.k + half;
        b->lane->kernels.vector.attention(&a);
    }
}

static void member_read(const struct ew_pool_member *me, void *context) {
    struct ew_contest_bench *b = context;
    size_t part = b->n_units * unit_bytes(b->group) / me->count / PAGE * PAGE;
    ew_limit_read(b->data + me->index * part, part, b->contest->features);
}

static void member_peak(const struct ew_pool_member *me, void *context) {
    struct ew_contest_bench *b = context;
    (void)me;
    double ops = ew_limit_peak(b->group->peak, b->contest->features, b->peak_turns);
    double before = atomic_load(&b->peak_ops);
    while (!atomic_compare_exchange_weak(&b->peak_ops, &before, before + ops)) {
    }
}

/* ---- turns ---- */

static int64_t processor_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void member_timed(const struct ew_pool_member *me, void *context) {
    struct ew_contest_bench *b = context;
    int64_t begin = processor_now_ns();
    b->work(me, context);
    atomic_fetch_add(&b->processor_ns, processor_now_ns() - begin);
}

/* The next piece of the buffer, so that what a turn reads was read by others a whole buffer ago. */
static void run_units(struct ew_contest_bench *b, uint32_t n_units, ew_pool_fn *fn) {
    size_t bytes = (n_units * unit_bytes(b->group) + PAGE - 1) / PAGE * PAGE;
    if (b->at + bytes > b->size) b->at = 0;
    b->data = b->buffer + b->at;
    b->at += bytes;
    b->n_units = n_units;
    b->work = fn;
    atomic_store(&b->next, 0);
    atomic_store(&b->processor_ns, 0);
    ew_thread_pool_run(b->contest->pool, b->contest->threads, member_timed, b);
}

/* Processor time of a thread, on average: what another program takes of a core in between does not count. */
static double seconds_of(struct ew_contest_bench *b, uint32_t n_units, ew_pool_fn *fn) {
    run_units(b, n_units, fn);
    return ew_clock_seconds(atomic_load(&b->processor_ns)) / b->contest->threads;
}

static ew_pool_fn *work_of(const struct ew_contest_group *g) { return g->attention ? member_heads : member_rows; }

static double turn(struct ew_contest_bench *b, const struct ew_contest_lane *lane) {
    uint32_t n = b->group->n_units, untimed = n / UNTIMED_SHARE, least = least_units(b, b->group);
    b->lane = lane;
    run_units(b, untimed < least ? least : untimed, work_of(b->group));
    return seconds_of(b, n, work_of(b->group));
}

static double limit_turn(struct ew_contest_bench *b) {
    const struct ew_contest_group *g = b->group;
    if (g->n_tokens == 1) {
        size_t part = g->n_units * unit_bytes(g) / b->contest->threads / PAGE * PAGE;
        double bytes = (double)part * b->contest->threads;
        return bytes / seconds_of(b, g->n_units, member_read);
    }
    atomic_store(&b->peak_ops, 0);
    double seconds = seconds_of(b, 1, member_peak);
    return atomic_load(&b->peak_ops) / seconds;
}

static void calibrate_peak(struct ew_contest_bench *b) {
    for (b->peak_turns = 1000; b->peak_turns < UINT64_C(1) << 40; b->peak_turns *= 2)
        if (seconds_of(b, 1, member_peak) > turn_s / 2) return;
}

/* As much work as the incumbent does in a turn. */
static void calibrate(struct ew_contest_bench *b, struct ew_contest_group *g) {
    uint32_t n = least_units(b, g), most = most_units(b, g);
    b->lane = &g->lanes[0];
    run_units(b, n, work_of(g));
    double seconds = seconds_of(b, n, work_of(g));
    while (seconds < turn_s / 2 && n < most) {
        n = n > most / 2 ? most : 2 * n;
        seconds = seconds_of(b, n, work_of(g));
    }
    double wanted = n * turn_s / seconds;
    if (wanted < most) n = wanted < least_units(b, g) ? least_units(b, g) : (uint32_t)wanted;
    g->n_units = g->attention ? n : n / ROW_GROUP * ROW_GROUP;
    g->bytes = (double)g->n_units * (double)unit_bytes(g);
    g->ops = g->attention ? 4.0 * g->n_units * EW_CONTEST_HEAD_DIM * EW_CONTEST_GROUP * g->n_tokens *
                                (EW_CONTEST_POSITIONS - (g->n_tokens - 1) / 2.0)
                          : 2.0 * N_IN * g->n_units * g->n_tokens;
    if (g->n_tokens > 1) calibrate_peak(b);
}

static void prepare_act(struct ew_contest_bench *b, const struct ew_contest_group *g) {
    for (size_t i = 0; i < g->n && !g->attention; i++) {
        const struct ew_kernels *k = &g->lanes[i].kernels;
        struct ew_weight w = {b->buffer, g->type, g->lanes[i].layout, N_IN, ROW_GROUP};
        enum ew_act_kind kind = ew_matmul_act_kind(k, &w, g->n_tokens);
        ew_matmul_act_prepare(k, kind, N_IN, g->n_tokens, b->x, N_IN, 0, g->n_tokens, b->act[kind]);
    }
}

void ew_contest_measure(struct ew_contest_bench *b, struct ew_contest_group *g) {
    if (g->n < 2) return;
    assert(g->n <= EW_CONTEST_LANES && g->n_tokens <= EW_CONTEST_MANY);
    b->group = g;
    prepare_act(b, g);
    calibrate(b, g);
    for (size_t round = 0; round < EW_CONTEST_ROUNDS; round++) {
        g->limit_per_s[round] = limit_turn(b);
        for (size_t i = 0; i < g->n; i++) {
            struct ew_contest_lane *lane = &g->lanes[round % 2 ? g->n - 1 - i : i];
            lane->seconds[round] = turn(b, lane);
        }
    }
}

/* ---- memory ---- */

/* Every 16-bit field is a modest half-precision number, every other pattern lively: no kernel meets denormals. */
static void member_fill(const struct ew_pool_member *me, void *context) {
    struct ew_contest_bench *b = context;
    size_t part = b->size / me->count, begin = me->index * part;
    size_t end = me->index + 1 == me->count ? b->size : begin + part;
    uint32_t state = me->index + 1;
    for (size_t i = begin; i < end && i < begin + PAGE; i++) {
        state = state * 1664525 + 1013904223;
        b->buffer[i] = (char)(0x20 + (state >> 24) % 24);
    }
    for (size_t i = begin + PAGE; i < end; i += PAGE)
        memcpy(b->buffer + i, b->buffer + begin, end - i < PAGE ? end - i : PAGE);
}

static size_t scratch_needed(const struct ew_kernels *k) {
    size_t products = ew_matmul_scratch_bytes(k, EW_CONTEST_MANY);
    size_t attention = ew_attention_scratch_bytes(EW_CONTEST_HEAD_DIM, ATTENTION_ROWS);
    return ((products > attention ? products : attention) + PAGE - 1) / PAGE * PAGE;
}

static bool allocate(struct ew_contest_bench *b) {
    struct ew_kernels k;
    ew_kernels_init(&k, b->contest->features);
    const size_t threads = b->contest->threads, attention_floats = ATTENTION_ROWS * EW_CONTEST_HEAD_DIM;
    size_t y_floats = attention_floats * threads > Y_FLOATS ? attention_floats * threads : Y_FLOATS;
    /* Even the least work must fit: a group of rows per thread for every token. */
    if ((size_t)ROW_GROUP * threads * EW_CONTEST_MANY > y_floats) y_floats = ROW_GROUP * threads * EW_CONTEST_MANY;
    size_t least = threads * ROW_GROUP * ew_type_row_bytes(EW_TYPE_F32, N_IN), size = b->contest->buffer_bytes;
    b->size = ((size < 2 * least ? 2 * least : size) + PAGE - 1) / PAGE * PAGE;
    void *p = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) {
        b->buffer = p;
        madvise(p, b->size, MADV_HUGEPAGE);
    }
    b->scratch_bytes = scratch_needed(&k);
    b->scratch = aligned_alloc(PAGE, b->scratch_bytes * threads);
    b->x = calloc((size_t)N_IN * EW_CONTEST_MANY, sizeof *b->x);
    b->y = calloc(y_floats, sizeof *b->y);
    bool ok = b->buffer && b->scratch && b->x && b->y;
    for (int kind = 0; kind < EW_ACT_KINDS; kind++) {
        b->act[kind] = aligned_alloc(64, ew_matmul_act_bytes(&k, (enum ew_act_kind)kind, N_IN, EW_CONTEST_MANY));
        ok = ok && b->act[kind];
    }
    return ok;
}

enum ew_status ew_contest_bench_open(const struct ew_contest *contest, struct ew_contest_bench **out,
                                     struct ew_error *err) {
    struct ew_contest_bench *b = calloc(1, sizeof *b);
    if (b) b->contest = contest;
    if (!b || !allocate(b)) {
        ew_contest_bench_close(&b);
        return ew_error_set(err, EW_ERR_MEMORY, "contest of kernels: no %zu MiB of memory",
                            contest->buffer_bytes >> 20);
    }
    memset(b->scratch, 0, b->scratch_bytes * contest->threads);
    for (size_t i = 0; i < (size_t)N_IN * EW_CONTEST_MANY; i++) b->x[i] = (float)(i % 61) * 0.03f - 0.9f;
    ew_thread_pool_run(contest->pool, contest->threads, member_fill, b);
    *out = b;
    return EW_OK;
}

void ew_contest_bench_close(struct ew_contest_bench **bench) {
    if (!bench || !*bench) return;
    struct ew_contest_bench *b = *bench;
    if (b->buffer) munmap(b->buffer, b->size);
    for (int kind = 0; kind < EW_ACT_KINDS; kind++) free(b->act[kind]);
    free(b->scratch);
    free(b->x);
    free(b->y);
    free(b);
    *bench = NULL;
}
