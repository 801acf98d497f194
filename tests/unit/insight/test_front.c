/* The Pareto front on points that a person can see through. */
#include "insight/front.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void two_figures(void **state) {
    (void)state;
    /* speed (more is better), memory (less is better) */
    static const double points[][2] = {{10, 5}, {20, 5}, {20, 8}, {30, 9}, {5, 1}, {30, 9}, {NAN, 0}, {99, INFINITY}};
    static const bool expected[] = {false, true, false, true, true, true, false, false};
    static const int sense[] = {+1, -1};
    bool on[8];
    ew_front_mark(points[0], 8, 2, sense, on);
    for (int i = 0; i < 8; i++) assert_int_equal(on[i], expected[i]);
}

static void three_figures(void **state) {
    (void)state;
    /* the second loses to the first in two figures and wins in the third; the third point loses to both */
    static const double points[][3] = {{10, 5, 7}, {9, 6, 6}, {9, 6, 7}};
    static const int sense[] = {+1, -1, -1};
    bool on[3];
    ew_front_mark(points[0], 3, 3, sense, on);
    assert_true(on[0] && on[1] && !on[2]);
}

static void one_or_no_point(void **state) {
    (void)state;
    static const double point[] = {1, 2};
    static const int sense[] = {+1, -1};
    bool on[1] = {false};
    ew_front_mark(point, 0, 2, sense, on);
    assert_false(on[0]);
    ew_front_mark(point, 1, 2, sense, on);
    assert_true(on[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_figures), cmocka_unit_test(three_figures),
                                       cmocka_unit_test(one_or_no_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
