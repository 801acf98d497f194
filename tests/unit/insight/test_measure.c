/* Figures of one run against stamps worked out by hand, and stamps that make no sense. */
#include "insight/measure.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000000LL

static struct ew_trial_record example(void) {
    static const struct ew_phase_record phases[] = {
        {.name = "load", .begin_ns = 0, .end_ns = 60 * MS},
        {.name = "prefill",
         .begin_ns = 60 * MS,
         .end_ns = 61 * MS,
         .n_tokens = 4}, /* a first try: the last one counts */
        {.name = "prefill", .begin_ns = 100 * MS, .end_ns = 900 * MS, .n_tokens = 512},
        {.name = "decode", .begin_ns = 900 * MS, .end_ns = 1030 * MS, .n_tokens = 10}};
    /* gaps in ms: 10 ×8, 20, 30 */
    static int64_t stamps[11];
    static const int gaps[10] = {10, 30, 10, 10, 10, 10, 20, 10, 10, 10};
    stamps[0] = 900 * MS;
    for (int i = 0; i < 10; i++) stamps[i + 1] = stamps[i] + gaps[i] * MS;
    return (struct ew_trial_record){.status = EW_TRIAL_OK,
                                    .phases = phases,
                                    .n_phases = 4,
                                    .stamps_ns = stamps,
                                    .n_stamps = 11,
                                    .first_stamp_ns = stamps[0],
                                    .last_stamp_ns = stamps[10],
                                    .ttft_ns = 810 * MS,
                                    .peak_rss_bytes = 840000000,
                                    .max_rss_bytes = 1};
}

static void one_run(void **state) {
    (void)state;
    struct ew_trial_record trial = example();
    const struct ew_trial_energy energy = {
        .prefill_j = 5.12, .decode_j = 2.6, .decode_net_j = 1.3, .grade = EW_GRADE_B};
    double value[EW_MEASURES];
    assert_int_equal(ew_measure_trial(&trial, &energy, value, NULL), EW_OK);
    assert_float_equal(value[EW_MEASURE_LOAD], 0.06, 1e-12);
    assert_float_equal(value[EW_MEASURE_TTFT], 0.81, 1e-12);
    assert_float_equal(value[EW_MEASURE_PREFILL], 640, 1e-9);       /* 512 / 0.8 */
    assert_float_equal(value[EW_MEASURE_DECODE], 76.923077F, 1e-5); /* 10 / 0.130 */
    assert_float_equal(value[EW_MEASURE_GAP_P50], 0.010, 1e-12);
    /* type 7: position 0.9 * 9 = 8.1 in sorted 10 ×8, 20, 30 -> 20 + 0.1 * 10 */
    assert_float_equal(value[EW_MEASURE_GAP_P90], 0.021, 1e-12);
    assert_true(isnan(value[EW_MEASURE_GAP_P99])); /* ten values say nothing about the hundredth */
    assert_float_equal(value[EW_MEASURE_PEAK_MEMORY], 840000000, 0.5);
    assert_float_equal(value[EW_MEASURE_PREFILL_ENERGY], 0.01, 1e-12); /* 5.12 / 512 */
    assert_float_equal(value[EW_MEASURE_DECODE_ENERGY], 0.26, 1e-12);
    assert_float_equal(value[EW_MEASURE_DECODE_ENERGY_NET], 0.13, 1e-12);
    assert_float_equal(value[EW_MEASURE_S_T], 0.00338F, 1e-9); /* 0.26 / 76.923 */
}

static void no_energy_is_no_zero(void **state) {
    (void)state;
    struct ew_trial_record trial = example();
    const struct ew_trial_energy none = {.prefill_j = 0, .decode_j = 0, .decode_net_j = 0, .grade = EW_GRADE_NONE};
    double value[EW_MEASURES];
    assert_int_equal(ew_measure_trial(&trial, &none, value, NULL), EW_OK);
    assert_true(isnan(value[EW_MEASURE_DECODE_ENERGY]) && isnan(value[EW_MEASURE_S_T]));
    assert_int_equal(ew_measure_trial(&trial, NULL, value, NULL), EW_OK);
    assert_true(isnan(value[EW_MEASURE_PREFILL_ENERGY]));
}

static void nothing_measured_is_nan(void **state) {
    (void)state;
    struct ew_trial_record failed = example(), empty = {.status = EW_TRIAL_OK}, backwards = example();
    static const struct ew_phase_record odd[] = {
        {.name = "load", .begin_ns = INT64_MAX, .end_ns = INT64_MIN + 1}, /* a damaged store */
        {.name = NULL, .begin_ns = 1, .end_ns = 2},
        {.name = "prefill", .begin_ns = 5, .end_ns = 5, .n_tokens = 3}};
    failed.status = EW_TRIAL_OOM;
    backwards.phases = odd;
    backwards.n_phases = 3;
    backwards.last_stamp_ns = backwards.first_stamp_ns - 1;
    double value[EW_MEASURES];
    assert_int_equal(ew_measure_trial(&failed, NULL, value, NULL), EW_OK);
    for (int m = 0; m < EW_MEASURES; m++) assert_true(isnan(value[m]));
    assert_int_equal(ew_measure_trial(&empty, NULL, value, NULL), EW_OK);
    for (int m = 0; m < EW_MEASURES; m++) assert_true(isnan(value[m]));
    assert_int_equal(ew_measure_trial(&backwards, NULL, value, NULL), EW_OK);
    assert_true(isnan(value[EW_MEASURE_LOAD]) && isnan(value[EW_MEASURE_PREFILL]) && isnan(value[EW_MEASURE_DECODE]));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_run), cmocka_unit_test(no_energy_is_no_zero),
                                       cmocka_unit_test(nothing_measured_is_nan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
