/* Quantities with units: what is taken, what is refused, how they are printed. */
#include "study/study_value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void whole_numbers(void **state) {
    (void)state;
    int64_t v = 0;
    assert_true(ew_value_parse_int("0", &v) && v == 0);
    assert_true(ew_value_parse_int("-12", &v) && v == -12);
    assert_true(ew_value_parse_int("1_000_000", &v) && v == 1000000);
    assert_true(ew_value_parse_int("9223372036854775807", &v) && v == INT64_MAX);
    static const char *const bad[] = {"",
                                      "-",
                                      "1.5",
                                      "1e3",
                                      "0x10",
                                      " 1",
                                      "1 ",
                                      "_1",
                                      "1_",
                                      "1__0",
                                      "9223372036854775808",
                                      "two",
                                      "1-2",
                                      "99999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ew_value_parse_int(bad[i], &v)) fail_msg("`%s` was taken", bad[i]);
}

static void durations(void **state) {
    (void)state;
    double s = -1;
    assert_true(ew_value_parse_duration("30 s", &s) && s == 30);
    assert_true(ew_value_parse_duration("500ms", &s) && s == 0.5);
    assert_true(ew_value_parse_duration("2 min", &s) && s == 120);
    assert_true(ew_value_parse_duration("1.5 h", &s) && s == 5400);
    assert_true(ew_value_parse_duration("0", &s) && s == 0);
    static const char *const bad[] = {"30",    "s",     "",     "-1 s",  "1 sec", "1..2 s",
                                      "inf s", "nan s", ".5 s", "1e3 s", "1 s s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ew_value_parse_duration(bad[i], &s)) fail_msg("`%s` was taken", bad[i]);
}

static void percentages(void **state) {
    (void)state;
    double f = 0;
    assert_true(ew_value_parse_percent("2 %", &f) && fabs(f - 0.02) < 1e-15);
    assert_true(ew_value_parse_percent("0.5%", &f) && fabs(f - 0.005) < 1e-15);
    assert_false(ew_value_parse_percent("2", &f));
    assert_false(ew_value_parse_percent("% 2", &f));
}

static void printed(void **state) {
    (void)state;
    char buf[32];
    static const struct {
        double seconds;
        const char *text;
    } times[] = {{0.42, "0.4 s"},     {9.94, "9.9 s"},     {41.3, "41 s"},
                 {59.7, "1 min 0 s"}, {190, "3 min 10 s"}, {6720, "1 h 52 min"}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        ew_value_print_duration(times[i].seconds, buf, sizeof buf);
        assert_string_equal(buf, times[i].text);
    }
    static const struct {
        double speed;
        const char *text;
    } speeds[] = {{2083.4, "2083"}, {12345, "12345"}, {99.96, "100"},    {57.84, "57.8"},
                  {9.996, "10.0"},  {1.309, "1.31"},  {0.4123, "0.412"}, {NAN, "–"}};
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        ew_value_print_speed(speeds[i].speed, buf, sizeof buf);
        assert_string_equal(buf, speeds[i].text);
    }
    ew_value_print_bytes(2.71e9, buf, sizeof buf);
    assert_string_equal(buf, "2.7 GB");
    ew_value_print_bytes(41.2e6, buf, sizeof buf);
    assert_string_equal(buf, "41 MB");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_numbers), cmocka_unit_test(durations),
                                       cmocka_unit_test(percentages), cmocka_unit_test(printed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
