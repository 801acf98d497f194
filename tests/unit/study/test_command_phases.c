/* Phase lines as any program may write them: cut anywhere, nested, unfinished, hostile. */
#include "study/command_phases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void feed(struct ew_command_phases *p, const char *text, int64_t time_ns) {
    assert_int_equal(ew_command_phases_feed(p, text, strlen(text), time_ns, NULL), EW_OK);
}

static void check(const struct ew_command_phases *p, size_t i, const char *name, int64_t begin_ns, int64_t end_ns) {
    assert_true(i < p->n);
    assert_string_equal(p->list[i].name, name);
    assert_int_equal(p->list[i].begin_ns, begin_ns);
    assert_int_equal(p->list[i].end_ns, end_ns);
}

static void test_nested_and_cut(void **state) {
    (void)state;
    struct ew_command_phases p = {0};
    feed(&p, "begin all\nbeg", 10);
    feed(&p, "in two words\r\n", 20);
    feed(&p, "end two words\nbegin two words\n", 30);
    feed(&p, "begin all\n", 40);
    feed(&p, "end all\n", 50); /* the one begun last */
    feed(&p, "begin late", 60);
    ew_command_phases_end(&p, 99);
    assert_int_equal(p.n, 4);
    check(&p, 0, "all", 10, 99);
    check(&p, 1, "two words", 20, 30);
    check(&p, 2, "two words", 30, 99);
    check(&p, 3, "all", 40, 50);
    assert_int_equal(p.broken, 0);
    ew_command_phases_close(&p);
}

static void test_broken_lines(void **state) {
    (void)state;
    static const char *const lines[] = {"end nothing\n",
                                        "start x\n",
                                        "begin \n",
                                        "begin\n",
                                        "\n",
                                        "begin tab\there\n",
                                        "begin \033[2J\n",
                                        "begin \302\205\n",     /* a C1 control character in UTF-8 */
                                        "begin \300\257\n",     /* an overlong slash */
                                        "begin \355\240\200\n", /* half a surrogate pair */
                                        "begin 0123456789012345678901234567890123456789012345678901234567890123\n"};
    enum { LINES = sizeof lines / sizeof *lines };
    struct ew_command_phases p = {0};
    for (size_t i = 0; i < LINES; i++) feed(&p, lines[i], 1);
    assert_int_equal(ew_command_phases_feed(&p, "begin a\0b\n", 10, 1, NULL), EW_OK);
    for (int i = 0; i < 1000; i++) feed(&p, "no end of line ", 1);
    feed(&p, "\nbegin good ±\n", 2);
    assert_int_equal(p.broken, LINES + 2);
    assert_string_equal(p.first_broken, "end nothing");
    assert_int_equal(p.n, 1);
    check(&p, 0, "good ±", 2, 0);
    ew_command_phases_close(&p);
}

static void test_marks(void **state) {
    (void)state;
    struct ew_command_phases p = {0};
    assert_int_equal(ew_command_phases_mark(&p, 100, 150, NULL), EW_OK);
    assert_int_equal(ew_command_phases_mark(&p, 100, 170, NULL), EW_OK);
    ew_command_phases_end(&p, 200);
    assert_int_equal(p.n, 3);
    check(&p, 0, "part 1", 100, 150);
    check(&p, 1, "part 2", 150, 170);
    check(&p, 2, "part 3", 170, 200);
    ew_command_phases_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nested_and_cut), cmocka_unit_test(test_broken_lines),
                                       cmocka_unit_test(test_marks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
