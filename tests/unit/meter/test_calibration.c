/* Calibration: fits of synthetic meters whose gain, offset and lag are known, and meters that are corrected. */
#include "meter/calibration.h"
#include "meter/fake_meter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 12, SAMPLES = 4000 };

static uint64_t seed = 99;
static double uniform(void) {
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (double)((seed * 0x2545f4914f6cdd1dULL) >> 11) / 9007199254740992.0;
}
static double normal(void) { return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform()); }

static struct ew_load_step steps[STEPS];
static double set_levels[STEPS];
static size_t n_set;

static void set_level(void *context, double level) {
    (void)context;
    if (n_set < STEPS) set_levels[n_set] = level;
    n_set++;
}

static void play(void) {
    double levels[STEPS];
    struct ew_fake_clock clock = {.now_ns = 50000000000};
    struct ew_meter_clock view = ew_fake_clock_of(&clock);
    ew_staircase_levels(STEPS, levels);
    n_set = 0;
    ew_staircase_play(levels, STEPS, 5000000000, &view, set_level, NULL, steps);
}

/* Power of the board at time t of the staircase: not linear in the level, as boards are. */
static double board_w(double t) {
    double level = 0;
    for (int i = 0; i < STEPS; i++)
        if ((double)steps[i].begin_ns * 1e-9 <= t) level = steps[i].level;
    if (t > (double)steps[STEPS - 1].end_ns * 1e-9) level = 0;
    return 3 + 6 * level + 2 * level * level;
}

struct synthetic {
    struct ew_meter_info info;
    struct ew_meter_channel channel;
    int64_t times[SAMPLES];
    double values[SAMPLES];
    struct ew_energy_trace trace;
};
static struct synthetic target, reference;

static void record(struct synthetic *m, const char *name, double period_s, double gain, double offset, double lag_s,
                   double noise_w, bool counter) {
    *m = (struct synthetic){.info = {.quantity = EW_METER_ENERGY,
                                     .kind = counter ? EW_METER_COUNTER : EW_METER_POWER,
                                     .boundary = EW_BOUNDARY_WALL,
                                     .error_relative = 0.005,
                                     .grade_ceiling = EW_GRADE_A,
                                     .n_channels = 1}};
    snprintf(m->info.name, sizeof m->info.name, "%s", name);
    m->channel.in_total = true;
    m->info.channels = &m->channel;
    m->info.period_s = period_s;
    size_t n = 0;
    double energy = 0;
    for (double t = 48; t < 114 && n < SAMPLES; t += period_s) {
        double w = (board_w(t - lag_s) - offset) / gain + noise_w * normal();
        energy += w * period_s;
        m->times[n] = (int64_t)(t * 1e9);
        m->values[n++] = counter ? energy : w;
    }
    m->trace = (struct ew_energy_trace){.info = &m->info, .times_ns = m->times, .values = m->values, .n = n};
}

static void test_staircase(void **state) {
    (void)state;
    play();
    assert_true(n_set == STEPS + 1 && set_levels[0] == 0 && set_levels[STEPS - 1] == 0);
    assert_true(steps[3].end_ns - steps[3].begin_ns == 5000000000 && steps[0].begin_ns == 50000000000);
    for (size_t n = EW_CALIBRATION_MIN_STEPS; n <= EW_CALIBRATION_MAX_STEPS; n++) {
        double levels[EW_CALIBRATION_MAX_STEPS], highest = 0;
        ew_staircase_levels(n, levels);
        int rises = 0, turns = 0;
        for (size_t i = 0; i < n; i++) {
            assert_true(levels[i] >= 0 && levels[i] <= 1);
            highest = fmax(highest, levels[i]);
            for (size_t k = 0; k < i && i + 1 < n; k++)
                assert_true(fabs(levels[i] - levels[k]) > 1e-6); /* all differ */
            if (i > 0 && (levels[i] > levels[i - 1]) != (rises > 0)) turns++;
            if (i > 0) rises = levels[i] > levels[i - 1];
        }
        assert_true(highest == 1 && levels[0] == 0 && levels[n - 1] == 0 && turns == 2);
    }
}

static void test_fit(void **state) {
    (void)state;
    play();
    struct ew_calibration c;
    struct ew_error err = {0};
    int inside_gain = 0, inside_offset = 0, inside_lag = 0;
    enum { CASES = 100 };
    for (int i = 0; i < CASES; i++) {
        double gain = 0.8 + 0.5 * uniform(), offset = 2 * uniform() - 0.5, lag = 0.4 * uniform();
        record(&target, "hwmon:x", 0.1, gain, offset, lag, 0.05, false);
        record(&reference, "plug", 0.47, 1, 0, 0, 0.05, false);
        if (ew_calibration_fit(&target.trace, &reference.trace, steps, STEPS, 1500000000, &c, &err) != EW_OK)
            fail_msg("%s", err.message);
        inside_gain += fabs(c.gain - gain) <= c.gain_error;
        inside_offset += fabs(c.offset_w - offset) <= c.offset_error_w;
        inside_lag += fabs(c.lag_s - lag) <= c.lag_error_s;
        assert_true(fabs(c.gain - gain) < 0.03 && c.r_squared > 0.99 && c.n_steps == STEPS && c.rms_w < 0.1);
        /* Never better than the reference; close to it where the line fits. */
        assert_true(c.error_relative > 0.005 && c.error_relative < 0.03);
    }
    printf("inside: gain %d, offset %d, lag %d of %d\n", inside_gain, inside_offset, inside_lag, CASES);
    assert_true(inside_gain >= 0.9 * CASES && inside_offset >= 0.9 * CASES && inside_lag >= 0.9 * CASES);
    record(&target, "rapl", 0.1, 1.25, 1.5, 0, 0, true); /* a counter */
    assert_int_equal(ew_calibration_fit(&target.trace, &reference.trace, steps, STEPS, 1500000000, &c, &err), EW_OK);
    assert_true(fabs(c.gain - 1.25) < 0.02 && fabs(c.offset_w - 1.5) < 0.1);
    assert_string_equal(c.target, "rapl");
    assert_string_equal(c.reference, "plug");
}

static void test_refusals(void **state) {
    (void)state;
    play();
    struct ew_calibration c;
    struct ew_error err = {0};
    record(&reference, "plug", 0.47, 1, 0, 0, 0.05, false);
    record(&target, "x", 0.1, 100, -1000, 0, 0.001, false); /* 10.03 to 10.11 W */
    assert_int_equal(ew_calibration_fit(&target.trace, &reference.trace, steps, STEPS, 0, &c, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "goes only from"));
    record(&target, "x", 0.1, -1, 20, 0, 0.05, false); /* falls when the other rises */
    assert_int_equal(ew_calibration_fit(&target.trace, &reference.trace, steps, STEPS, 0, &c, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "does not follow"));
    record(&target, "x", 0.1, 1, 0, 0, 0.05, false);
    for (size_t i = 0; i < target.trace.n; i++) target.values[i] = pow(target.values[i], 3); /* a curve, not a line */
    assert_int_equal(ew_calibration_fit(&target.trace, &reference.trace, steps, STEPS, 0, &c, &err), EW_ERR_NOT_FOUND);
    record(&target, "x", 0.1, 1, 0, 0, 0.05, false);
    assert_int_equal(ew_calibration_fit(&target.trace, &reference.trace, steps, 3, 0, &c, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_calibration_fit(&target.trace, &reference.trace, steps, STEPS, 5000000000, &c, &err),
                     EW_ERR_ARGUMENT);
    target.trace.n = 200; /* ends early */
    assert_int_equal(ew_calibration_fit(&target.trace, &reference.trace, steps, STEPS, 0, &c, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "fewer than"));
}

static double reading(void *context, int64_t time_ns, size_t channel) {
    bool counter = *(bool *)context;
    double t = (double)time_ns * 1e-9;
    return counter   ? (channel ? 1 : 2) * floor(t * 10) / 10
           : channel ? 1
                     : 2; /* 2 W and 1 W; a counter steps at 10 Hz */
}

static struct ew_meter *open_fake(struct ew_meter_config *config, bool *counter) {
    struct ew_meter_channel channels[2] = {{.name = "a", .in_total = true, .wrap = *counter ? 1000 : 0},
                                           {.name = "b", .in_total = true}};
    struct ew_fake_script script = {.info = {.name = "x",
                                             .quantity = EW_METER_ENERGY,
                                             .kind = *counter ? EW_METER_COUNTER : EW_METER_POWER,
                                             .grade_ceiling = EW_GRADE_C,
                                             .n_channels = 2,
                                             .channels = channels},
                                    .value = reading,
                                    .context = counter};
    struct ew_meter *m = NULL;
    assert_int_equal(ew_meter_open_fake(config, &script, &m, NULL), EW_OK);
    return m;
}

static void test_apply(void **state) {
    (void)state;
    struct ew_fake_clock clock = {.now_ns = 1000000000};
    struct ew_meter_clock view = ew_fake_clock_of(&clock);
    struct ew_meter_config config = {.clock = &view};
    struct ew_calibration c = {.target = "x",
                               .reference = "plug",
                               .board = "this board",
                               .reference_boundary = EW_BOUNDARY_WALL,
                               .reference_grade = EW_GRADE_A,
                               .gain = 1.5,
                               .offset_w = 0.5,
                               .error_relative = 0.02};
    bool counter = false;
    struct ew_meter *m = open_fake(&config, &counter);
    assert_int_equal(ew_calibration_apply(&c, "this board", m, NULL), EW_OK);
    const struct ew_meter_info *info = ew_meter_info(m);
    assert_true(info->n_channels == 3 && info->grade_ceiling == EW_GRADE_B && info->boundary == EW_BOUNDARY_WALL);
    assert_int_equal(ew_calibration_apply(&c, "this board", m, NULL), EW_ERR_UNSUPPORTED);
    int64_t times[4];
    double v[12];
    size_t n = 0;
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    assert_int_equal(ew_meter_read(m, times, v, 4, &n, NULL), EW_OK);
    assert_true(n == 1 && v[0] == 3 && v[1] == 1.5 && v[2] == 0.5);
    ew_meter_close(&m);
    counter = true;
    m = open_fake(&config, &counter);
    c.offset_w = -0.5;
    assert_int_equal(ew_calibration_apply(&c, "this board", m, NULL), EW_ERR_UNSUPPORTED);
    c.offset_w = 0.5;
    assert_int_equal(ew_calibration_apply(&c, "another", m, NULL), EW_OK);
    info = ew_meter_info(m);
    assert_true(info->grade_ceiling == EW_GRADE_D && info->channels[0].wrap == 1500);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    double first = 0, before = -1;
    int updates = 0;
    for (int i = 0; i <= 100; i++) { /* every 20 ms for 2 s: the counter steps every fifth time */
        assert_int_equal(ew_meter_read(m, times, v, 4, &n, NULL), EW_OK);
        double sum = v[0] + v[1] + v[2];
        if (i == 0) first = sum;
        updates += sum != before;
        before = sum;
        clock.now_ns += 20000000;
    }
    assert_true(fabs(before - first - 2 * (1.5 * 3 + 0.5)) < 0.1); /* 2 s of 1.5 x 3 W + 0.5 W */
    assert_true(updates >= 20 && updates <= 22);
    ew_meter_close(&m);
    m = open_fake(&config, &counter);
    snprintf(c.target, sizeof c.target, "y");
    assert_int_equal(ew_calibration_apply(&c, "another", m, NULL), EW_ERR_ARGUMENT);
    ew_meter_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_staircase),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
