/* Energy over windows of traces whose answer is known on paper: ramps, steps, wraps, repeats, gaps, idle, grades; and
 * random loads, whose true energy must lie inside the stated interval. */
#include "meter/integrate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 4096 };

static struct ew_meter_channel channels[3];
static struct ew_meter_info info;
static int64_t times_ns[MAX];
static double values[MAX];
static struct ew_energy_trace trace;

static int64_t at(double seconds) { return (int64_t)llround(seconds * 1e9); }

/* A meter that allows any grade, so that each test lowers just what it looks at. */
static void fresh(enum ew_meter_kind kind, size_t n_channels) {
    memset(channels, 0, sizeof channels);
    memset(&info, 0, sizeof info);
    for (int c = 0; c < 3; c++) channels[c].in_total = true;
    strcpy(info.name, "test");
    info.kind = kind;
    info.boundary = EW_BOUNDARY_WALL;
    info.error_relative = 0.01;
    info.grade_ceiling = EW_GRADE_A;
    info.n_channels = n_channels;
    info.channels = channels;
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

static void assert_near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.12g is not %.12g within %.3g", a, b, tolerance);
}

static void test_ramp(void **state) {
    (void)state;
    fresh(EW_METER_POWER, 1);
    for (int i = 0; i <= 1000; i++) add(0.01 * i, 2 + 0.01 * i); /* P = 2 W + 1 W/s t */
    struct ew_energy e = energy(2.053, 7.351);
    assert_near(e.energy_j, 2 * 5.298 + (7.351 * 7.351 - 2.053 * 2.053) / 2, 1e-9);
    assert_near(e.average_w, 2 + (7.351 + 2.053) / 2, 1e-9);
    assert_near(e.peak_w, 9.351, 1e-9);
    assert_near(e.duration_s, 5.298, 1e-12);
    assert_int_equal(e.samples, 530); /* 2.06 … 7.35 */
    assert_int_equal(e.updates, 530);
    assert_int_equal(e.missing + e.duplicates, 0);
    assert_near(e.update_period_s, 0.01, 1e-9);
    assert_int_equal(e.grade, EW_GRADE_A);
    assert_true(isnan(e.net_j));
}

static void test_step(void **state) {
    (void)state;
    fresh(EW_METER_POWER, 1);
    info.error_relative = 0;
    for (int i = 0; i <= 100; i++) add(0.1 * i, i < 50 ? 2 : 10);
    struct ew_energy e = energy(0, 10);
    assert_near(e.energy_j, 60.4, 1e-9);
    /* The step came between 4.9 and 5.0 s: 60.0 to 60.8 J, and the interval has to hold both. */
    assert_true(e.energy_j - e.error_j <= 60.0 && e.energy_j + e.error_j >= 60.8);
    assert_true(e.error_j < 1.0);
}

static void test_counter_wraps(void **state) {
    (void)state;
    fresh(EW_METER_COUNTER, 1);
    channels[0].wrap = 100;
    const double readings[] = {92, 95, 98, 1, 4, 7, 10};
    for (int i = 0; i < 7; i++) add(i, readings[i]);
    assert_near(energy(0, 6).energy_j, 18, 1e-9);
    assert_near(energy(0.5, 5.25).energy_j, 14.25, 1e-9);
    channels[0].wrap = 0; /* the range is not known: a fall cannot be told from a reset */
    struct ew_energy e = energy(0, 6);
    assert_true(isnan(e.energy_j));
    assert_int_equal(e.grade, EW_GRADE_NONE);
    assert_non_null(strstr(e.grade_reason, "backwards"));
}

/* Two packages and a core domain inside the first: the total takes the packages once. */
static void test_channels(void **state) {
    (void)state;
    fresh(EW_METER_COUNTER, 3);
    channels[2].in_total = false;
    channels[0].wrap = 50;
    static const double rows[4][3] = {{40, 100, 1}, {48, 104, 2}, {6, 108, 3}, {14, 112, 4}};
    for (int i = 0; i < 4; i++) {
        times_ns[i] = at(i);
        memcpy(values + 3 * i, rows[i], sizeof rows[i]);
    }
    trace.n = 4;
    assert_near(energy(0, 3).energy_j, 36, 1e-9);
    struct ew_energy e;
    assert_int_equal(ew_energy_of_window(&trace, 2, at(0), at(3), NULL, &e, NULL), EW_OK);
    assert_near(e.energy_j, 3, 1e-9);
    struct ew_error err = {0};
    assert_int_equal(ew_energy_of_window(&trace, 3, at(0), at(3), NULL, &e, &err), EW_ERR_ARGUMENT);
    channels[0].in_total = channels[1].in_total = false;
    assert_int_equal(ew_energy_of_window(&trace, EW_ENERGY_TOTAL, at(0), at(3), NULL, &e, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_energy_of_window(&trace, 2, at(3), at(3), NULL, &e, &err), EW_ERR_ARGUMENT);
}

static void test_repeats_show_the_update_period(void **state) {
    (void)state;
    fresh(EW_METER_COUNTER, 1);
    for (int i = 0; i <= 80; i++) add(0.25 * i, 10 * floor(0.25 * i)); /* 10 J each full second */
    struct ew_energy e = energy(2.25, 17.5);
    assert_near(e.energy_j, 152.5, 1e-9);
    assert_near(e.update_period_s, 1.0, 1e-9);
    assert_near(e.peak_w, 10, 1e-9);
    assert_int_equal(e.updates, 15); /* at 3, 4 … 17 s */
    assert_int_equal(e.duplicates, e.samples - 15);
    assert_int_equal(e.grade, EW_GRADE_C);
    /* After the last update at 20 s nothing is known yet; the slope goes on for less than one update. */
    for (int i = 81; i <= 83; i++) add(0.25 * i, 200);
    assert_near(energy(2.25, 20.5).energy_j, 182.5, 1e-9);
}

static void test_gaps(void **state) {
    (void)state;
    fresh(EW_METER_POWER, 1);
    for (int i = 0; i <= 100; i++) {
        if (i >= 40 && i < 45) continue; /* five samples never came */
        add(0.1 * i, i == 20 || i == 21 ? NAN : 5 + 0.01 * i);
    }
    struct ew_energy e = energy(0, 10);
    assert_int_equal(e.missing, 2 + 5);
    assert_near(e.energy_j, 55, 1e-6);
    e = energy(3, 10.5);
    assert_true(isnan(e.energy_j) && isnan(e.average_w));
    assert_int_equal(e.grade, EW_GRADE_NONE);
    assert_non_null(strstr(e.grade_reason, "cover"));
}

/* A window of 30 s whose average and parts are given. */
static struct ew_energy idle_window(double average_w, double sensor_j, double sampling_j) {
    struct ew_energy e = {.average_w = average_w, .duration_s = 30};
    e.budget.standard_j[EW_PART_SENSOR] = sensor_j;
    e.budget.standard_j[EW_PART_SAMPLING] = sampling_j;
    return e;
}

static void test_idle(void **state) {
    (void)state;
    struct ew_energy before = idle_window(4.0, 0.9, 0.3), after = idle_window(4.4, 1.1, 0.4);
    struct ew_idle_baseline idle;
    assert_true(ew_energy_idle_baseline(&before, &after, &idle));
    assert_near(idle.power_w, 4.2, 1e-12);
    assert_near(idle.drift_w, 0.4, 1e-12);
    assert_near(idle.standard_w, 0.5 / 30 / 2, 1e-12); /* the root of 0.3^2 + 0.4^2, halved: two independent windows */
    double drift_w = 0.2 / sqrt(3);
    assert_near(idle.error_w, 2 * sqrt(pow(0.5 / 60, 2) + pow(1.0 / 30, 2) + drift_w * drift_w), 1e-12);
    fresh(EW_METER_POWER, 1);
    for (int i = 0; i <= 1000; i++) add(0.01 * i, 10 + 0.001 * (i % 2));
    struct ew_energy e;
    assert_int_equal(ew_energy_of_window(&trace, EW_ENERGY_TOTAL, at(0), at(10), &idle, &e, NULL), EW_OK);
    assert_near(e.net_j, e.energy_j - 42, 1e-9);
    assert_near(e.budget.standard_j[EW_PART_IDLE], 10 * idle.standard_w, 1e-12);
    assert_near(e.budget.standard_j[EW_PART_DRIFT], 10 * drift_w, 1e-12);
    /* The sensor's gain is wrong in the run and at rest alike: it is not counted a second time. */
    assert_near(e.net_error_j, sqrt(e.error_j * e.error_j + 400 * (pow(idle.standard_w, 2) + drift_w * drift_w)), 1e-9);
    assert_true(ew_energy_idle_baseline(&before, NULL, &idle));
    assert_true(idle.power_w == 4.0 && isnan(idle.drift_w));
    assert_near(idle.error_w, 2 * sqrt(0.9 * 0.9 + 0.3 * 0.3) / 30, 1e-12);
    before.average_w = NAN;
    assert_false(ew_energy_idle_baseline(&before, NULL, &idle));
}

static void test_parts_add_up(void **state) {
    (void)state;
    fresh(EW_METER_POWER, 1);
    info.resolution = 0.1;
    info.averaging_s = 0.2;
    info.clock_drift = 1e-4;
    info.stamp_error_s = 0.01;
    for (int i = 0; i <= 1000; i++) add(0.01 * i, 5 + i * 0.01 + (i % 7 == 0));
    struct ew_energy e = energy(1, 9);
    double sum = 0;
    for (int p = 0; p < EW_ENERGY_PARTS; p++) {
        bool net_only = p == EW_PART_IDLE || p == EW_PART_DRIFT || p == EW_PART_REPEATS;
        assert_int_equal(e.budget.standard_j[p] > 0, !net_only);
        assert_string_not_equal(ew_energy_part_name((enum ew_energy_part)p), "unknown");
        sum += e.budget.standard_j[p] * e.budget.standard_j[p];
    }
    assert_near(e.error_j, 2 * sqrt(sum), 1e-9);
    assert_near(e.budget.standard_j[EW_PART_SENSOR], 0.01 * e.energy_j / sqrt(3), 1e-9);
    assert_near(e.budget.standard_j[EW_PART_QUANTIZATION], 0.1 / sqrt(12) * 8, 1e-9);
}

/* Expected: by hand. 10, 12, 14 J: mean 12, standard error 2 / sqrt(3); t for 2 degrees of freedom is 4.30. */
static void test_repeats(void **state) {
    (void)state;
    struct ew_energy runs[4] = {
        {.energy_j = 10, .net_j = 3}, {.energy_j = 12, .net_j = 3}, {.energy_j = 14, .net_j = 3}};
    runs[3].energy_j = runs[3].net_j = NAN;
    struct ew_energy_repeats r;
    assert_true(ew_energy_combine(runs, 4, false, &r));
    assert_int_equal(r.n, 3);
    assert_near(r.mean_j, 12, 1e-12);
    assert_near(r.statistical_j, 2 / sqrt(3), 1e-12);
    assert_near(r.systematic_j, 0, 0);
    assert_near(r.error_j, 4.30 * 2 / sqrt(3), 1e-9);
    /* A sensor's error does not average out; what sampling did is in the scatter. With u = 2 / sqrt(3) from both sides
     * the effective freedom is 2 * 2^2 = 8, of which t is 2.31. */
    for (int i = 0; i < 3; i++) {
        runs[i].budget.standard_j[EW_PART_SENSOR] = 2 / sqrt(3);
        runs[i].budget.standard_j[EW_PART_SAMPLING] = 0.7;
        runs[i].budget.standard_j[EW_PART_DRIFT] = 0.5;
    }
    assert_true(ew_energy_combine(runs, 4, false, &r));
    assert_near(r.systematic_j, 2 / sqrt(3), 1e-12);
    assert_near(r.budget.coverage, 2.31, 1e-9);
    assert_near(r.error_j, 2.31 * sqrt(8.0 / 3), 1e-9);
    assert_near(r.budget.standard_j[EW_PART_REPEATS], 2 / sqrt(3), 1e-12);
    assert_true(ew_energy_combine(runs, 4, true, &r)); /* net: no scatter at all, but the drift of idle */
    assert_near(r.mean_j, 3, 1e-12);
    assert_near(r.error_j, 2 * sqrt(4.0 / 3 + 0.25), 1e-9);
    assert_true(ew_energy_combine(runs, 1, false, &r)); /* alone: its own parts */
    assert_near(r.error_j, 2 * sqrt(4.0 / 3 + 0.49), 1e-9);
    assert_false(ew_energy_combine(runs + 3, 1, false, &r));
    assert_false(ew_energy_combine(runs, 0, false, &r));
}

/* n updates at 10 Hz; returns the grade of the window that holds exactly those. */
static struct ew_energy graded(int n) {
    trace.n = 0;
    for (int i = 0; i <= n; i++) add(0.1 * i, 5 + 0.01 * (i % 3));
    return energy(0.05, 0.1 * n);
}

static void test_grades(void **state) {
    (void)state;
    fresh(EW_METER_POWER, 1);
    assert_int_equal(graded(100).grade, EW_GRADE_A);
    assert_int_equal(graded(99).grade, EW_GRADE_B);
    assert_int_equal(graded(50).grade, EW_GRADE_B);
    assert_int_equal(graded(49).grade, EW_GRADE_C);
    assert_int_equal(graded(11).grade, EW_GRADE_C);
    struct ew_energy e = graded(9);
    assert_int_equal(e.grade, EW_GRADE_NONE);
    assert_true(e.below_resolution && strstr(e.grade_reason, "below sensor resolution"));
    info.error_relative = 0.05; /* wider than 2 % */
    assert_int_equal(graded(200).grade, EW_GRADE_B);
    info.error_relative = NAN;
    assert_int_equal(graded(200).grade, EW_GRADE_C);
    info.error_relative = 0.01;
    info.averaging_s = 1; /* 9.95 s are fewer than ten averaging windows */
    assert_int_equal(graded(100).grade, EW_GRADE_NONE);
    assert_int_equal(graded(101).grade, EW_GRADE_A);
    info.averaging_s = 0;
    for (int g = EW_GRADE_E; g <= EW_GRADE_A; g++) {
        info.grade_ceiling = (enum ew_trust_grade)g;
        assert_int_equal(graded(200).grade, g);
    }
}

static void test_frozen_and_absurd(void **state) {
    (void)state;
    fresh(EW_METER_POWER, 1);
    for (int i = 0; i <= 200; i++) add(0.1 * i, 5);
    struct ew_energy e = energy(0, 20);
    assert_int_equal(e.grade, EW_GRADE_NONE);
    assert_non_null(strstr(e.grade_reason, "stood still"));
    trace.n = 0;
    for (int i = 0; i <= 200; i++) add(0.1 * i, -5 - 0.1 * i);
    assert_int_equal(energy(0, 20).grade, EW_GRADE_NONE);
    trace.n = 1;
    assert_int_equal(energy(0, 20).grade, EW_GRADE_NONE);
    trace.n = 0;
    assert_int_equal(energy(0, 20).grade, EW_GRADE_NONE);
}

static uint64_t seed;
static double uniform(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

/* A load that steps at random moments, read by a sensor with a gain error inside its limit, noise in its reading times,
 * quantization, and lost samples. */
static bool random_trace_holds(enum ew_meter_kind kind) {
    enum { STEPS = 40 };
    double when[STEPS + 1], power[STEPS + 1];
    fresh(kind, 1);
    info.error_relative = 0.02;
    info.resolution = kind == EW_METER_POWER ? 0.05 : 0.01;
    for (int i = 0; i <= STEPS; i++) {
        when[i] = i == 0 ? 0 : when[i - 1] + 0.05 + 0.6 * uniform();
        power[i] = 2 + 12 * uniform();
    }
    double t0 = 1 + uniform(), t1 = 6 + 4 * uniform(), gain = 1 + 0.04 * (uniform() - 0.5), truth = 0;
    double now = 0, joules = 0, next_read = 0;
    for (int i = 0; now < 11; now += 1e-3) { /* a millisecond at a time; steps lie on that grid well enough */
        while (i < STEPS && when[i + 1] <= now) i++;
        if (now >= t0 && now < t1) truth += power[i] * fmin(1e-3, t1 - now);
        if (now >= next_read) {
            double v = gain * (kind == EW_METER_POWER ? power[i] : joules);
            if (uniform() > 0.02) add(now, info.resolution * round(v / info.resolution));
            next_read = now + 0.02 + 0.01 * uniform();
        }
        joules += power[i] * 1e-3;
    }
    struct ew_energy e = energy(t0, t1);
    return fabs(e.energy_j - truth) <= e.error_j + 0.02; /* + the grid's own roughness */
}

static void test_interval_holds_the_truth(void **state) {
    (void)state;
    for (int kind = EW_METER_COUNTER; kind <= EW_METER_POWER; kind++) {
        int inside = 0;
        for (int i = 0; i < 200; i++) {
            seed = 1000003u * (unsigned)i + 17u;
            inside += random_trace_holds((enum ew_meter_kind)kind);
        }
        if (inside < 190) fail_msg("kind %d: only %d of 200 intervals hold the true energy", kind, inside);
    }
}

static void test_power_points(void **state) {
    (void)state;
    fresh(EW_METER_COUNTER, 1);
    const double readings[] = {0, 4, 4, 12, 13};
    for (int i = 0; i < 5; i++) add(i, readings[i]);
    int64_t t[8];
    double w[8];
    assert_int_equal(ew_energy_power_points(&trace, EW_ENERGY_TOTAL, at(0), at(4), t, w, 8), 3);
    assert_true(t[0] == at(1) && w[0] == 4 && t[1] == at(3) && w[1] == 4 && t[2] == at(4) && w[2] == 1);
    assert_int_equal(ew_energy_power_points(&trace, EW_ENERGY_TOTAL, at(0), at(4), t, w, 1), 3);
}

/* A recording of an Orin Nano's VDD_IN at 10 Hz (milliseconds, milliwatts in columns 1 and 11). Expected: the trapezoid
 * sum by another program, awk 's += (p + q) / 2 * (t - u)' over the same columns. */
static void test_recorded_board(void **state) {
    (void)state;
    char path[1024], line[512];
    snprintf(path, sizeof path, "%s/data/devices/jetson/tegrastats_orin_nano_20260419.csv",
             getenv("EW_SHARED_DIR") ? getenv("EW_SHARED_DIR") : "");
    FILE *f = fopen(path, "r");
    if (!f) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    fresh(EW_METER_POWER, 1);
    info.grade_ceiling = EW_GRADE_B;
    info.error_relative = 0.05;
    info.resolution = 0.04;
    while (trace.n < MAX && fgets(line, sizeof line, f)) {
        double ms, mw;
        if (sscanf(line, "%lf,%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%lf", &ms, &mw) == 2)
            add(ms / 1000, mw / 1000);
    }
    fclose(f);
    assert_int_equal(trace.n, 661);
    struct ew_energy e;
    assert_int_equal(ew_energy_of_window(&trace, EW_ENERGY_TOTAL, times_ns[0], times_ns[trace.n - 1], NULL, &e, NULL),
                     EW_OK);
    assert_near(e.energy_j, 801.071750, 1e-3);
    assert_int_equal(e.missing, 0);
    assert_int_equal(e.grade, EW_GRADE_B);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ramp),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_counter_wraps),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_repeats_show_the_update_period),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_grades),
        cmocka_unit_test(test_frozen_and_absurd),
        cmocka_unit_test(test_interval_holds_the_truth),
        cmocka_unit_test(test_power_points),
        cmocka_unit_test(test_recorded_board),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
