/* The split of rows among threads: nothing is left out or done twice, and threads of whatever speeds end together. Time
 * is counted in units of work, not measured. */
#include "backend/cpu/cpu_chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void units_are_handed_out_once_and_in_order(void **state) {
    (void)state;
    static const uint32_t units[] = {1, 2, 3, 7, 16, 31, 64, 96, 100, 513, 8016};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++)
        for (uint32_t step = 1; step <= 8; step *= 2)
            for (uint32_t threads = 1; threads <= 9; threads++) {
                struct ew_cpu_chunks c = ew_cpu_chunks_of(units[u], step, threads);
                uint32_t at = 0, number = 0;
                for (; ew_cpu_chunks_seek(&c, number); number++) {
                    assert_int_equal(c.begin, at);
                    assert_true(c.end > at && c.end <= units[u]);
                    at = c.end;
                }
                assert_int_equal(at, units[u]);
                assert_false(ew_cpu_chunks_seek(&c, number));
                assert_false(ew_cpu_chunks_seek(&c, number + threads)); /* every thread asks once too often */
            }
}

/* A thread that skips chunks, because others took them, finds the same borders. */
static void borders_do_not_depend_on_who_asks(void **state) {
    (void)state;
    struct ew_cpu_chunks all = ew_cpu_chunks_of(500, 4, 3), some = all;
    for (uint32_t number = 0; ew_cpu_chunks_seek(&all, number); number++) {
        if (number % 3 != 0) continue;
        assert_true(ew_cpu_chunks_seek(&some, number));
        assert_int_equal(some.begin, all.begin);
        assert_int_equal(some.end, all.end);
    }
}

/* Whole steps as long as more than a step for each thread is left. */
static void steps_are_cut_only_at_the_end(void **state) {
    (void)state;
    struct ew_cpu_chunks c = ew_cpu_chunks_of(256, 4, 2);
    for (uint32_t number = 0; ew_cpu_chunks_seek(&c, number); number++)
        if (256 - c.begin > 2 * 4) assert_int_equal((c.end - c.begin) % 4, 0);
    assert_int_equal(c.end - c.begin, 1);
}

/* When the last of `threads` threads is done, in units at speed 1; speed[i] = units per time of thread i. */
static double finish(uint32_t units, uint32_t step, uint32_t threads, const double *speed) {
    double free_at[16] = {0}, last = 0;
    struct ew_cpu_chunks c = ew_cpu_chunks_of(units, step, threads);
    for (uint32_t number = 0; ew_cpu_chunks_seek(&c, number); number++) {
        uint32_t first = 0;
        for (uint32_t i = 1; i < threads; i++)
            if (free_at[i] < free_at[first]) first = i;
        free_at[first] += (c.end - c.begin) / speed[first];
    }
    for (uint32_t i = 0; i < threads; i++)
        if (free_at[i] > last) last = free_at[i];
    return last;
}

/* Matrices of Llama 3.2 1B in grains of 32 rows, steps of 128: queries with keys and values, output, gate with up. */
static void equal_threads_end_within_a_grain(void **state) {
    (void)state;
    static const uint32_t units[] = {96, 64, 256};
    static const double speed[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++)
        for (uint32_t threads = 2; threads <= 8; threads *= 2) {
            double ideal = units[u] / (double)threads, took = finish(units[u], 4, threads, speed);
            if (took > ideal + 1)
                fail_msg("%u units, %u threads: %.1f instead of %.1f", units[u], threads, took, ideal);
        }
}

/* One of the threads at half speed, or at a quarter: the others take its work. What is lost is at most two grains at
 * the slow thread's pace. Fixed halves would take twice or four times as long. */
static void a_slow_thread_is_relieved(void **state) {
    (void)state;
    for (uint32_t threads = 2; threads <= 8; threads *= 2)
        for (double slow = 0.5; slow >= 0.25; slow /= 2)
            for (uint32_t who = 0; who < threads; who += threads - 1) {
                double speed[8] = {1, 1, 1, 1, 1, 1, 1, 1};
                speed[who] = slow;
                double ideal = 256 / (threads - 1 + slow), took = finish(256, 4, threads, speed);
                if (took > ideal + 2 / slow)
                    fail_msg("%u threads, one at %.2f: %.1f instead of %.1f", threads, slow, took, ideal);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_handed_out_once_and_in_order),
        cmocka_unit_test(borders_do_not_depend_on_who_asks),
        cmocka_unit_test(steps_are_cut_only_at_the_end),
        cmocka_unit_test(equal_threads_end_within_a_grain),
        cmocka_unit_test(a_slow_thread_is_relieved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
