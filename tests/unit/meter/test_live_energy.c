/* Joules counted sample by sample, against the analytic answer. */
#include "meter/live_energy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N = 201 };

static struct ew_meter_info meter_of(enum ew_meter_kind kind, const struct ew_meter_channel *channels, size_t n) {
    struct ew_meter_info info = {
        .quantity = EW_METER_ENERGY, .kind = kind, .channels = channels, .n_channels = n, .error_relative = NAN};
    strcpy(info.name, "test");
    return info;
}

/* A ramp from 2 to 6 W in 10 s: trapezoids are exact, 40 J. Fed in pieces, a missing sample bridged. */
static void test_power_ramp(void **state) {
    (void)state;
    const struct ew_meter_channel channels[] = {{.name = "a", .in_total = true}, {.name = "part"}};
    struct ew_meter_info info = meter_of(EW_METER_POWER, channels, 2);
    struct ew_live_energy *live = NULL;
    assert_int_equal(ew_live_energy_open(&info, &live, NULL), EW_OK);
    assert_true(ew_live_energy_figures(live).first_ns == 0 && isnan(ew_live_energy_figures(live).power_w));
    for (int i = 0; i < N; i++) {
        int64_t time = 1000 + (int64_t)i * 50000000;
        double values[2] = {i == 77 ? NAN : 2 + 4.0 * i / (N - 1), 100};
        ew_live_energy_feed(live, &time, values, 1);
    }
    struct ew_live_figures f = ew_live_energy_figures(live);
    assert_true(fabs(f.energy_j - 40) < 1e-9);
    assert_true(f.power_w == 6 && f.peak_w == 6);
    assert_true(f.first_ns == 1000 && f.last_ns == 10000001000);
    ew_live_energy_close(&live);
    assert_null(live);
}

/* 3 W by two counters of 1 and 2 W; the first wraps at 4 J, updates come at every second sample. */
static void test_counter_wraps(void **state) {
    (void)state;
    const struct ew_meter_channel channels[] = {{.name = "a", .in_total = true, .wrap = 4},
                                                {.name = "b", .in_total = true, .wrap = 1000}};
    struct ew_meter_info info = meter_of(EW_METER_COUNTER, channels, 2);
    struct ew_live_energy *live = NULL;
    assert_int_equal(ew_live_energy_open(&info, &live, NULL), EW_OK);
    int64_t times[N];
    double values[N][2];
    for (int i = 0; i < N; i++) {
        double seconds = 0.1 * (i / 2 * 2);
        times[i] = (int64_t)i * 100000000;
        values[i][0] = fmod(1 + seconds, 4);
        values[i][1] = 2 * seconds;
    }
    ew_live_energy_feed(live, times, values[0], N);
    struct ew_live_figures f = ew_live_energy_figures(live);
    assert_true(fabs(f.energy_j - 60) < 1e-9);
    assert_true(fabs(f.power_w - 3) < 1e-9 && fabs(f.peak_w - 3) < 1e-9);
    ew_live_energy_close(&live);
}

static void test_not_energy(void **state) {
    (void)state;
    const struct ew_meter_channel channels[] = {{.name = "part"}};
    struct ew_meter_info info = meter_of(EW_METER_POWER, channels, 1);
    struct ew_live_energy *live = NULL;
    struct ew_error err;
    assert_int_equal(ew_live_energy_open(&info, &live, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "test"));
    assert_null(live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_ramp),
        cmocka_unit_test(test_counter_wraps),
        cmocka_unit_test(test_not_energy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
