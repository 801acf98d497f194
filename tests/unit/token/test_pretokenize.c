/* Words of the pre-tokenizer rules, worked out from the published patterns; and their behaviour on awkward text. */
#include "token/pretokenize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct words {
    char joined[512]; /* separated by '|' */
    size_t size;
};

static enum ew_status collect(void *context, const uint8_t *word, size_t n, struct ew_error *err) {
    (void)err;
    struct words *words = context;
    assert_true(words->size + n + 2 < sizeof words->joined);
    if (words->size) words->joined[words->size++] = '|';
    memcpy(words->joined + words->size, word, n);
    words->size += n;
    words->joined[words->size] = 0;
    return EW_OK;
}

static void open_rule(const char *name, struct ew_pretokenizer *out) {
    const struct ew_pretokenize_rule *rule = ew_pretokenize_find_rule(name, strlen(name));
    assert_non_null(rule);
    struct ew_error err;
    if (ew_pretokenizer_compile(rule, out, &err)) fail_msg("%s", err.message);
}

static void words_follow_the_published_patterns(void **state) {
    (void)state;
    static const struct {
        const char *rule, *text, *words;
    } cases[] = {
        {"gpt-2", "Hello world's 123  x", "Hello| world|'s| 123| | x"},
        {"gpt-2", "I'M don't", "I|'|M| don|'t"},
        {"gpt-2", "a\n\nb", "a|\n|\n|b"},
        {"gpt-2", "!\xe1\xa0\x8e!", "!\xe1\xa0\x8e!"},        /* U+180E is not White_Space */
        {"gpt-2", "a\xc2\x85\xc2\x85", "a|\xc2\x85\xc2\x85"}, /* U+0085 is */
        {"llama-bpe", "1234567", "123|456|7"},
        {"llama-bpe", "I'M we'Ll", "I|'M| we|'Ll"},
        {"llama-bpe",
         "a'\xc5\xbf"
         "b",
         "a|'\xc5\xbf"
         "b"}, /* long s is no contraction */
        {"llama-bpe", "a \n\n b", "a| \n\n| b"},
        {"llama-bpe", "  \n  x", "  \n| | x"},
        {"llama-bpe", "f(x);\n", "f|(x|);\n"},
        {"qwen2", "x123", "x|1|2|3"},
        {"starcoder", "ab 12", "ab| |1|2"},
        {"deepseek-coder", "a\nb 12", "a|\n|b| |1|2"},
        {"deepseek-v3",
         "a1234\xe6\xbc\xa2\xe5\xad\x97"
         "b",
         "a|123|4|\xe6\xbc\xa2\xe5\xad\x97|b"},
        {"falcon", "x=1234", "x|=|123|4"},
        {"tekken", "HelloWorld ABc", "Hello|World| ABc"},
        {"gpt-4o", "don't Stop", "don't| Stop"},
        {"qwen35", "e\xcc\x81x", "e\xcc\x81x"},
        {"qwen2", "e\xcc\x81x", "e|\xcc\x81x"},
        {"gpt-2",
         "ab\xff\xfe"
         "cd",
         "ab|\xff\xfe|cd"},                           /* not UTF-8: words of their own */
        {"gpt-2", "a\xed\xa0\x80", "a|\xed\xa0\x80"}, /* a surrogate is not UTF-8 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ew_pretokenizer pretokenizer;
        struct words words = {0};
        open_rule(cases[i].rule, &pretokenizer);
        assert_int_equal(ew_pretokenizer_run(&pretokenizer, (const uint8_t *)cases[i].text, strlen(cases[i].text),
                                             collect, &words, NULL),
                         EW_OK);
        if (strcmp(words.joined, cases[i].words) != 0)
            fail_msg("%s: `%s` became `%s`, not `%s`", cases[i].rule, cases[i].text, words.joined, cases[i].words);
        ew_pretokenizer_free(&pretokenizer);
    }
}

static void names_are_matched_whole(void **state) {
    (void)state;
    static const char *const unknown[] = {"", "gpt", "gpt-2 ", "gpt-2 default", "llama", "pt-2", "no-such-rule"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_null(ew_pretokenize_find_rule(unknown[i], strlen(unknown[i])));
    assert_non_null(ew_pretokenize_find_rule("mellum", 6)); /* the last of its list */
}

struct follower {
    const uint8_t *next;
    size_t n_words;
};

static enum ew_status follow(void *context, const uint8_t *word, size_t n, struct ew_error *err) {
    (void)err;
    struct follower *follower = context;
    assert_ptr_equal(word, follower->next);
    assert_true(n > 0);
    follower->next = word + n;
    follower->n_words++;
    return EW_OK;
}

static const char *const all_rules[] = {"gpt-2",          "llama-bpe",   "qwen2",  "qwen35", "starcoder",
                                        "deepseek-coder", "deepseek-v3", "falcon", "tekken", "gpt-4o"};
enum { N_RULES = sizeof all_rules / sizeof *all_rules };

static void words_joined_are_the_text(void **state) {
    (void)state;
    static const char *const parts[] = {"a",
                                        "B",
                                        " ",
                                        "\n",
                                        "\r",
                                        "7",
                                        "'s",
                                        "!",
                                        "\xc3\xa9",
                                        "\xe6\xbc\xa2",
                                        "\xcc\x81",
                                        "\xff",
                                        "\xf0\x9f\xa6\x99",
                                        "\xe2\x80\xa8",
                                        "\xc2",
                                        "_"};
    srand(20);
    for (int i = 0; i < N_RULES; i++) {
        struct ew_pretokenizer pretokenizer;
        open_rule(all_rules[i], &pretokenizer);
        for (int round = 0; round < 100; round++) {
            uint8_t text[256];
            size_t n = 0;
            while (n < 200) {
                const char *part = parts[(size_t)rand() % (sizeof parts / sizeof *parts)];
                memcpy(text + n, part, strlen(part));
                n += strlen(part);
            }
            struct follower follower = {text, 0};
            assert_int_equal(ew_pretokenizer_run(&pretokenizer, text, n, follow, &follower, NULL), EW_OK);
            assert_ptr_equal(follower.next, text + n);
        }
        ew_pretokenizer_free(&pretokenizer);
    }
}

/* Quadratic work would take minutes here; the bound only has to tell those apart on a slow, busy machine. */
static void time_is_linear_in_awkward_text(void **state) {
    (void)state;
    static const char *const units[] = {"a", " ", "\n", "7", "!", "'", "A", "\xcc\x81", "\xff", " \n", "\xe6\xbc\xa2"};
    enum { SIZE = 1000000 };
    uint8_t *text = malloc(SIZE);
    assert_non_null(text);
    const clock_t start = clock();
    for (int i = 0; i < N_RULES; i++) {
        struct ew_pretokenizer pretokenizer;
        open_rule(all_rules[i], &pretokenizer);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            const size_t unit = strlen(units[u]);
            size_t n = 0;
            for (; n + unit < SIZE; n += unit) memcpy(text + n, units[u], unit);
            text[n++] = 'x'; /* so that blanks are not at the end */
            struct follower follower = {text, 0};
            struct ew_error err;
            if (ew_pretokenizer_run(&pretokenizer, text, n, follow, &follower, &err))
                fail_msg("%s on 0x%02x: %s", all_rules[i], (uint8_t)units[u][0], err.message);
        }
        ew_pretokenizer_free(&pretokenizer);
    }
    free(text);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    print_message("%d rules x %zu texts of 1 MB: %.1f s of CPU\n", N_RULES, sizeof units / sizeof *units, seconds);
    assert_true(seconds < 120);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_follow_the_published_patterns),
        cmocka_unit_test(names_are_matched_whole),
        cmocka_unit_test(words_joined_are_the_text),
        cmocka_unit_test(time_is_linear_in_awkward_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
