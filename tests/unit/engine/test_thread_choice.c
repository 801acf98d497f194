/* How many threads, and where, on machines that were recorded. Which cores a machine has is the matter of the tests of
 * the machine room; expectations here are the rule of engine/thread_choice.h, worked out by hand. */
#include "engine/thread_choice.h"
#include "machine/machine.h"
#include "recorded_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ew_machine *open_tree(const char *name) {
    char root[TREE_ROOT_BYTES];
    struct ew_machine *m = NULL;
    tree_unpack(name, root);
    assert_int_equal(ew_machine_open(root, &m, NULL), EW_OK);
    tree_remove(root);
    return m;
}

/* Small cores have 397 of 1024: less than half. They come last and do not decode. */
static void small_cores_read_prompts_only(void **state) {
    (void)state;
    static const int order[8] = {4, 5, 6, 7, 0, 1, 2, 3};
    struct ew_thread_choice c;
    struct ew_machine *m = open_tree("rk3588");
    ew_thread_choose_on(m, &c);
    assert_int_equal(c.n_default, 8);
    assert_int_equal(c.n_decode, 4);
    assert_int_equal(c.n_cores, 8);
    assert_memory_equal(c.cores, order, sizeof order);

    for (int i = 0; i < 4; i++) m->cpus[i].speed = 512; /* just half */
    ew_thread_choose_on(m, &c);
    assert_int_equal(c.n_decode, 8);

    for (int i = 0; i < 4; i++) m->cpus[i].speed = 397;
    for (int i = 4; i < 8; i++) m->cpus[i].usable = false; /* a job on small cores alone */
    ew_thread_choose_on(m, &c);
    assert_int_equal(c.n_default, 4);
    assert_int_equal(c.n_decode, 4);
    assert_int_equal(c.n_cores, 4);
    ew_machine_close(&m);
}

/* A group's quota of 1.5 CPUs feeds one thread of four equal cores. */
static void quota_limits_both(void **state) {
    (void)state;
    struct ew_thread_choice c;
    struct ew_machine *m = open_tree("pi5");
    ew_thread_choose_on(m, &c);
    assert_int_equal(c.n_default, 1);
    assert_int_equal(c.n_decode, 1);
    assert_int_equal(c.n_cores, 0); /* all alike: the system places threads */
    ew_machine_close(&m);
}

/* Second threads of a core count for neither. */
static void threads_of_a_core_count_once(void **state) {
    (void)state;
    struct ew_thread_choice c;
    struct ew_machine *m = open_tree("xeon-2s");
    ew_thread_choose_on(m, &c);
    assert_int_equal(c.n_default, ew_machine_usable_cores(m));
    assert_int_equal(c.n_decode, c.n_default);
    ew_machine_close(&m);
}

static void nothing_known_is_one_thread(void **state) {
    (void)state;
    struct ew_thread_choice c;
    struct ew_machine *m = open_tree("nothing");
    ew_thread_choose_on(m, &c);
    assert_int_equal(c.n_default, 1);
    assert_int_equal(c.n_decode, 1);
    ew_machine_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_cores_read_prompts_only),
        cmocka_unit_test(quota_limits_both),
        cmocka_unit_test(threads_of_a_core_count_once),
        cmocka_unit_test(nothing_known_is_one_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
