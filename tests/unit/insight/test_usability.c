/* Thresholds at their edges. 238 words/min at 4 tokens per 3 words: 238 * 4 / 3 / 60 = 5.2889 tokens/s; 150: 3.3333. */
#include "insight/usability.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void edges(void **state) {
    (void)state;
    assert_float_equal(ew_use_reading_tokens_per_s(), 5.28889, 1e-4);
    assert_int_equal(ew_use_meets(EW_USE_INTERACTIVE, 0.5, 33.4), 1); /* 29.9 ms */
    assert_int_equal(ew_use_meets(EW_USE_INTERACTIVE, 0.5, 33.3), 0); /* 30.03 ms */
    assert_int_equal(ew_use_meets(EW_USE_INTERACTIVE, 0.51, 100), 0);
    assert_int_equal(ew_use_meets(EW_USE_CONVERSATIONAL, 2.0, 10), 1);
    assert_int_equal(ew_use_meets(EW_USE_CONVERSATIONAL, 2.01, 10), 0);
    assert_int_equal(ew_use_meets(EW_USE_CONVERSATIONAL, 2.0, 9.99), 0);
    assert_int_equal(ew_use_meets(EW_USE_READING, 60, 5.29), 1);
    assert_int_equal(ew_use_meets(EW_USE_READING, 0, 5.28), 0);
    assert_int_equal(ew_use_meets(EW_USE_SPEECH, NAN, 3.334), 1);
    assert_int_equal(ew_use_meets(EW_USE_SPEECH, NAN, 3.332), 0);
}

static void unknown_is_neither(void **state) {
    (void)state;
    assert_int_equal(ew_use_meets(EW_USE_CONVERSATIONAL, NAN, 100), -1);
    assert_int_equal(ew_use_meets(EW_USE_READING, 1, NAN), -1);
    assert_int_equal(ew_use_meets(EW_USE_READING, 1, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(edges), cmocka_unit_test(unknown_is_neither)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
