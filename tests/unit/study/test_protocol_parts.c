/* The thermal gate on scripted temperatures, and budgets. */
#include "study/study_budget.h"
#include "study/thermal_gate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Cools by 0.1 degree a second from start_c down to floor_c. */
struct oven {
    double now_s, start_c, floor_c;
    double stop_at_s;
};

static double read_c(void *context) {
    struct oven *o = context;
    return fmax(o->start_c - 0.1 * o->now_s, o->floor_c);
}
static double now_s(void *context) { return ((struct oven *)context)->now_s; }
static void sleep_s(void *context, double seconds) { ((struct oven *)context)->now_s += seconds; }
static bool stopped(void *context) {
    struct oven *o = context;
    return o->now_s >= o->stop_at_s;
}

static struct ew_gate_result wait_for(struct oven *oven, double at_c, double within_c, double timeout_s) {
    const struct ew_thermal_gate gate = {at_c, within_c, timeout_s};
    const struct ew_gate_io io = {read_c, now_s, sleep_s, stopped, oven};
    return ew_thermal_gate_wait(&gate, &io);
}

static void test_gate(void **state) {
    (void)state;
    struct oven oven = {.start_c = 60, .floor_c = 40, .stop_at_s = INFINITY};
    struct ew_gate_result r = wait_for(&oven, 50, 1, 600);
    assert_int_equal(r.outcome, EW_GATE_PASSED);
    assert_true(r.waited_s >= 90 && r.waited_s <= 91); /* 51 degrees after 90 s, and a second reading */
    assert_true(r.start_c <= 51);
    oven = (struct oven){.start_c = 60, .floor_c = 55, .stop_at_s = INFINITY};
    r = wait_for(&oven, 50, 1, 120);
    assert_int_equal(r.outcome, EW_GATE_TIMED_OUT);
    assert_true(r.waited_s >= 120 && r.waited_s < 121 && r.start_c == 55);
    oven = (struct oven){.start_c = 30, .floor_c = 20, .stop_at_s = INFINITY};
    r = wait_for(&oven, 50, 1, 120);
    assert_int_equal(r.outcome, EW_GATE_PASSED);
    assert_true(r.waited_s <= 0.5);
    oven = (struct oven){.start_c = 90, .floor_c = 80, .stop_at_s = 3};
    assert_int_equal(wait_for(&oven, 50, 1, 120).outcome, EW_GATE_STOPPED);
    oven = (struct oven){.start_c = NAN, .floor_c = NAN, .stop_at_s = INFINITY};
    assert_int_equal(wait_for(&oven, 50, 1, 120).outcome, EW_GATE_BLIND);
    assert_int_equal(wait_for(&oven, NAN, 1, 120).outcome, EW_GATE_NONE);
}

static void test_budgets(void **state) {
    (void)state;
    char why[200];
    const struct ew_study_budget two_hours = {.time_s = 7200, .energy_j = INFINITY, .disk_bytes = 1e9};
    assert_true(ew_study_budget_allows(&two_hours, &(struct ew_spent){7000, 1e9}, &(struct ew_next_trial){199, 0}, why,
                                       sizeof why));
    assert_string_equal(why, "");
    assert_false(ew_study_budget_allows(&two_hours, &(struct ew_spent){7080, 0}, &(struct ew_next_trial){240, 0}, why,
                                        sizeof why));
    assert_non_null(strstr(why, "1 h 58 min are spent"));
    assert_non_null(strstr(why, "the budget is 2 h"));
    const struct ew_study_budget joules = {.time_s = INFINITY, .energy_j = 1000, .disk_bytes = INFINITY};
    assert_true(
        ew_study_budget_allows(&joules, &(struct ew_spent){0, 900}, &(struct ew_next_trial){0, 100}, why, sizeof why));
    assert_false(
        ew_study_budget_allows(&joules, &(struct ew_spent){0, 901}, &(struct ew_next_trial){0, 100}, why, sizeof why));
    assert_non_null(strstr(why, "energy: 901 J"));
    assert_true(ew_study_budget_allows_disk(&two_hours, 1e9, why, sizeof why));
    assert_false(ew_study_budget_allows_disk(&two_hours, 2.5e9, why, sizeof why));
    assert_non_null(strstr(why, "2.5 GB"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gate), cmocka_unit_test(test_budgets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
