/* Thread pool: every member runs, barriers order steps, runs of changing width, more threads than cores, closing. */
#include "base/clock.h"
#include "base/thread_pool.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MAX = 8, STEPS = 400 };

static struct ew_thread_pool *open_pool(uint32_t n, const int *cores, uint32_t spin_us) {
    struct ew_thread_pool *pool = NULL;
    struct ew_error err;
    assert_int_equal(ew_thread_pool_open(n, cores, spin_us, &pool, &err), EW_OK);
    assert_non_null(pool);
    return pool;
}

struct counts {
    uint64_t calls[MAX]; /* plain on purpose: each member owns one, and TSan sees a member that runs twice */
    uint32_t seen_count[MAX];
    uint64_t total;
};

static void count_call(const struct ew_pool_member *me, void *context) {
    struct counts *c = context;
    c->calls[me->index]++;
    c->seen_count[me->index] = me->count;
}

static void all_members_run_once(void **state) {
    (void)state;
    struct ew_thread_pool *pool = open_pool(4, NULL, 0);
    for (uint32_t n = 1; n <= 4; n++) {
        struct counts c = {0};
        ew_thread_pool_run(pool, n, count_call, &c);
        for (uint32_t i = 0; i < MAX; i++) {
            assert_int_equal(c.calls[i], i < n);
            assert_int_equal(c.seen_count[i], i < n ? n : 0);
        }
    }
    ew_thread_pool_close(&pool);
    assert_null(pool);
}

static void thousands_of_runs_of_changing_width(void **state) {
    (void)state;
    struct ew_thread_pool *pool = open_pool(4, NULL, 0);
    struct counts c = {0};
    uint64_t expected[MAX] = {0};
    for (uint32_t run = 0; run < 5000; run++) {
        uint32_t n = 1 + run * 7 % 4;
        ew_thread_pool_run(pool, n, count_call, &c);
        for (uint32_t i = 0; i < n; i++) expected[i]++;
    }
    assert_memory_equal(c.calls, expected, sizeof expected);
    ew_thread_pool_close(&pool);
}

struct relay {
    uint64_t value[MAX]; /* plain: only the barrier makes a neighbour's write visible */
    _Atomic uint32_t n_wrong;
};

/* Each step every member adds its neighbour's value of the step before; all values grow in lock step. */
static void relay_steps(const struct ew_pool_member *me, void *context) {
    struct relay *r = context;
    r->value[me->index] = 1;
    for (uint64_t step = 1; step <= STEPS; step++) {
        ew_pool_barrier(me);
        uint64_t neighbour = r->value[(me->index + 1) % me->count];
        if (neighbour != step) atomic_fetch_add(&r->n_wrong, 1);
        ew_pool_barrier(me);
        r->value[me->index] = neighbour + 1;
    }
}

static void run_relay(uint32_t n_threads, uint32_t spin_us) {
    struct ew_thread_pool *pool = open_pool(n_threads, NULL, spin_us);
    for (uint32_t n = 1; n <= n_threads; n++) {
        struct relay r = {0};
        ew_thread_pool_run(pool, n, relay_steps, &r);
        assert_int_equal(atomic_load(&r.n_wrong), 0);
        for (uint32_t i = 0; i < n; i++) assert_int_equal(r.value[i], STEPS + 1);
    }
    ew_thread_pool_close(&pool);
}

static void barrier_orders_steps(void **state) {
    (void)state;
    run_relay(2, 0);
}

static void barrier_orders_steps_of_sleepers(void **state) {
    (void)state;
    run_relay(3, 1); /* one microsecond: nearly every wait goes to sleep */
}

static void barrier_orders_steps_without_spinning(void **state) {
    (void)state;
    run_relay(3, EW_POOL_NO_SPIN);
}

static int64_t cpu_ns(void) {
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A worker that may spin for half a second burns it while nobody runs; one that may not burns nearly nothing. */
static int64_t cpu_ns_of_waiting(uint32_t spin_us) {
    struct ew_thread_pool *pool = open_pool(2, NULL, spin_us);
    struct counts c = {0};
    ew_thread_pool_run(pool, 2, count_call, &c);
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); /* it has reached its gate */
    int64_t begin_ns = cpu_ns();
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    int64_t used_ns = cpu_ns() - begin_ns;
    ew_thread_pool_close(&pool);
    return used_ns;
}

static void spinning_is_settable(void **state) {
    (void)state;
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    assert_true(cpu_ns_of_waiting(EW_POOL_NO_SPIN) < 2000000);
    assert_true(cpu_ns_of_waiting(1) < 2000000);
    if (CPU_COUNT(&allowed) >= 2)
        assert_true(cpu_ns_of_waiting(500000) > 3000000); /* of 100 ms: there may be neighbours */
}

static void more_threads_than_cores_end_soon(void **state) {
    (void)state;
    int64_t begin_ns = ew_clock_now_ns();
    run_relay(MAX, 1000000); /* a second of spinning per wait would take hours if it were obeyed here */
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    if (CPU_COUNT(&allowed) < MAX) assert_true(ew_clock_seconds(ew_clock_now_ns() - begin_ns) < 60);
}

static void workers_wake_after_sleeping(void **state) {
    (void)state;
    struct ew_thread_pool *pool = open_pool(2, NULL, 1);
    struct counts c = {0};
    for (int i = 0; i < 5; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        ew_thread_pool_run(pool, 2, count_call, &c);
    }
    assert_int_equal(c.calls[1], 5);
    ew_thread_pool_close(&pool);
}

struct placement {
    cpu_set_t set[MAX];
};

static void read_placement(const struct ew_pool_member *me, void *context) {
    struct placement *p = context;
    sched_getaffinity(0, sizeof p->set[0], &p->set[me->index]);
}

static int first_core(const cpu_set_t *set) {
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, set)) return i;
    return -1;
}

static void members_are_pinned_and_the_caller_restored(void **state) {
    (void)state;
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int core = first_core(&before);
    int cores[2] = {core, core};
    struct ew_thread_pool *pool = open_pool(2, cores, 0);
    struct placement p;
    memset(&p, 0, sizeof p);
    ew_thread_pool_run(pool, 2, read_placement, &p);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(CPU_COUNT(&p.set[i]), 1);
        assert_true(CPU_ISSET(core, &p.set[i]));
    }
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    ew_thread_pool_close(&pool);
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    struct ew_thread_pool *pool = NULL;
    struct ew_error err;
    assert_int_equal(ew_thread_pool_open(0, NULL, 0, &pool, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_thread_pool_open(1000000, NULL, 0, &pool, NULL), EW_ERR_ARGUMENT);
    int cores[1] = {CPU_SETSIZE + 5};
    assert_int_equal(ew_thread_pool_open(1, cores, 0, &pool, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "core 1029"));
    assert_null(pool);
}

static void closing_while_idle_and_twice(void **state) {
    (void)state;
    struct ew_thread_pool *pool = open_pool(MAX, NULL, 0);
    ew_thread_pool_close(&pool);
    assert_null(pool);
    ew_thread_pool_close(&pool);
    ew_thread_pool_close(NULL);
    pool = open_pool(3, NULL, 1);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* asleep by now */
    ew_thread_pool_close(&pool);
    assert_null(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_members_run_once),
        cmocka_unit_test(thousands_of_runs_of_changing_width),
        cmocka_unit_test(barrier_orders_steps),
        cmocka_unit_test(barrier_orders_steps_of_sleepers),
        cmocka_unit_test(barrier_orders_steps_without_spinning),
        cmocka_unit_test(spinning_is_settable),
        cmocka_unit_test(more_threads_than_cores_end_soon),
        cmocka_unit_test(workers_wake_after_sleeping),
        cmocka_unit_test(members_are_pinned_and_the_caller_restored),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(closing_while_idle_and_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
