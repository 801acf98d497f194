/* The load for proving and calibrating: off is off when the call returns, and levels are shares of time. */
#include "meter/load_maker.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_ms(long ms) {
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

/* Processor time of the process, which otherwise sleeps, per second of wall time. */
static double busy_share(long ms) {
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    pause_ms(ms);
    return (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (seconds(CLOCK_MONOTONIC) - wall);
}

static void test_levels(void **state) {
    (void)state;
    int cores[1];
    assert_true(ew_load_maker_usable_cores(cores, 1) >= 1);
    struct ew_load_maker *maker = NULL;
    assert_int_equal(ew_load_maker_open(cores, 1, &maker, NULL), EW_OK);
    assert_true(busy_share(50) < 0.05); /* nothing before a level is set */
    ew_load_maker_set(maker, 1);
    double all = busy_share(150);
    ew_load_maker_set(maker, 0.3);
    double third = busy_share(200);
    ew_load_maker_set(maker, 0);
    assert_true(busy_share(50) < 0.05); /* off when the call returns, not some time later */
    /* The core may be shared with others: it cannot get more than the share, and some time it must get. */
    assert_true(all > 0.05 && all < 1.05);
    assert_true(third > 0.01 && third < 0.45);
    ew_load_maker_close(&maker);
    assert_null(maker);
    ew_load_maker_close(&maker);
}

static void test_quick_changes(void **state) {
    (void)state;
    struct ew_load_maker *maker = NULL;
    assert_int_equal(ew_load_maker_open(NULL, 3, &maker, NULL), EW_OK);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < 100; i++) ew_load_maker_switch(maker, i % 2 == 0);
    ew_load_maker_set(maker, 0.0 / 0.0); /* not a level: off */
    assert_true(seconds(CLOCK_PROCESS_CPUTIME_ID) > cpu);
    assert_true(busy_share(50) < 0.05);
    ew_load_maker_set(maker, 0.5);
    ew_load_maker_close(&maker); /* while it works */
}

static void test_wrong(void **state) {
    (void)state;
    struct ew_load_maker *maker = NULL;
    struct ew_error err;
    assert_int_equal(ew_load_maker_open(NULL, 0, &maker, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_load_maker_open(NULL, EW_LOAD_MAX_THREADS + 1, &maker, &err), EW_ERR_ARGUMENT);
    int cores[] = {-1}, far[] = {CPU_SETSIZE - 1};
    assert_int_equal(ew_load_maker_open(cores, 1, &maker, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_load_maker_open(far, 1, &maker, &err), EW_ERR_ARGUMENT);
    assert_null(maker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_quick_changes),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
