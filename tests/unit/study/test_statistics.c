/* Statistics against values worked out by hand or published. */
#include "base/seeded_random.h"
#include "study/quantiles.h"
#include "study/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.17g is not %.17g", value, expected);
}

static void summary_by_hand(void **state) {
    (void)state;
    /* Mean 5, squares 9+1+1+1+0+0+4+16 = 32, so the deviation of a sample is sqrt(32 / 7). */
    static const double values[] = {9, 2, 4, 4, 5, 4, 7, 5};
    struct ew_stat_summary s;
    assert_int_equal(ew_stat_summarise(values, 8, &s, NULL), EW_OK);
    near(s.mean, 5, 1e-15);
    near(s.stddev, 2.1380899352993952, 1e-14);
    near(s.median, 4.5, 0);
    near(s.min, 2, 0);
    near(s.max, 9, 0);
    assert_int_equal(s.n, 8);
    assert_false(s.is_range);
    near(s.mad, 0.5, 0); /* distances 0.5 (five times), 2.5, 2.5, 4.5 */
    assert_true(s.low > 2 && s.low <= 4 && s.high >= 7 && s.high < 9 && s.coverage == 0.95);
    near(values[0], 9, 0); /* the input stays as it was */
}

static void few_values(void **state) {
    (void)state;
    struct ew_stat_summary s;
    static const double values[] = {3, 1, 2};
    assert_int_equal(ew_stat_summarise(values, 0, &s, NULL), EW_OK);
    assert_true(isnan(s.mean) && isnan(s.median) && isnan(s.low) && isnan(s.stddev));
    assert_int_equal(ew_stat_summarise(values, 1, &s, NULL), EW_OK);
    near(s.median, 3, 0);
    assert_true(isnan(s.stddev) && isnan(s.low) && isnan(s.high) && isnan(ew_stat_relative_interval(&s)));
    assert_int_equal(ew_stat_summarise(values, 3, &s, NULL), EW_OK);
    near(s.median, 2, 0);
    near(s.stddev, 1, 1e-15);
    assert_true(s.is_range && s.low == 1 && s.high == 3);
    near(s.coverage, 0.75, 1e-15); /* all three on one side of the median: 2 / 8 */
    near(s.mad, 1, 0);
    near(ew_stat_relative_interval(&s), 0.5, 1e-15);
}

/* R: quantile(c(1, 2, 4, 8, 16, 32, 64, 128, 256, 512), c(.1, .25, .5, .9), type = 7) is 1.9, 5, 24, 281.6. */
static void quantiles_type_7(void **state) {
    (void)state;
    static const double sorted[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
    near(ew_stat_quantile(sorted, 10, 0.1), 1.9, 1e-12);
    near(ew_stat_quantile(sorted, 10, 0.25), 5, 1e-12);
    near(ew_stat_quantile(sorted, 10, 0.5), 24, 1e-12);
    near(ew_stat_quantile(sorted, 10, 0.9), 281.6, 1e-9);
}

static void quantiles_need_enough_values(void **state) {
    (void)state;
    double sorted[100];
    for (int i = 0; i < 100; i++) sorted[i] = i;
    assert_true(isnan(ew_stat_quantile(sorted, 9, 0.9)));
    assert_false(isnan(ew_stat_quantile(sorted, 10, 0.9)));
    assert_true(isnan(ew_stat_quantile(sorted, 99, 0.99)));
    near(ew_stat_quantile(sorted, 100, 0.99), 98.01, 1e-9);
    assert_true(isnan(ew_stat_quantile(sorted, 99, 0.01)));
    near(ew_stat_quantile(sorted, 1, 0.5), 0, 0);
    assert_true(isnan(ew_stat_quantile(sorted, 0, 0.5)));
    assert_true(isnan(ew_stat_quantile(sorted, 100, 1.5)) && isnan(ew_stat_quantile(sorted, 100, NAN)));
}

/* Five values: all on one side of the median in 2 of 32 cases. Six reach 95 %. The input is never reordered. */
static void range_says_what_it_covers(void **state) {
    (void)state;
    static const double values[] = {5, 1, 4, 2, 3, 6};
    struct ew_stat_summary s;
    assert_int_equal(ew_stat_summarise(values, 5, &s, NULL), EW_OK);
    assert_true(!s.is_range && s.low == 1 && s.high == 5);
    near(s.coverage, 0.9375, 1e-15);
    assert_int_equal(ew_stat_summarise(values, 6, &s, NULL), EW_OK);
    assert_true(s.low > 1 && s.low < 2 && s.high > 5 && s.high < 6 && s.coverage == 0.95);
    static const double same[] = {7, 7, 7, 7, 7, 7, 7};
    assert_int_equal(ew_stat_summarise(same, 7, &s, NULL), EW_OK);
    assert_true(s.low == 7 && s.high == 7 && s.mad == 0 && s.stddev == 0);
}

/* P(largest of n < p99) = 0.99^n, at most 2.5 % from 368 on; p50 from 6 on. */
static void tails_without_enough_values_stay_open(void **state) {
    (void)state;
    double sorted[400];
    for (int i = 0; i < 400; i++) sorted[i] = i;
    assert_int_equal(ew_stat_quantile_fewest(0.99, 0.95), 368);
    assert_int_equal(ew_stat_quantile_fewest(0.5, 0.95), 6);
    assert_int_equal(ew_stat_quantile_fewest(1, 0.95), 0);
    struct ew_stat_interval open = ew_stat_quantile_interval(sorted, 367, 0.99, 0.95);
    assert_true(isfinite(open.low) && isnan(open.high) && open.coverage >= 0.975);
    struct ew_stat_interval closed = ew_stat_quantile_interval(sorted, 368, 0.99, 0.95);
    assert_true(isfinite(closed.low) && closed.high == 367 && closed.coverage >= 0.95);
    struct ew_stat_interval low = ew_stat_quantile_interval(sorted, 368, 0.01, 0.95);
    assert_true(low.low == 0 && low.high == 367 - closed.low);
    assert_int_equal(ew_stat_quantile_interval(sorted, 3, 0.5, 0.95).method, EW_INTERVAL_NONE);
    assert_int_equal(ew_stat_quantile_interval(sorted, 0, 0.5, 0.95).method, EW_INTERVAL_NONE);
    assert_int_equal(ew_stat_quantile_interval(sorted, 10, 1, 0.95).method, EW_INTERVAL_NONE);
}

/* First outputs for seed 1234567, as published with the generator (prng.di.unimi.it/splitmix64.c). */
static void generator_is_splitmix64(void **state) {
    (void)state;
    uint64_t s = 1234567;
    assert_true(ew_random_next(&s) == 6457827717110365317u);
    assert_true(ew_random_next(&s) == 3203168211198807973u);
    assert_true(ew_random_next(&s) == 9817491932198370423u);
    int seen[3] = {0};
    for (int i = 0; i < 3000; i++) seen[ew_random_below(&s, 3)]++;
    for (int i = 0; i < 3; i++) assert_in_range(seen[i], 850, 1150);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summary_by_hand),           cmocka_unit_test(few_values),
        cmocka_unit_test(quantiles_type_7),          cmocka_unit_test(quantiles_need_enough_values),
        cmocka_unit_test(range_says_what_it_covers), cmocka_unit_test(tails_without_enough_values_stay_open),
        cmocka_unit_test(generator_is_splitmix64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
