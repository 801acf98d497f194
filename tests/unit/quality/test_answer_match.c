/* Numbers and texts in answers that a model wrote. Expected: the patterns "#### (\-?[0-9\.\,]+)", the first one, and
 * "(-?[$0-9.,]{2,})|(-?[0-9]+)", the last one, of the task gsm8k of lm-evaluation-harness, applied by hand; and exact
 * match without case and punctuation, as its task triviaqa has it. */
#include "quality/answer_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef const char *find_number(const char *text, size_t *n);

/* expected NULL: no number. */
static void expect_number(find_number *find, const char *text, const char *expected) {
    size_t n = 0;
    const char *at = find(text, &n);
    if (!expected) {
        if (at) fail_msg("`%s`: found `%.*s`, expected none", text, (int)n, at);
        return;
    }
    if (!at || n != strlen(expected) || memcmp(at, expected, n) != 0)
        fail_msg("`%s`: found `%.*s`, expected `%s`", text, at ? (int)n : 0, at ? at : "", expected);
}

static void test_the_strict_number_is_the_first_behind_its_mark(void **state) {
    (void)state;
    expect_number(ew_answer_strict_number, "3 + 4 = 7\n#### 7", "7");
    expect_number(ew_answer_strict_number, "#### 1,234\nmore", "1,234");
    expect_number(ew_answer_strict_number, "#### -5", "-5");
    expect_number(ew_answer_strict_number, "#### 2.50 dollars", "2.50");
    expect_number(ew_answer_strict_number, "#### 18.", "18.");
    expect_number(ew_answer_strict_number, "#### 3\n#### 4", "3");
    expect_number(ew_answer_strict_number, "#### none\n#### 4", "4");
    expect_number(ew_answer_strict_number, "##### 6", "6");
    expect_number(ew_answer_strict_number, "####7", NULL);
    expect_number(ew_answer_strict_number, "####  7", NULL); /* one space */
    expect_number(ew_answer_strict_number, "#### $7", NULL); /* the strict pattern knows no dollar sign */
    expect_number(ew_answer_strict_number, "#### -", NULL);
    expect_number(ew_answer_strict_number, "#### ", NULL);
    expect_number(ew_answer_strict_number, "The answer is 7", NULL);
    expect_number(ew_answer_strict_number, "", NULL);
}

static void test_the_flexible_number_is_the_last(void **state) {
    (void)state;
    expect_number(ew_answer_last_number, "First 3, then 14", "14");
    expect_number(ew_answer_last_number, "They pay $1,234.50 in all", "$1,234.50");
    expect_number(ew_answer_last_number, "It is 7 below, so -7", "-7");
    expect_number(ew_answer_last_number, "5-3", "-3");
    expect_number(ew_answer_last_number, "9", "9");
    expect_number(ew_answer_last_number, "x=0.5y", "0.5");
    expect_number(ew_answer_last_number, "the answer is 18.", "18.");
    expect_number(ew_answer_last_number, "12 apples. So it is", "12");     /* a single full stop is no number */
    expect_number(ew_answer_last_number, "12 apples and so on...", "..."); /* but two or more are, by the pattern */
    expect_number(ew_answer_last_number, "no number - none.", NULL);
    expect_number(ew_answer_last_number, "", NULL);
}

static void expect_match(enum ew_task_match how, const char *answer, const char *text, bool strict, bool flexible) {
    const struct ew_answer_match match = ew_answer_matches(how, &answer, 1, text);
    if (match.strict != strict || match.flexible != flexible)
        fail_msg("`%s` for `%s`: %d %d, expected %d %d", text, answer, match.strict, match.flexible, strict, flexible);
}

static void test_numbers_are_equal_without_separators(void **state) {
    (void)state;
    expect_match(EW_TASK_MATCH_NUMBER, "1234", "so 1000 + 234\n#### 1,234", true, true);
    expect_match(EW_TASK_MATCH_NUMBER, "1,234", "#### 1234", true, true);
    expect_match(EW_TASK_MATCH_NUMBER, "18", "#### 18.", true, true);
    expect_match(EW_TASK_MATCH_NUMBER, "18", "The answer is $18.", false, true);
    expect_match(EW_TASK_MATCH_NUMBER, "-5", "#### -5", true, true);
    expect_match(EW_TASK_MATCH_NUMBER, "5", "#### -5", false, false);
    expect_match(EW_TASK_MATCH_NUMBER, "2.5", "#### 2.5", true, true);
    expect_match(EW_TASK_MATCH_NUMBER, "2.5", "#### 2.50", false, false); /* texts are compared, not values */
    expect_match(EW_TASK_MATCH_NUMBER, "18", "#### 18\n\nQ: what is 2 + 2? 4", true, false);
    expect_match(EW_TASK_MATCH_NUMBER, "18", "#### 180", false, false);
    expect_match(EW_TASK_MATCH_NUMBER, "180", "#### 18", false, false);
    expect_match(EW_TASK_MATCH_NUMBER, "18", "eighteen", false, false);
    expect_match(EW_TASK_MATCH_NUMBER, "18", "", false, false);
}

static void test_texts_are_equal_without_case_and_punctuation(void **state) {
    (void)state;
    expect_match(EW_TASK_MATCH_TEXT, "Sunset Boulevard", " sunset boulevard", true, true);
    expect_match(EW_TASK_MATCH_TEXT, "Scorpio (disambiguation)", "Scorpio disambiguation", true, true);
    expect_match(EW_TASK_MATCH_TEXT, "St. Paul's", "\nSt Pauls!", true, true);
    expect_match(EW_TASK_MATCH_TEXT, "Scorpio", "Scorpio the sign", false, false);
    expect_match(EW_TASK_MATCH_TEXT, "Scorpio the sign", "Scorpio", false, false);
    expect_match(EW_TASK_MATCH_TEXT, "Scorpio", "The answer is Scorpio", false, false);
    expect_match(EW_TASK_MATCH_TEXT, "Scorpio", "", false, false);
}

static void test_any_of_the_answers_counts(void **state) {
    (void)state;
    static const char *const aliases[] = {"Sunset Blvd", "West Sunset Boulevard", "Sunset Boulevard"};
    assert_true(ew_answer_matches(EW_TASK_MATCH_TEXT, aliases, 3, "sunset boulevard").strict);
    assert_true(ew_answer_matches(EW_TASK_MATCH_TEXT, aliases, 3, "Sunset blvd.").strict);
    assert_false(ew_answer_matches(EW_TASK_MATCH_TEXT, aliases, 2, "sunset boulevard").strict);
    assert_false(ew_answer_matches(EW_TASK_MATCH_TEXT, aliases, 0, "").strict);
    static const char *const numbers[] = {"7", "8"};
    assert_true(ew_answer_matches(EW_TASK_MATCH_NUMBER, numbers, 2, "#### 8").strict);
    assert_false(ew_answer_matches(EW_TASK_MATCH_NUMBER, numbers, 2, "#### 9").flexible);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_strict_number_is_the_first_behind_its_mark),
                                       cmocka_unit_test(test_the_flexible_number_is_the_last),
                                       cmocka_unit_test(test_numbers_are_equal_without_separators),
                                       cmocka_unit_test(test_texts_are_equal_without_case_and_punctuation),
                                       cmocka_unit_test(test_any_of_the_answers_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
