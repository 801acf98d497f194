/* The rule of contests on made-up timings: margin, ties, noise, drift, several challengers. Quartiles by hand: of five
 * sorted values they are the second, third and fourth. */
#include "kernel/contest_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { N = 5 };
static const double ones[N] = {1, 1, 1, 1, 1};

static enum ew_contest_verdict judge(const double incumbent[N], const double challenger[N]) {
    struct ew_contest_ratio r = ew_contest_compare(incumbent, challenger, N);
    return ew_contest_judge(&r);
}

static void quantiles_lie_between_neighbours(void **state) {
    (void)state;
    const double four[] = {40, 10, 30, 20}, one[] = {7};
    assert_float_equal(ew_contest_quantile(four, 4, 0.5), 25, 1e-9);
    assert_float_equal(ew_contest_quantile(four, 4, 0.25), 17.5, 1e-9);
    assert_float_equal(ew_contest_quantile(four, 4, 1), 40, 1e-9);
    assert_float_equal(ew_contest_quantile(one, 1, 0.75), 7, 1e-9);
    assert_float_equal(four[0], 40, 0); /* a copy was sorted */
}

static void a_clear_winner_is_taken(void **state) {
    (void)state;
    const double faster[N] = {0.80, 0.81, 0.79, 0.80, 0.82};
    assert_int_equal(judge(ones, faster), EW_CONTEST_TAKE);
}

static void ties_keep_the_incumbent(void **state) {
    (void)state;
    const double almost[N] = {0.97, 0.96, 0.98, 0.96, 0.97}, slower[N] = {1.2, 1.3, 1.2, 1.1, 1.2};
    assert_int_equal(judge(ones, ones), EW_CONTEST_KEEP);
    assert_int_equal(judge(ones, almost), EW_CONTEST_KEEP); /* 3 % is below the margin */
    assert_int_equal(judge(ones, slower), EW_CONTEST_KEEP);
}

static void three_of_four_rounds_must_be_faster(void **state) {
    (void)state;
    /* Median 0.95 and quartiles 0.94 and 0.99: in the margin and faster in most rounds; then one round too few. */
    const double just[N] = {0.95, 0.93, 0.94, 0.99, 1.00}, unsure[N] = {0.95, 0.93, 0.94, 1.00, 1.01};
    assert_int_equal(judge(ones, just), EW_CONTEST_TAKE);
    assert_int_equal(judge(ones, unsure), EW_CONTEST_KEEP);
}

static void noise_decides_nothing(void **state) {
    (void)state;
    const double wild[N] = {0.6, 1.5, 0.9, 1.1, 0.7};          /* quartiles 0.7 and 1.1 */
    const double wild_but_slow[N] = {1.0, 1.9, 1.2, 1.5, 1.1}; /* 1.1 and 1.5 */
    const double wild_but_fast[N] = {0.3, 0.7, 0.5, 0.4, 0.6}; /* 0.4 and 0.6 */
    assert_int_equal(judge(ones, wild), EW_CONTEST_NOISY);
    assert_int_equal(judge(ones, wild_but_slow), EW_CONTEST_KEEP);
    assert_int_equal(judge(ones, wild_but_fast), EW_CONTEST_TAKE);
}

/* The machine slows down to a third while they take turns: each round is compared with itself. */
static void drift_is_no_noise(void **state) {
    (void)state;
    const double incumbent[N] = {1.0, 1.5, 2.0, 2.5, 3.0}, challenger[N] = {0.9, 1.35, 1.8, 2.25, 2.7};
    assert_int_equal(judge(incumbent, challenger), EW_CONTEST_TAKE);
    assert_int_equal(judge(incumbent, incumbent), EW_CONTEST_KEEP);
}

/* One round in which something else ran, of either lane, changes nothing. */
static void an_outlier_is_no_noise(void **state) {
    (void)state;
    const double hit[N] = {1, 9, 1, 1, 1}, faster[N] = {0.8, 0.8, 7, 0.8, 0.8};
    assert_int_equal(judge(hit, ones), EW_CONTEST_KEEP);
    assert_int_equal(judge(ones, faster), EW_CONTEST_TAKE);
}

static void the_fastest_of_the_winners_is_taken(void **state) {
    (void)state;
    const double good[N] = {0.9, 0.9, 0.9, 0.9, 0.9}, better[N] = {0.8, 0.8, 0.8, 0.8, 0.8};
    const double tie[N] = {0.99, 0.99, 0.99, 0.99, 0.99}, wild[N] = {0.6, 1.5, 0.9, 1.1, 0.7};
    const double *const four[] = {ones, good, better, tie}, *const noisy[] = {ones, better, wild};
    const double *const ties[] = {ones, tie, ones};
    assert_int_equal(ew_contest_winner(four, 4, N), 2);
    assert_int_equal(ew_contest_winner(ties, 3, N), 0);
    assert_int_equal(ew_contest_winner(ties, 1, N), 0);
    assert_int_equal(ew_contest_winner(noisy, 3, N), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_lie_between_neighbours),
        cmocka_unit_test(a_clear_winner_is_taken),
        cmocka_unit_test(ties_keep_the_incumbent),
        cmocka_unit_test(three_of_four_rounds_must_be_faster),
        cmocka_unit_test(noise_decides_nothing),
        cmocka_unit_test(drift_is_no_noise),
        cmocka_unit_test(an_outlier_is_no_noise),
        cmocka_unit_test(the_fastest_of_the_winners_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
