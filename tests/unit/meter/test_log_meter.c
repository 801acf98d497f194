/* The meter that reads a growing log: a scripted clock drives both the load and an imitated logger with a clock of its
 * own, so that offset and energy are known by arithmetic. */
#include "meter/aligned_log.h"
#include "meter/calibration.h"
#include "meter/driver.h"
#include "meter/integrate.h"
#include "meter/meter_sampler.h"
#include "meter/prove.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const double off_w = 3, on_w = 8;
static const int64_t second_ns = 1000000000;

/* Time, the load that is on or off in it, and the logger that writes what it sees. */
static struct world {
    int64_t now_ns, next_ns, period_ns, ahead_ns; /* its clock is that much ahead */
    int64_t silent_from_ns;                       /* it stops then; 0 = never */
    int64_t late_ns;                              /* it hands its lines over in blocks of that much time */
    int64_t handed_ns;
    bool on, deaf; /* deaf: it measures something else */
    double share_ns;
    int64_t since_ns; /* of `share_ns` */
    char path[64], block[65536];
    size_t block_n;
} w;

static void hand_over(void) {
    FILE *f = fopen(w.path, "a");
    assert_non_null(f);
    fwrite(w.block, 1, w.block_n, f);
    fclose(f);
    w.block_n = 0;
    w.handed_ns = w.now_ns;
}

/* A meter that averages over its whole period, as a good one does. */
static void write_line(void) {
    double share = w.share_ns / (double)w.period_ns, watts = off_w + (w.deaf ? 0 : (on_w - off_w) * share);
    double stamp = 1e-9 * (double)(w.next_ns + w.ahead_ns);
    if (w.silent_from_ns && w.next_ns >= w.silent_from_ns) return;
    w.block_n += (size_t)snprintf(w.block + w.block_n, sizeof w.block - w.block_n, "%.6f,%.6f\n", stamp, watts);
    if (w.now_ns - w.handed_ns >= w.late_ns || w.block_n > sizeof w.block - 100) hand_over();
}

static void pass_until(int64_t time_ns) {
    while (w.next_ns <= time_ns) {
        if (w.on) w.share_ns += (double)(w.next_ns - w.since_ns);
        w.now_ns = w.since_ns = w.next_ns;
        write_line();
        w.share_ns = 0;
        w.next_ns += w.period_ns;
    }
    if (w.on) w.share_ns += (double)(time_ns - w.since_ns);
    w.now_ns = w.since_ns = time_ns;
}

static int64_t world_now(void *context) {
    (void)context;
    return w.now_ns;
}
static void world_sleep(void *context, int64_t time_ns) {
    (void)context;
    if (time_ns > w.now_ns) pass_until(time_ns);
}
static const struct ew_meter_clock clock_of_world = {.now_ns = world_now, .sleep_until_ns = world_sleep};

static void set_load(void *context, bool on) {
    (void)context;
    w.on = on;
}
static const struct ew_prove_load load = {.set = set_load};

static void write_text(const char *text) {
    FILE *f = fopen(w.path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int begin_world(void **state) {
    (void)state;
    w = (struct world){.now_ns = 500 * second_ns, .period_ns = second_ns / 20, .ahead_ns = 1234567890123};
    w.next_ns = w.since_ns = w.handed_ns = w.now_ns;
    snprintf(w.path, sizeof w.path, "/tmp/edgewise-log-XXXXXX");
    int fd = mkstemp(w.path);
    if (fd < 0) return -1;
    close(fd);
    write_text("time_s,power_w\n");
    return 0;
}

static int end_world(void **state) {
    (void)state;
    unlink(w.path);
    return 0;
}

static struct ew_meter_list *list;

static struct ew_meter *open_log(const char *keys) {
    static char text[256];
    struct ew_meter_config config = {.clock = &clock_of_world};
    list = ew_meter_list_new();
    snprintf(text, sizeof text, "%s?averaging=0.05%s", w.path, keys);
    assert_int_equal(ew_meter_source_log(list, &config, text, NULL), EW_OK);
    return ew_meter_list_at(list, 0);
}

static void assert_refused(struct ew_meter *m, enum ew_meter_reason reason, const char *word) {
    const struct ew_meter_info *info = ew_meter_info(m);
    assert_int_equal(info->reason, reason);
    if (!strstr(info->reason_text, word)) fail_msg("`%s` says nothing of `%s`", info->reason_text, word);
    assert_int_not_equal(ew_meter_start(m, NULL), EW_OK);
    ew_meter_list_close(&list);
}

/* Three seconds at rest, against arithmetic. */
static void assert_energy_is_true(struct ew_meter *m, double gain, double offset_w) {
    const struct ew_meter_config config = {.clock = &clock_of_world};
    struct ew_meter_sampler *sampler = NULL;
    int64_t begin = w.now_ns;
    assert_int_equal(ew_meter_sampler_open(&m, 1, &config, &sampler, NULL), EW_OK);
    assert_int_equal(ew_meter_sampler_run(sampler, begin + 3 * second_ns, NULL), EW_OK);
    const struct ew_meter_trace *t = ew_meter_sampler_trace(sampler, 0);
    struct ew_energy_trace trace = {.info = t->info, .times_ns = t->times_ns, .values = t->values, .n = t->n};
    struct ew_energy e;
    assert_int_equal(ew_energy_of_window(&trace, EW_ENERGY_TOTAL, begin, begin + 3 * second_ns, NULL, &e, NULL), EW_OK);
    assert_true(t->n >= 60);
    assert_string_equal(t->error, "");
    double truth = 3 * (gain * off_w + offset_w);
    assert_true(fabs(e.energy_j - truth) < 1e-3 * truth);
    ew_meter_sampler_close(&sampler);
}

static void test_finds_its_clock_and_measures(void **state) {
    (void)state;
    struct ew_meter *m = open_log("&boundary=board&error=1%");
    assert_int_equal(ew_meter_info(m)->reason, EW_METER_USABLE);
    assert_string_equal(ew_meter_info(m)->name, "log");
    assert_int_equal(ew_meter_info(m)->boundary, EW_BOUNDARY_BOARD_DC);
    assert_int_equal(ew_meter_start(m, NULL), EW_ERR_UNSUPPORTED); /* whose clock is that? */
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_OK);
    assert_false(w.on);
    assert_float_equal(ew_meter_info(m)->period_s, 0.05, 1e-6);
    assert_true(ew_meter_info(m)->stamp_error_s > 0 && ew_meter_info(m)->stamp_error_s < 0.05);
    assert_true(ew_meter_info(m)->clock_drift > 0);

    /* A load from 2 s to 5 s: each stamp carries this clock within what is said. */
    int64_t times[512], begin = w.now_ns;
    double values[512];
    size_t n = 0, total = 0;
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    pass_until(begin + 2 * second_ns);
    w.on = true;
    pass_until(begin + 5 * second_ns);
    w.on = false;
    pass_until(begin + 7 * second_ns);
    do {
        assert_int_equal(ew_meter_read(m, times + total, values + total, 64, &n, NULL), EW_OK);
        total += n;
    } while (n > 0);
    assert_true(total >= 139 && total <= 142); /* 20 a second, and the one before the start */
    int64_t first_on = 0, last_on = 0;
    for (size_t i = 0; i < total; i++) {
        if (i > 0) assert_true(times[i] > times[i - 1]);
        if (values[i] < (off_w + on_w) / 2) continue;
        if (!first_on) first_on = times[i];
        last_on = times[i];
    }
    /* The first reading that is more than half on stands half a period to one and a half after the edge; the last one
     * half a period around it. */
    double limit = ew_meter_info(m)->stamp_error_s + 0.025;
    assert_true(fabs(1e-9 * (double)(first_on - begin) - 2.05) <= limit);
    assert_true(fabs(1e-9 * (double)(last_on - begin) - 5.0) <= limit);
    const struct ew_energy_trace trace = {.info = ew_meter_info(m), .times_ns = times, .values = values, .n = total};
    struct ew_energy e;
    assert_int_equal(
        ew_energy_of_window(&trace, EW_ENERGY_TOTAL, begin + second_ns, begin + 6 * second_ns, NULL, &e, NULL), EW_OK);
    assert_true(fabs(e.energy_j - (2 * off_w + 3 * on_w)) < 0.005 * (2 * off_w + 3 * on_w));
    ew_meter_stop(m);
    ew_meter_list_close(&list);
}

static void test_late_lines_are_waited_for(void **state) {
    (void)state;
    const struct ew_meter_config config = {.clock = &clock_of_world};
    w.late_ns = 3 * second_ns;
    struct ew_meter *m = open_log("");
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_OK);
    struct ew_meter_sampler *sampler = NULL;
    assert_int_equal(ew_meter_sampler_open(&m, 1, &config, &sampler, NULL), EW_OK);
    int64_t end = w.now_ns + 10 * second_ns;
    assert_int_equal(ew_meter_sampler_run(sampler, end, NULL), EW_OK);
    const struct ew_meter_trace *t = ew_meter_sampler_trace(sampler, 0);
    assert_true(t->n > 190 && t->times_ns[t->n - 1] >= end);
    assert_string_equal(t->error, "");

    w.silent_from_ns = w.now_ns + second_ns; /* the logger dies: the wait ends, and it is said */
    end = w.now_ns + 10 * second_ns;
    assert_int_equal(ew_meter_sampler_run(sampler, end, NULL), EW_OK);
    t = ew_meter_sampler_trace(sampler, 0);
    assert_true(t->n > 0 && t->times_ns[t->n - 1] < end);
    assert_non_null(strstr(t->error, "had not reached the end"));
    ew_meter_sampler_close(&sampler);
    ew_meter_list_close(&list);
}

static void test_calibrated_log(void **state) {
    (void)state;
    struct ew_meter *m = open_log("&name=usb");
    struct ew_calibration c = {.target = "log:usb",
                               .reference = "wall",
                               .board = "here",
                               .reference_boundary = EW_BOUNDARY_WALL,
                               .reference_grade = EW_GRADE_B,
                               .reference_error_relative = 0.01,
                               .error_relative = 0.02,
                               .gain = 1.25,
                               .offset_w = 0.5,
                               .taken_at_s = 1764028800}; /* 2025-11-25 */
    assert_int_equal(ew_calibration_apply(&c, "here", m, NULL), EW_OK);
    assert_int_equal(ew_calibration_apply(&c, "here", m, NULL), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(ew_meter_info(m)->covers, "calibrated by wall on 2025-11-25"));
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_OK);
    assert_true(ew_meter_late_s(m) > 0);
    assert_energy_is_true(m, 1.25, 0.5);
    ew_meter_list_close(&list);
}

static void test_same_time_of_day(void **state) {
    (void)state;
    w.ahead_ns = -ew_clock_epoch_ns();
    struct ew_meter *m = open_log("&clock=here");
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_OK);
    assert_energy_is_true(m, 1, 0);
    ew_meter_list_close(&list);

    w.ahead_ns += 7 * second_ns; /* what the user says is not so */
    write_text("time_s,power_w\n");
    m = open_log("&clock=here");
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_ERR_NOT_FOUND);
    assert_refused(m, EW_METER_IMPLAUSIBLE, "7.0 s late");
}

static void test_file_cut_short(void **state) {
    (void)state;
    struct ew_meter *m = open_log("");
    int64_t time;
    double value;
    size_t n;
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_OK);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    w.silent_from_ns = w.now_ns;
    while (ew_meter_read(m, &time, &value, 1, &n, NULL) == EW_OK && n == 1) continue;
    write_text("time_s,power_w\n");
    assert_int_equal(ew_meter_read(m, &time, &value, 1, &n, NULL), EW_ERR_NOT_FOUND);
    assert_refused(m, EW_METER_GONE, "cut short");
}

static void test_file_replaced(void **state) {
    (void)state;
    struct ew_meter *m = open_log("");
    int64_t time;
    double value;
    size_t n;
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_OK);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    w.silent_from_ns = w.now_ns;
    while (ew_meter_read(m, &time, &value, 1, &n, NULL) == EW_OK && n == 1) continue;
    unlink(w.path);
    assert_int_equal(ew_meter_read(m, &time, &value, 1, &n, NULL), EW_ERR_NOT_FOUND);
    assert_refused(m, EW_METER_GONE, "moved away or deleted");
}

static void test_broken_line_ends_it(void **state) {
    (void)state;
    struct ew_meter *m = open_log("");
    int64_t time;
    double value;
    size_t n;
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_OK);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    snprintf(w.block, sizeof w.block, "12.5 parsecs,many\n");
    w.block_n = strlen(w.block);
    hand_over();
    w.silent_from_ns = w.now_ns;
    enum ew_status status;
    do {
        status = ew_meter_read(m, &time, &value, 1, &n, NULL);
    } while (status == EW_OK && n == 1);
    assert_int_equal(status, EW_ERR_NOT_FOUND);
    assert_refused(m, EW_METER_GONE, "the time is none that is known");
}

static void test_refusals(void **state) {
    (void)state;
    write_text("");
    assert_refused(open_log(""), EW_METER_UNSUPPORTED, "holds no readings");
    write_text("time_s,colour\n1,2\n2,3\n");
    assert_refused(open_log(""), EW_METER_UNSUPPORTED, "colour");
    unlink(w.path);
    assert_refused(open_log(""), EW_METER_ABSENT, "No such file");
}

static void test_does_not_grow(void **state) {
    (void)state;
    w.silent_from_ns = 1;
    write_text("time_s,power_w\n1,3\n2,3\n");
    struct ew_meter *m = open_log("");
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_ERR_NOT_FOUND);
    assert_false(w.on);
    assert_refused(m, EW_METER_FROZEN, "does not grow");
}

static void test_measures_something_else(void **state) {
    (void)state;
    w.deaf = true;
    struct ew_meter *m = open_log("");
    struct ew_error err = {0};
    assert_int_equal(ew_meter_prove(m, &load, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "see that it measures this machine"));
    assert_refused(m, EW_METER_FROZEN, "does not show the load");
}

static void test_unit_that_cannot_be(void **state) {
    (void)state;
    struct ew_meter *m = open_log("&power=power_w&unit=kW");
    assert_int_equal(ew_meter_prove(m, &load, NULL), EW_ERR_NOT_FOUND);
    assert_refused(m, EW_METER_IMPLAUSIBLE, "cannot be");
}

static void test_names(void **state) {
    (void)state;
    open_log("");
    struct ew_meter_config config = {.clock = &clock_of_world};
    char text[256];
    assert_int_equal(ew_meter_source_log(list, &config, w.path, NULL), EW_OK);
    snprintf(text, sizeof text, "%s?name=usb", w.path);
    assert_int_equal(ew_meter_source_log(list, &config, text, NULL), EW_OK);
    assert_non_null(ew_meter_list_find(list, "log"));
    assert_non_null(ew_meter_list_find(list, "log-2"));
    assert_non_null(ew_meter_list_find(list, "log:usb"));
    snprintf(text, sizeof text, "%s?colour=red", w.path);
    assert_int_equal(ew_meter_source_log(list, &config, text, NULL), EW_ERR_ARGUMENT);
    ew_meter_list_close(&list);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_world, end_world)
    const struct CMUnitTest tests[] = {
        TEST(test_finds_its_clock_and_measures),
        TEST(test_late_lines_are_waited_for),
        TEST(test_calibrated_log),
        TEST(test_same_time_of_day),
        TEST(test_file_cut_short),
        TEST(test_file_replaced),
        TEST(test_broken_line_ends_it),
        TEST(test_refusals),
        TEST(test_does_not_grow),
        TEST(test_measures_something_else),
        TEST(test_unit_that_cannot_be),
        TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
