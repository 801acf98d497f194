/* Cleaning, widths, folding and Markdown of terminal tables. */
#include "report/text_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_clean(const char *in, const char *out) {
    char *clean = ew_text_clean(in);
    assert_string_equal(clean, out);
    free(clean);
}

static void names_cannot_drive_the_terminal(void **state) {
    (void)state;
    expect_clean("plain Ünï 模型", "plain Ünï 模型");
    expect_clean("\033[31mred", "\xef\xbf\xbd[31mred");
    expect_clean("a\rb\nc\x7f", "a\xef\xbf\xbd"
                                "b c\xef\xbf\xbd");
    expect_clean("c1 \xc2\x9b"
                 "31m",
                 "c1 \xef\xbf\xbd"
                 "31m"); /* CSI as one character */
    expect_clean("x\xe2\x80\xae"
                 "y",
                 "x\xef\xbf\xbdy");                                       /* right-to-left override */
    expect_clean("cut \xe6\xa8", "cut \xef\xbf\xbd\xef\xbf\xbd");         /* broken at the end */
    expect_clean("\xc0\xaf\xff", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* overlong, and no UTF-8 at all */
}

static void widths_count_columns(void **state) {
    (void)state;
    assert_int_equal(ew_text_width("± 0.4"), 5);
    assert_int_equal(ew_text_width("模型"), 4);
    assert_int_equal(ew_text_width("e\xcc\x81"), 1); /* e and a combining acute */
}

static struct ew_text_table *example(void) {
    static const struct ew_text_column columns[] = {
        {"model", NULL, false, true}, {"speed", "tok/s", true, false}, {"memory", "MiB", true, false}};
    struct ew_text_table *table = ew_text_table_open(columns, 3);
    ew_text_table_add(table, "one", NULL);
    ew_text_table_add(table, "57.8", "± 0.4");
    ew_text_table_add(table, "801", NULL);
    ew_text_table_add(table, "a|b<c", NULL);
    ew_text_table_add(table, "648", "± 6");
    ew_text_table_add(table, NULL, NULL);
    return table;
}

static void expect_print(struct ew_text_style style, bool markdown, const char *expected) {
    struct ew_text_table *table = example();
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_true(markdown ? ew_text_table_print_markdown(table, out) : ew_text_table_print(table, out, &style));
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
    ew_text_table_close(&table);
}

static void numbers_align_before_their_interval(void **state) {
    (void)state;
    expect_print((struct ew_text_style){0}, false,
                 "model       speed  memory\n"
                 "            tok/s     MiB\n"
                 "one    57.8 ± 0.4     801\n"
                 "a|b<c   648 ± 6         –\n");
}

static void wide_tables_fold_with_their_keys(void **state) {
    (void)state;
    expect_print((struct ew_text_style){.width = 20}, false,
                 "model       speed\n"
                 "            tok/s\n"
                 "one    57.8 ± 0.4\n"
                 "a|b<c   648 ± 6  \n"
                 "\n"
                 "model  memory\n"
                 "          MiB\n"
                 "one       801\n"
                 "a|b<c       –\n");
}

static void markdown_escapes(void **state) {
    (void)state;
    expect_print((struct ew_text_style){0}, true,
                 "| model | speed, tok/s | memory, MiB |\n"
                 "|---|--:|--:|\n"
                 "| one | 57.8 ± 0.4 | 801 |\n"
                 "| a\\|b&lt;c | 648 ± 6 | – |\n");
}

static void paragraphs_hang(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct ew_text_style style = {.width = 30};
    ew_text_paragraph(out, &style, 6, "head", "one two three four five six");
    ew_text_paragraph(out, &style, 6, "a long head", "x");
    fclose(out);
    assert_string_equal(text, "head  one two three four five\n"
                              "      six\n"
                              "a long head\n"
                              "      x\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_cannot_drive_the_terminal),
                                       cmocka_unit_test(widths_count_columns),
                                       cmocka_unit_test(numbers_align_before_their_interval),
                                       cmocka_unit_test(wide_tables_fold_with_their_keys),
                                       cmocka_unit_test(markdown_escapes),
                                       cmocka_unit_test(paragraphs_hang)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
