/* Statistics against values worked out by hand or published. */
#include "study/seeded_random.h"
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
    assert_int_equal(ew_stat_summarise(values, 8, 1, &s, NULL), EW_OK);
    near(s.mean, 5, 1e-15);
    near(s.stddev, 2.1380899352993952, 1e-14);
    near(s.median, 4.5, 0);
    near(s.min, 2, 0);
    near(s.max, 9, 0);
    assert_int_equal(s.n, 8);
    assert_false(s.is_range);
    assert_true(s.low >= 4 && s.low <= 4.5 && s.high >= 5 && s.high <= 7);
    near(values[0], 9, 0); /* the input stays as it was */
}

static void few_values(void **state) {
    (void)state;
    struct ew_stat_summary s;
    static const double values[] = {3, 1, 2};
    assert_int_equal(ew_stat_summarise(values, 0, 1, &s, NULL), EW_OK);
    assert_true(isnan(s.mean) && isnan(s.median) && isnan(s.low) && isnan(s.stddev));
    assert_int_equal(ew_stat_summarise(values, 1, 1, &s, NULL), EW_OK);
    near(s.median, 3, 0);
    assert_true(isnan(s.stddev) && isnan(s.low) && isnan(s.high) && isnan(ew_stat_relative_interval(&s)));
    assert_int_equal(ew_stat_summarise(values, 3, 1, &s, NULL), EW_OK);
    near(s.median, 2, 0);
    near(s.stddev, 1, 1e-15);
    assert_true(s.is_range && s.low == 1 && s.high == 3);
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

/* The interval must cover the true median of a known distribution about 95 times in 100 (n = 25: the bootstrap of a
 * median is a little off; 90 to 99 is what the literature finds). */
static void interval_covers(void **state) {
    (void)state;
    uint64_t random = 42;
    int covered = 0;
    for (int run = 0; run < 400; run++) {
        double values[25];
        for (int i = 0; i < 25; i++) { /* exponential with median ln 2 */
            double u = ((double)(ew_random_next(&random) >> 11) + 0.5) / 9007199254740992.0;
            values[i] = -log(u);
        }
        struct ew_stat_summary s;
        assert_int_equal(ew_stat_summarise(values, 25, (uint64_t)run, &s, NULL), EW_OK);
        covered += s.low <= 0.6931471805599453 && 0.6931471805599453 <= s.high;
    }
    assert_in_range(covered, 360, 396);
}

static void same_seed_same_interval(void **state) {
    (void)state;
    static const double values[] = {1, 5, 2, 8, 3, 9, 4, 7};
    struct ew_stat_summary a, b;
    assert_int_equal(ew_stat_summarise(values, 8, 7, &a, NULL), EW_OK);
    assert_int_equal(ew_stat_summarise(values, 8, 7, &b, NULL), EW_OK);
    assert_true(a.low == b.low && a.high == b.high);
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
        cmocka_unit_test(summary_by_hand),         cmocka_unit_test(few_values),
        cmocka_unit_test(quantiles_type_7),        cmocka_unit_test(quantiles_need_enough_values),
        cmocka_unit_test(interval_covers),         cmocka_unit_test(same_seed_same_interval),
        cmocka_unit_test(generator_is_splitmix64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
