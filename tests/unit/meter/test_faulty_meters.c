/* Energy of meters that fail in the middle of a run: they freeze, disappear, talk nonsense, saturate, are reset or are
 * read too seldom. Each is named in the reason, and none passes as a plain figure. */
#include "meter/integrate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 4096 };

static struct ew_meter_channel channel;
static struct ew_meter_info info;
static int64_t times_ns[MAX];
static double values[MAX];
static struct ew_energy_trace trace;

static int64_t at(double seconds) { return (int64_t)llround(seconds * 1e9); }

static void fresh(enum ew_meter_kind kind) {
    channel = (struct ew_meter_channel){.name = "rail", .in_total = true};
    memset(&info, 0, sizeof info);
    strcpy(info.name, "test");
    info.kind = kind;
    info.boundary = EW_BOUNDARY_WALL;
    info.error_relative = 0.01;
    info.grade_ceiling = EW_GRADE_A;
    info.n_channels = 1;
    info.channels = &channel;
    trace = (struct ew_energy_trace){.info = &info, .times_ns = times_ns, .values = values};
}

static void add(double seconds, double value) {
    times_ns[trace.n] = at(seconds);
    values[trace.n++] = value;
}

static struct ew_energy energy(double t0, double t1) {
    struct ew_energy e;
    assert_int_equal(ew_energy_of_window(&trace, EW_ENERGY_TOTAL, at(t0), at(t1), NULL, &e, NULL), EW_OK);
    return e;
}

static void expect(struct ew_energy e, enum ew_trust_grade grade, const char *words) {
    if (e.grade != grade || !strstr(e.grade_reason, words))
        fail_msg("grade %s (%s), expected %s (…%s…)", ew_trust_grade_name(e.grade), e.grade_reason,
                 ew_trust_grade_name(grade), words);
}

/* A power around 5 W that never repeats itself. */
static double lively(int i) { return 5 + 0.5 * sin(0.7 * i) + 0.001 * (i % 13); }

static void assert_near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.12g is not %.12g within %.3g", a, b, tolerance);
}

static void fill_power(int n, int freeze_at, int freeze_until) {
    trace.n = 0;
    for (int i = 0; i <= n; i++) add(0.1 * i, lively(i >= freeze_at && i < freeze_until ? freeze_at : i));
}

static void test_power_freezes(void **state) {
    (void)state;
    fresh(EW_METER_POWER);
    fill_power(600, 1000, 1000);
    assert_int_equal(energy(0, 60).grade, EW_GRADE_A);
    fill_power(600, 300, 1000); /* never goes on */
    struct ew_energy e = energy(0, 60);
    expect(e, EW_GRADE_NONE, "stood still for 30 of 60 s");
    assert_near(e.still_s, 30, 0.11);
    fill_power(600, 300, 400); /* goes on after 10 of 60 s */
    expect(energy(0, 60), EW_GRADE_NONE, "stood still");
    fill_power(600, 300, 330); /* 3 s */
    expect(energy(0, 60), EW_GRADE_C, "stood still");
    assert_int_equal(energy(0, 29).grade, EW_GRADE_A); /* before it froze all was well */
    fill_power(600, 300, 305);                         /* half a second is not worth a word */
    assert_int_equal(energy(0, 60).grade, EW_GRADE_A);
}

/* A coarse sensor on a steady load stands still and is honest. */
static void test_coarse_is_not_frozen(void **state) {
    (void)state;
    fresh(EW_METER_POWER);
    info.resolution = 0.1;
    for (int i = 0; i <= 600; i++) add(0.1 * i, i < 200 ? 5 + 0.1 * (i % 2) : i < 400 ? 5 : 5 + 0.1 * (i % 2));
    struct ew_energy e = energy(0, 60);
    assert_true(e.still_s > 19 && e.grade >= EW_GRADE_B);
}

static void test_counter_freezes(void **state) {
    (void)state;
    fresh(EW_METER_COUNTER);
    double joules[601], sum = 0;
    for (int i = 0; i <= 600; i++) {
        joules[i] = sum;
        sum += 0.1 * lively(i);
    }
    for (int i = 0; i <= 600; i++) add(0.1 * i, i < 300 || i >= 450 ? joules[i] : joules[300]);
    struct ew_energy e = energy(0, 60);
    expect(e, EW_GRADE_C, "caught up"); /* the driver slept, the counter did not */
    assert_near(e.energy_j, joules[600], 1e-9);
    trace.n = 0;
    for (int i = 0; i <= 600; i++) add(0.1 * i, i < 300 ? joules[i] : i < 450 ? joules[300] : joules[i - 150]);
    expect(energy(0, 60), EW_GRADE_NONE, "stood still for 15");
    trace.n = 0;
    for (int i = 0; i <= 600; i++) add(0.1 * i, i < 300 ? joules[i] : joules[300]);
    expect(energy(0, 60), EW_GRADE_NONE, "stood still");
}

static void test_disappears(void **state) {
    (void)state;
    fresh(EW_METER_POWER);
    fill_power(300, 1000, 1000);
    struct ew_energy e = energy(10, 50);
    expect(e, EW_GRADE_NONE, "end 20 s before it (20 of 40 s)");
    assert_true(isnan(e.energy_j) && isnan(e.error_j));
    assert_near(e.covered_s, 20, 1e-9);
    trace.n = 0;
    for (int i = 0; i <= 600; i++) add(15 + 0.1 * i, lively(i));
    expect(energy(10, 50), EW_GRADE_NONE, "begin 5 s after it (35 of 40 s)");
    expect(energy(1, 10), EW_GRADE_NONE, "no readings cover");
}

static void test_power_nonsense(void **state) {
    (void)state;
    fresh(EW_METER_POWER);
    info.range_max = 30;
    fill_power(600, 1000, 1000);
    double whole = energy(0, 60).energy_j;
    static const double nonsense[] = {65535, -40, INFINITY, -INFINITY, 31, 1e300};
    for (size_t k = 0; k < 6; k++) {
        fill_power(600, 1000, 1000);
        values[200] = values[400] = nonsense[k];
        struct ew_energy e = energy(0, 60);
        expect(e, EW_GRADE_C, "2 of 601 readings cannot be");
        assert_int_equal(e.implausible, 2);
        assert_int_equal(e.missing, 0);
        assert_near(e.energy_j, whole, 0.2); /* what stood there is interpolated */
        assert_true(fabs(e.energy_j - whole) <= e.error_j && e.peak_w < 6);
    }
    fill_power(600, 1000, 1000);
    for (int i = 3; i <= 600; i += 5) values[i] = -40;
    expect(energy(0, 60), EW_GRADE_NONE, "cannot be (-40");
    fill_power(600, 1000, 1000);
    for (int i = 0; i <= 600; i++) values[i] = INFINITY;
    expect(energy(0, 60), EW_GRADE_NONE, "601 of 601 readings cannot be (inf");
    fill_power(600, 1000, 1000);
    for (int i = 0; i <= 600; i++) values[i] = NAN;
    struct ew_energy e = energy(0, 60);
    expect(e, EW_GRADE_NONE, "fewer than two");
    assert_int_equal(e.missing, 601);
}

/* An offset may push a small power below zero: that is no nonsense. */
static void test_small_negative_power(void **state) {
    (void)state;
    fresh(EW_METER_POWER);
    for (int i = 0; i <= 600; i++) add(0.1 * i, 0.03 + 0.05 * sin(0.7 * i));
    struct ew_energy e = energy(0, 60);
    assert_int_equal(e.implausible, 0);
    assert_near(e.energy_j, 1.8, 0.02);
}

static void test_saturates(void **state) {
    (void)state;
    fresh(EW_METER_POWER);
    info.range_max = 5.2;
    for (int i = 0; i <= 600; i++) add(0.1 * i, fmin(lively(i), 5.2));
    struct ew_energy e = energy(0, 60);
    expect(e, EW_GRADE_D, "saturated");
    assert_non_null(strstr(e.grade_reason, "lower bound"));
    assert_true(e.saturated > 100 && e.saturated < 300);
    info.range_max = 0; /* where the range is not known, nothing can be said */
    assert_int_equal(energy(0, 60).saturated, 0);
}

static void fill_counter(int n, double step_s, double watts, double start_j, double wrap_j) {
    trace.n = 0;
    channel.wrap = wrap_j;
    for (int i = 0; i <= n; i++) {
        double joules = start_j + watts * step_s * i;
        add(step_s * i, wrap_j > 0 ? fmod(joules, wrap_j) : joules);
    }
}

/* 32 bits of microjoules at 20 W last 215 s. */
static void test_counter_read_too_seldom(void **state) {
    (void)state;
    fresh(EW_METER_COUNTER);
    fill_counter(200, 10, 20, 4000, 4294.967296);
    struct ew_energy e = energy(5, 1995);
    assert_near(e.energy_j, 20 * 1990, 1e-6);
    assert_int_equal(e.grade, EW_GRADE_A);
    fill_counter(200, 150, 20, 4000, 4294.967296); /* 3000 J each: half as much more would hide a turn */
    e = energy(200, 29000);
    expect(e, EW_GRADE_NONE, "unseen");
    assert_true(isnan(e.energy_j));
    fill_counter(200, 300, 20, 4000, 4294.967296); /* looks like 5.7 W; only the description can know better */
    info.power_max_w = 65;
    expect(energy(200, 59000), EW_GRADE_NONE, "not read for 300 s");
    info.power_max_w = 0;
    fill_counter(200, 10, 20, 4000, 4294.967296); /* one hole, in which the machine slept or the disk hung */
    for (size_t i = 100; i < trace.n; i++) times_ns[i] += at(3000);
    expect(energy(5, 4500), EW_GRADE_NONE, "unseen");
    assert_near(energy(5, 985).energy_j, 20 * 980, 1e-6); /* before the hole */
}

static void test_counter_is_reset(void **state) {
    (void)state;
    fresh(EW_METER_COUNTER);
    fill_counter(600, 0.1, 20, 100000, 262143.99);
    for (size_t i = 300; i < trace.n; i++) values[i] = 2 * (double)(i - 300);
    struct ew_energy e = energy(5, 55);
    expect(e, EW_GRADE_NONE, "reset");
    assert_true(isnan(e.energy_j));
    assert_near(energy(5, 25).energy_j, 400, 1e-6);
    assert_near(energy(35, 55).energy_j, 400, 1e-6); /* after it all is well again */
    fill_counter(600, 10, 20, 100000, 262143.99);    /* read so seldom that the power alone would be possible */
    for (size_t i = 300; i < trace.n; i++) values[i] = 200 * (double)(i - 300);
    expect(energy(5, 5500), EW_GRADE_NONE, "reset");
    channel.wrap = 0;
    expect(energy(5, 5500), EW_GRADE_NONE, "backwards");
}

/* One reading that is off the line is left out, upwards and downwards. */
static void test_counter_glitches(void **state) {
    (void)state;
    static const double nonsense[] = {200000, 3, -1, INFINITY, NAN};
    fresh(EW_METER_COUNTER);
    for (size_t k = 0; k < 5; k++) {
        fill_counter(600, 0.1, 20, 100000, 262143.99);
        values[300] = nonsense[k];
        struct ew_energy e = energy(5, 55);
        assert_near(e.energy_j, 1000, 1e-6);
        assert_int_equal(e.implausible + e.missing, 1);
        assert_near(e.peak_w, 20, 1e-6);
        if (k < 4) expect(e, EW_GRADE_C, "1 of 501 readings cannot be");
    }
}

/* A plug that counts whole watt-hours jumps by 3,600 J at once, and that is no nonsense. */
static void test_coarse_counter(void **state) {
    (void)state;
    fresh(EW_METER_COUNTER);
    info.resolution = 3600;
    for (int i = 0; i < 4000; i++) add(1 * i, 3600 * floor(100.0 * i / 3600));
    struct ew_energy e = energy(36, 3960);
    assert_int_equal(e.implausible, 0);
    assert_near(e.energy_j, 100 * (3960 - 36), 3600);
    assert_true(fabs(e.energy_j - 100 * (3960 - 36)) <= e.error_j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_freezes),    cmocka_unit_test(test_coarse_is_not_frozen),
        cmocka_unit_test(test_counter_freezes),  cmocka_unit_test(test_disappears),
        cmocka_unit_test(test_power_nonsense),   cmocka_unit_test(test_small_negative_power),
        cmocka_unit_test(test_saturates),        cmocka_unit_test(test_counter_read_too_seldom),
        cmocka_unit_test(test_counter_is_reset), cmocka_unit_test(test_counter_glitches),
        cmocka_unit_test(test_coarse_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
