/* Judging of items and figures over all, by hand and against numbers from Python's statistics module. */
#include "quality/task_result.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_near(double value, double expected) {
    if (!(fabs(value - expected) <= 1e-9)) fail_msg("%.12f, expected %.12f", value, expected);
}

static void expect_interval(const struct ew_task_figure *f, double value, double low, double high) {
    expect_near(f->value, value);
    expect_near(f->low, low);
    expect_near(f->high, high);
}

static void expect_figure_name(const struct ew_task_result *r, size_t i, const char *name) {
    assert_true(i < r->n_figures);
    assert_string_equal(r->figures[i].name, name);
}

/* ---- one item ---- */

static void test_each_rule_divides_by_its_length(void **state) {
    (void)state;
    /* By the sum -9 is the largest. A byte: -1.0, -1.8, -0.6. A character: -1.0, -1.8, -3.0. */
    static const struct ew_ending_score endings[] = {
        {.log_p = -10, .token_mean = -2.5, .n_bytes = 10, .n_chars = 10},
        {.log_p = -9, .token_mean = -2.25, .n_bytes = 5, .n_chars = 5},
        {.log_p = -12, .token_mean = -2.0, .n_bytes = 20, .n_chars = 4},
    };
    assert_int_equal(ew_task_best_ending(endings, 3, EW_TASK_BY_NONE), 1);
    assert_int_equal(ew_task_best_ending(endings, 3, EW_TASK_BY_TOKEN), 2);
    assert_int_equal(ew_task_best_ending(endings, 3, EW_TASK_BY_BYTE), 2);
    assert_int_equal(ew_task_best_ending(endings, 3, EW_TASK_BY_CHAR), 0);

    static const enum ew_task_length right_by[] = {EW_TASK_BY_TOKEN, EW_TASK_BY_BYTE};
    const struct ew_task_item item = {.n_endings = 3, .answer = 2};
    for (int by = 0; by < EW_TASK_LENGTHS; by++) {
        const struct ew_task_rules rules = {.kind = EW_TASK_CHOICE, .normalize = (enum ew_task_length)by};
        struct ew_task_outcome o = {.item = &item, .endings = endings};
        ew_task_judge(&rules, &o);
        assert_int_equal(o.right, by == (int)right_by[0] || by == (int)right_by[1]);
        assert_int_equal(o.chosen[EW_TASK_BY_NONE], 1);
        assert_int_equal(o.chosen[EW_TASK_BY_CHAR], 0);
    }
}

static void test_the_first_of_equals_is_chosen(void **state) {
    (void)state;
    static const struct ew_ending_score endings[] = {
        {.log_p = -4, .token_mean = -2, .n_bytes = 4, .n_chars = 4},
        {.log_p = -3, .token_mean = -1, .n_bytes = 3, .n_chars = 3},
        {.log_p = -3, .token_mean = -1, .n_bytes = 3, .n_chars = 3},
    };
    assert_int_equal(ew_task_best_ending(endings, 3, EW_TASK_BY_NONE), 1);
    assert_int_equal(ew_task_best_ending(endings, 3, EW_TASK_BY_TOKEN), 1);
    assert_int_equal(ew_task_best_ending(endings, 3, EW_TASK_BY_CHAR), 0);
}

static const struct ew_task_rules multi_rules = {.kind = EW_TASK_CHOICE_MULTI};

/* Probabilities 0.2, 0.1 (true) and 0.1, 0.4 (false), once as they are, once times e^-2000, whose exponential is 0. */
static void test_mc2_is_the_share_of_the_true_endings(void **state) {
    (void)state;
    static const bool is_true[] = {true, true, false, false};
    const struct ew_task_item item = {.n_endings = 4, .answer = 0, .is_true = is_true};
    for (int offset = 0; offset <= 2000; offset += 2000) {
        const struct ew_ending_score endings[] = {{.log_p = log(0.2) - offset},
                                                  {.log_p = log(0.1) - offset},
                                                  {.log_p = log(0.1) - offset},
                                                  {.log_p = log(0.4) - offset}};
        struct ew_task_outcome o = {.item = &item, .endings = endings};
        ew_task_judge(&multi_rules, &o);
        expect_near(o.true_mass, 0.375);
        assert_false(o.right);
    }
}

/* MC1 asks whether the best true ending beats the false ones; other true ones do not matter. */
static void test_mc1_compares_the_best_with_the_false(void **state) {
    (void)state;
    static const bool is_true[] = {true, true, false};
    const struct ew_task_item item = {.n_endings = 3, .answer = 1, .is_true = is_true};
    struct ew_ending_score endings[] = {{.log_p = -1}, {.log_p = -2}, {.log_p = -3}};
    struct ew_task_outcome o = {.item = &item, .endings = endings};
    ew_task_judge(&multi_rules, &o);
    assert_true(o.right);
    endings[2].log_p = -1.5;
    ew_task_judge(&multi_rules, &o);
    assert_false(o.right);
}

/* ---- intervals ---- */

/* z = NormalDist().inv_cdf(0.975); centre (p + z²/2n) / (1 + z²/n), half z / (1 + z²/n) · √(p(1 − p)/n + z²/4n²) in
 * Python. */
static void test_wilson(void **state) {
    (void)state;
    static const struct {
        uint64_t right, n;
        double low, high;
    } known[] = {{0, 10, 0, 0.277532799863},
                 {10, 10, 0.722467200137, 1},
                 {1, 1, 0.206549314377, 1},
                 {1, 2, 0.094531205734, 0.905468794266},
                 {8, 10, 0.490162471537, 0.943317848546},
                 {313, 1000, 0.285020938954, 0.342410268720}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double low, high;
        ew_wilson_interval(known[i].right, known[i].n, &low, &high);
        expect_near(low, known[i].low);
        expect_near(high, known[i].high);
    }
}

/* ---- all items ---- */

/* Ten items, of two endings and of four in turn; the first eight are right by the sum, the first alone by the byte. */
static void test_accuracy_and_chance(void **state) {
    (void)state;
    const struct ew_task_rules rules = {.kind = EW_TASK_CHOICE, .normalize = EW_TASK_BY_NONE};
    struct ew_task_count groups[2] = {{0}};
    struct ew_task_sums sums = {.groups = groups};
    for (uint32_t i = 0; i < 10; i++) {
        const struct ew_task_item item = {.n_endings = i % 2 ? 4 : 2, .answer = 0, .group = i < 4};
        const struct ew_task_outcome o = {.item = &item, .right = i < 8, .chosen = {i >= 8, 1, i > 0, 1}};
        ew_task_sums_add(&sums, &rules, &o);
    }
    const struct ew_task_item last = {.n_endings = 4};
    const struct ew_task_outcome skipped = {.item = &last, .skipped = true};
    ew_task_sums_add(&sums, &rules, &skipped);

    struct ew_task_result r = ew_task_result_of(&sums, &rules);
    assert_string_equal(r.measure, "accuracy");
    assert_int_equal(r.n, 10);
    assert_int_equal(r.n_skipped, 1);
    assert_int_equal(r.n_figures, 4);
    assert_int_equal(r.main, 0);
    expect_figure_name(&r, 0, "accuracy");
    expect_figure_name(&r, 1, "accuracy_token");
    expect_figure_name(&r, 2, "accuracy_byte");
    expect_figure_name(&r, 3, "accuracy_char");
    expect_interval(&r.figures[0], 0.8, 0.490162471537, 0.943317848546);
    expect_interval(&r.figures[1], 0, 0, 0.277532799863);
    expect_near(r.figures[2].value, 0.1);
    for (size_t i = 0; i < r.n_figures; i++) expect_near(r.figures[i].chance, 0.375); /* (5/2 + 5/4) / 10 */
    assert_int_equal(groups[0].n, 6);
    assert_int_equal(groups[0].right, 4);
    assert_int_equal(groups[1].n, 4);
    assert_int_equal(groups[1].right, 4);

    const struct ew_task_rules by_char = {.kind = EW_TASK_CHOICE, .normalize = EW_TASK_BY_CHAR};
    r = ew_task_result_of(&sums, &by_char);
    assert_string_equal(r.figures[r.main].name, "accuracy_char");
}

/* Shares 0.25, 0.5, 0.75: standard deviation 0.25, so 0.5 ± z · 0.25 / √3. Two items of five endings with two true, one
 * of three with one: MC1 by guessing (1/4 + 1/4 + 1/3) / 3, MC2 (2/5 + 2/5 + 1/3) / 3. */
static void test_mc1_and_mc2_over_items(void **state) {
    (void)state;
    static const bool two[] = {true, true, false, false, false}, one[] = {true, false, false};
    const struct ew_task_item five = {.n_endings = 5, .is_true = two}, three = {.n_endings = 3, .is_true = one};
    const struct ew_task_outcome outcomes[] = {{.item = &five, .right = true, .true_mass = 0.25},
                                               {.item = &five, .right = false, .true_mass = 0.5},
                                               {.item = &three, .right = false, .true_mass = 0.75}};
    struct ew_task_count group = {0};
    struct ew_task_sums sums = {.groups = &group};
    ew_task_sums_add(&sums, &multi_rules, &outcomes[0]);
    struct ew_task_result r = ew_task_result_of(&sums, &multi_rules);
    expect_near(r.figures[1].value, 0.25);
    assert_true(isnan(r.figures[1].low) && isnan(r.figures[1].high)); /* one value has no spread */
    for (int i = 1; i < 3; i++) ew_task_sums_add(&sums, &multi_rules, &outcomes[i]);
    r = ew_task_result_of(&sums, &multi_rules);
    assert_int_equal(r.n_figures, 2);
    assert_int_equal(r.main, 0);
    expect_figure_name(&r, 0, "mc1");
    expect_figure_name(&r, 1, "mc2");
    expect_near(r.figures[0].value, 1.0 / 3);
    expect_near(r.figures[0].chance, 5.0 / 18);
    expect_interval(&r.figures[1], 0.5, 0.217103566481, 0.782896433519);
    expect_near(r.figures[1].chance, 17.0 / 45);
}

/* nll 1, 2, 3: mean 2, standard deviation 1; exp(2), exp(2 ± z / √3). */
static void test_last_words(void **state) {
    (void)state;
    const struct ew_task_rules rules = {.kind = EW_TASK_LAST_WORD};
    const struct ew_task_item item = {.n_endings = 1};
    struct ew_task_count group = {0};
    struct ew_task_sums sums = {.groups = &group};
    for (int i = 1; i <= 3; i++) {
        const struct ew_ending_score ending = {.log_p = -i, .n_bytes = 1, .n_chars = 1, .greedy = i == 1};
        struct ew_task_outcome o = {.item = &item, .endings = &ending};
        ew_task_judge(&rules, &o);
        assert_int_equal(o.right, i == 1);
        ew_task_sums_add(&sums, &rules, &o);
    }
    struct ew_task_result r = ew_task_result_of(&sums, &rules);
    assert_string_equal(r.measure, "last_word");
    assert_int_equal(r.main, 0);
    assert_int_equal(r.n_figures, 2);
    expect_figure_name(&r, 0, "accuracy");
    expect_figure_name(&r, 1, "perplexity");
    expect_near(r.figures[0].value, 1.0 / 3);
    expect_interval(&r.figures[1], 7.389056098931, 2.383128847068, 22.910280365378);
    assert_true(isnan(r.figures[0].chance) && isnan(r.figures[1].chance));
}

static void test_written_answers(void **state) {
    (void)state;
    struct ew_task_rules rules = {.kind = EW_TASK_GENERATE, .match = EW_TASK_MATCH_NUMBER};
    const struct ew_task_item item = {.n_endings = 1};
    struct ew_task_count group = {0};
    struct ew_task_sums sums = {.groups = &group};
    for (int i = 0; i < 10; i++) {
        const struct ew_task_outcome o = {.item = &item, .text = "", .right = i < 8, .match = {i < 8, true}};
        ew_task_sums_add(&sums, &rules, &o);
    }
    struct ew_task_result r = ew_task_result_of(&sums, &rules);
    assert_string_equal(r.measure, "exact_match");
    assert_int_equal(r.n_figures, 2);
    expect_figure_name(&r, 0, "exact_match");
    expect_figure_name(&r, 1, "exact_match_flexible");
    expect_interval(&r.figures[0], 0.8, 0.490162471537, 0.943317848546);
    expect_interval(&r.figures[1], 1, 0.722467200137, 1);
    rules.match = EW_TASK_MATCH_TEXT;
    assert_int_equal(ew_task_result_of(&sums, &rules).n_figures, 1);
}

static void test_no_items_are_no_figure(void **state) {
    (void)state;
    for (int kind = 0; kind < EW_TASK_KINDS; kind++) {
        const struct ew_task_rules rules = {.kind = (enum ew_task_kind)kind};
        const struct ew_task_sums sums = {.n_skipped = 3};
        struct ew_task_result r = ew_task_result_of(&sums, &rules);
        assert_int_equal(r.n_skipped, 3);
        for (size_t i = 0; i < r.n_figures; i++)
            assert_true(isnan(r.figures[i].value) && isnan(r.figures[i].low) && isnan(r.figures[i].chance));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_rule_divides_by_its_length),
                                       cmocka_unit_test(test_the_first_of_equals_is_chosen),
                                       cmocka_unit_test(test_mc2_is_the_share_of_the_true_endings),
                                       cmocka_unit_test(test_mc1_compares_the_best_with_the_false),
                                       cmocka_unit_test(test_wilson),
                                       cmocka_unit_test(test_accuracy_and_chance),
                                       cmocka_unit_test(test_mc1_and_mc2_over_items),
                                       cmocka_unit_test(test_last_words),
                                       cmocka_unit_test(test_written_answers),
                                       cmocka_unit_test(test_no_items_are_no_figure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
