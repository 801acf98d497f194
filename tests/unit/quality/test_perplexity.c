/* Perplexity and its errors against arithmetic by hand. */
#include "quality/perplexity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void add(struct ew_perplexity_sum *sum, size_t n, const double *nll, uint64_t bytes) {
    struct ew_row_score score[8];
    for (size_t i = 0; i < n; i++) score[i] = (struct ew_row_score){.nll = nll[i]};
    ew_perplexity_add(sum, &(struct ew_scored_rows){.score = score, .n = n}, bytes);
}

/* Tokens that are 1 of 8 each: perplexity 8, no spread; 3 bits a token, one byte each. */
static void test_of_equal_tokens(void **state) {
    (void)state;
    struct ew_perplexity_sum sum = {0};
    const double nll[4] = {log(8), log(8), log(8), log(8)};
    add(&sum, 4, nll, 4);
    ew_perplexity_end_window(&sum);
    struct ew_perplexity p = ew_perplexity_of(&sum);
    assert_true(fabs(p.perplexity - 8) <= 1e-12);
    assert_true(fabs(p.bits_per_byte - 3) <= 1e-12);
    assert_true(fabs(p.error) <= 1e-6);
    assert_true(isnan(p.error_windows));
    assert_int_equal(p.n_windows, 1);
}

/* nll 1, 2, 3, 6: mean 3, mean of squares 12.5, variance 3.5; error of the mean sqrt(3.5 / 3). Windows (1, 2) and
 * (3, 6): means 1.5 and 4.5, variance 2.25, error sqrt(2.25 / 1) = 1.5. */
static void test_errors(void **state) {
    (void)state;
    struct ew_perplexity_sum sum = {0};
    const double nll[4] = {1, 2, 3, 6};
    add(&sum, 1, nll, 1);
    add(&sum, 1, nll + 1, 2);
    ew_perplexity_end_window(&sum);
    ew_perplexity_end_window(&sum); /* an empty window does not count */
    add(&sum, 2, nll + 2, 3);
    ew_perplexity_end_window(&sum);
    struct ew_perplexity p = ew_perplexity_of(&sum);
    assert_int_equal(p.n_tokens, 4);
    assert_int_equal(p.n_windows, 2);
    assert_true(fabs(p.mean_nll - 3) <= 1e-12);
    assert_true(fabs(p.perplexity - 20.085536923187668) <= 1e-9);
    assert_true(fabs(p.error - (20.085536923187668 * 1.0801234497346435)) <= 1e-9);
    assert_true(fabs(p.error_windows - (20.085536923187668 * 1.5)) <= 1e-9);
    assert_true(fabs(p.bits_per_byte - (12 / (6 * 0.6931471805599453))) <= 1e-12);
}

static void test_of_nothing(void **state) {
    (void)state;
    struct ew_perplexity p = ew_perplexity_of(&(struct ew_perplexity_sum){0});
    assert_true(isnan(p.mean_nll) && isnan(p.perplexity) && isnan(p.error) && isnan(p.bits_per_byte));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_of_equal_tokens), cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_of_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
