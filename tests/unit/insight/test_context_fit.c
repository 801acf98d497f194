/* Memory over context, worked out by hand: 100 bytes of weights, 40 of KV cache at 10 tokens, 20 of buffers. */
#include "insight/context_fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct ew_ledger_record ledger = {.present = true,
                                               .weights_mapped = 70,
                                               .weights_packed = 30,
                                               .kv_cache = 40,
                                               .activations = 15,
                                               .scratch = 5,
                                               .total = 160};

static void by_hand(void **state) {
    (void)state;
    struct ew_context_fit fit;
    assert_true(ew_context_fit_make(&ledger, 10, &fit));
    assert_float_equal(fit.fixed_bytes, 120, 0);
    assert_float_equal(fit.weights_bytes, 100, 0);
    assert_float_equal(fit.kv_bytes_per_token, 4, 0);
    assert_float_equal(fit.outgrows_tokens, 25, 0); /* 25 x 4 = 100 */
    assert_float_equal(ew_context_fit_bytes(&fit, 25), 220, 0);
}

static void largest_context(void **state) {
    (void)state;
    struct ew_context_fit fit;
    bool at_limit = true;
    assert_true(ew_context_fit_make(&ledger, 10, &fit));
    assert_int_equal(ew_context_fit_most(&fit, 203, EW_MISSING, &at_limit), 20); /* 83 / 4, whole tokens */
    assert_false(at_limit);
    assert_int_equal(ew_context_fit_most(&fit, 1000, 64, &at_limit), 64);
    assert_true(at_limit);
    assert_int_equal(ew_context_fit_most(&fit, 119, 64, &at_limit), 0);
    assert_false(at_limit);
}

static void without_a_ledger(void **state) {
    (void)state;
    struct ew_context_fit fit;
    struct ew_ledger_record none = ledger;
    none.present = false;
    assert_false(ew_context_fit_make(&none, 10, &fit));
    none = ledger;
    none.kv_cache = 0;
    assert_false(ew_context_fit_make(&none, 10, &fit));
    assert_false(ew_context_fit_make(&ledger, 0, &fit));
    assert_false(ew_context_fit_make(&ledger, EW_MISSING, &fit));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(largest_context),
        cmocka_unit_test(without_a_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
