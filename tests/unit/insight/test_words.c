/* As many digits as the interval allows. */
#include "insight/words.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_figure(double value, double low, double high, double scale, const char *number, const char *spread) {
    const struct ew_figure figure = {value, low, high, 5, false};
    char v[EW_NUMBER_SIZE], s[EW_NUMBER_SIZE];
    ew_words_figure(&figure, scale, v, s);
    assert_string_equal(v, number);
    assert_string_equal(s, spread);
}

static void figures(void **state) {
    (void)state;
    expect_figure(57.81, 57.43, 58.12, 1, "57.8", "± 0.4");
    expect_figure(648.3, 642.1, 652.0, 1, "648", "± 6");
    expect_figure(0.793, 0.791, 0.795, 1, "0.793", "± 0.002");
    expect_figure(64812, 64100, 65400, 1, "64,812", "± 712");
    expect_figure(360, 340, 1025, 1, "360", "+665 -20");
    expect_figure(0.032, 0.03, 0.35, 1, "0.032", "+0.318 -0.002"); /* two digits of the value whatever the interval */
    expect_figure(840957952, 840957952 - 524288, 840957952 + 524288, 1 / 1048576.0, "802.0", "± 0.5");
    expect_figure(1234.5678, 1234.5677, 1234.5679, 1, "1,235", "± <1"); /* no digits for their own sake */
    expect_figure(5, 5, 5, 1, "5.00", "± <0.01");
    expect_figure(0.018634, 0.018551, 0.018717, 1, "0.01863", "± 0.00008");
    expect_figure(2.2e-6, 2.0e-6, 2.4e-6, 1, "2.2e-06", "± 2.0e-07");
    expect_figure(12, NAN, NAN, 1, "12.0", "");
    expect_figure(NAN, NAN, NAN, 1, "–", "");
}

static void numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        int decimals;
        const char *text;
    } cases[] = {{0, -1, "0"},
                 {999, 0, "999"},
                 {1000, 0, "1,000"},
                 {-1234567.5, 1, "-1,234,567.5"},
                 {0.00123, -1, "0.00123"},
                 {0.0000022, -1, "2.2e-06"},
                 {1e300, 0, "1.00e+300"},
                 {INFINITY, 0, "–"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[EW_NUMBER_SIZE];
        ew_words_number(out, cases[i].value, cases[i].decimals);
        assert_string_equal(out, cases[i].text);
    }
}

static void sizes(void **state) {
    (void)state;
    char out[EW_NUMBER_SIZE];
    ew_words_size(out, 801 * 1048576.0);
    assert_string_equal(out, "801 MiB");
    ew_words_size(out, 1.25 * 1073741824.0 + 1e7);
    assert_string_equal(out, "1.3 GiB");
    ew_words_size(out, 2.34 * 1048576);
    assert_string_equal(out, "2.3 MiB");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(figures), cmocka_unit_test(numbers), cmocka_unit_test(sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
