/* Recorded traces: what is played when, and that damaged files are refused with their line. */
#include "meter/fake_meter.h"
#include "meter/replay.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = P_tmpdir "/ew_replay_XXXXXX";

static void put(const char *text, size_t n) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static int make_file(void **state) {
    (void)state;
    int fd = mkstemp(path);
    if (fd >= 0) close(fd);
    return fd < 0;
}

static int drop_file(void **state) {
    (void)state;
    return unlink(path);
}

static void test_play(void **state) {
    (void)state;
    const char text[] = "# a board on a bench supply\n# boundary: board\n# averaging_s: 0.2\r\n# grade: C\n\n"
                        "time_s,power_w\n10.0,4.5\n10.5,5.5\n11.0,\n11.5,6\n";
    put(text, sizeof text - 1);
    struct ew_fake_clock clock = {.now_ns = 7000000000};
    struct ew_meter_clock view = ew_fake_clock_of(&clock);
    struct ew_meter_config config = {.clock = &view};
    struct ew_meter *m = NULL;
    assert_int_equal(ew_meter_open_replay(&config, path, &m, NULL), EW_OK);
    const struct ew_meter_info *info = ew_meter_info(m);
    assert_int_equal(info->kind, EW_METER_POWER);
    assert_int_equal(info->boundary, EW_BOUNDARY_BOARD_DC);
    assert_int_equal(info->grade_ceiling, EW_GRADE_C);
    assert_true(info->averaging_s == 0.2 && info->period_s == 0.5 && isnan(info->error_relative));
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    int64_t t[8];
    double v[8];
    size_t n = 0;
    clock.now_ns += 600000000; /* 0.6 s later two samples are due */
    assert_int_equal(ew_meter_read(m, t, v, 8, &n, NULL), EW_OK);
    assert_int_equal(n, 2);
    assert_true(t[0] == 7000000000 && t[1] == 7500000000 && v[0] == 4.5 && v[1] == 5.5);
    assert_int_equal(ew_meter_read(m, t, v, 8, &n, NULL), EW_OK);
    assert_int_equal(n, 0);
    clock.now_ns += 10000000000;
    assert_int_equal(ew_meter_read(m, t, v, 1, &n, NULL), EW_OK); /* a full batch keeps the rest for the next */
    assert_true(n == 1 && isnan(v[0]));
    assert_int_equal(ew_meter_read(m, t, v, 8, &n, NULL), EW_OK);
    assert_true(n == 1 && v[0] == 6.0 && t[0] == 8500000000);
    assert_int_equal(ew_meter_read(m, t, v, 8, &n, NULL), EW_ERR_NOT_FOUND);
    ew_meter_close(&m);
}

static void test_loop(void **state) {
    (void)state;
    const char text[] = "# loop: yes\ntime_s,power_w\n0,1\n1,2\n";
    put(text, sizeof text - 1);
    struct ew_fake_clock clock = {0};
    struct ew_meter_clock view = ew_fake_clock_of(&clock);
    struct ew_meter_config config = {.clock = &view};
    struct ew_meter *m = NULL;
    assert_int_equal(ew_meter_open_replay(&config, path, &m, NULL), EW_OK);
    assert_int_equal(ew_meter_info(m)->grade_ceiling, EW_GRADE_E); /* a trace of another run is an assumption */
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    clock.now_ns = 5000000000;
    int64_t t[8];
    double v[8];
    size_t n = 0;
    assert_int_equal(ew_meter_read(m, t, v, 8, &n, NULL), EW_OK);
    assert_int_equal(n, 6); /* 1 2 1 2 1 2 at 0 … 5 s */
    for (size_t i = 0; i < n; i++) assert_true(t[i] == (int64_t)i * 1000000000 && v[i] == (i % 2 ? 2.0 : 1.0));
    ew_meter_close(&m);
}

static void test_damaged(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "at least 2"},
        {"time_s,power_w\n0,1\n", "at least 2"},
        {"seconds;watts\n0,1\n1,2\n", ":1:"},
        {"time_s,power_w\n0,1\n0,2\n", ":3: times must rise"},
        {"time_s,power_w\n0,1\n1,two\n", ":3: value"},
        {"time_s,power_w\n0,1\nnan,2\n", ":3: time"},
        {"time_s,power_w\n0,1\n-1,2\n", ":3: time"},
        {"time_s,power_w\n0,1\n1e300,2\n", ":3: time"},
        {"time_s,power_w\n0 1\n1,2\n", ":2: needs"},
        {"# boundary: moon\ntime_s,power_w\n0,1\n1,2\n", ":1: value of this key"},
        {"# grade: F\ntime_s,power_w\n0,1\n1,2\n", ":1: value of this key"},
        {"# loop: yes\ntime_s,energy_j\n0,1\n1,2\n", "counter cannot loop"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].text, strlen(cases[i].text));
        struct ew_meter *m = NULL;
        struct ew_error e = {0};
        assert_int_equal(ew_meter_open_replay(NULL, path, &m, &e), EW_ERR_FORMAT);
        assert_null(m);
        assert_non_null(strstr(e.message, cases[i].says));
    }
    char binary[2000] = "time_s,power_w\n";
    put(binary, sizeof binary);
    struct ew_meter *m = NULL;
    struct ew_error e = {0};
    assert_int_equal(ew_meter_open_replay(NULL, path, &m, &e), EW_ERR_FORMAT);
    assert_int_equal(ew_meter_open_replay(NULL, "/nowhere/at/all.csv", &m, &e), EW_ERR_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_play), cmocka_unit_test(test_loop),
                                       cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
