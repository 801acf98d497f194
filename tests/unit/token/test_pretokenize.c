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
     "b"}, /* long s: as in llama.cpp, no contraction */
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
    /* Hugging Face's tokenizers 0.23.2 with each published pattern (the Split stages alone) cuts these so. */
    {"default", " 1234 (x) it's", " |123|4| |(|x|)| it|'|s"},
    {"chameleon", "a    b 12!? IMGIMGABZ<sentinel:7>", "a|    |b| |1|2|!|?| |IMGIMGABZ|<|sentinel|:|7|>"},
    {"bloom", " Hello, world (12)", " Hello|,| world| (|12|)"},
    {"viking", " a12, b", " a|1|2|,| b"},
    {"deepseek-llm", "Stra\303\237e ab 12 \357\274\214\346\274\242\345\255\227  \n",
     "Stra|\303\237|e| ab| |12| \357\274\214|\346\274\242\345\255\227|  |\n"},
    {"deepseek-llm", "\325\241 b'\320\266  ", "\325\241| b|'|\320\266|  "},
    {"deepseek-v3", "price:$1234 .com #tag\n\n", "price|:$|123|4| .|com| #|tag|\n\n"},
    {"spark2_5", "a!\n\nb 1234", "a|!|\n|\n|b| |1|2|3|4"},
    {"afmoe", "x1234567\340\271\204\340\270\227\340\270\242abc 12",
     "x|1|234|567|\340\271\204|\340\270\227\340\270\242abc| |12"},
    {"superbpe", "two words 12345", "two words |12|345"},
    {"minicpm5", "a 1234567b", "a| |123|456|7|b"},
    {"seed-coder", "f(x);\n\n12", "f|(x|);|\n\n|1|2"},
    {"jais-2", "a       b", "a|    |  | b"},
    {"exaone-moe", "two words, 12 here", "two words|,| |1|2| here"},
    {"ufakzeka", "it's", "it|'s"},
    {"laguna", "a \n\n b", "a| |\n\n| b"},
    {"bailingmoe", "I'LL  x\n\n", "I|'LL| | x|\n\n"},
    {"youtu", "\344\275\240\345\245\275\357\274\214World's 12", "\344\275\240\345\245\275|\357\274\214|World's| |1|2"},
    {"tiny_aya", "1234 12345a 123", "1|234| |123|45|a| |123"},
    {"tekken", "\303\204PFELund \304\260\305\237te's", "\303\204PFELund| \304\260\305\237te|'s"},
    {"gpt-4o", "HTTPServer's \340\244\256\340\245\200 1234//\n", "HTTPServer's| \340\244\256\340\245\200| |123|4|//\n"},
};

static void words_follow_the_published_patterns(void **state) {
    (void)state;
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
    assert_non_null(ew_pretokenize_find_rule("jina-v2-code", 12)); /* the last of its list */
    assert_non_null(ew_pretokenize_find_rule("mellum", 6));
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

static const char *const all_rules[] = {
    "gpt-2",    "default",      "llama-bpe",  "qwen2",          "qwen35",      "ufakzeka",  "laguna",
    "minicpm5", "jais-2",       "seed-coder", "exaone-moe",     "starcoder",   "chameleon", "bloom",
    "viking",   "deepseek-llm", "afmoe",      "deepseek-coder", "deepseek-v3", "spark2_5",  "superbpe",
    "falcon",   "tekken",       "gpt-4o",     "tiny_aya",       "youtu"};
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
    static const char *const units[] = {
        "a",  " ",       "\n", "7", "!", "'", "A", "\xcc\x81", "\xff", " \n", "\xe6\xbc\xa2", "a ", "\xf0\x9f\xa6\x99",
        "7a", "\xc2\xbd"};
    enum { SIZE = 300000 };
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
    print_message("%d rules x %zu texts of 300 kB: %.1f s of CPU\n", N_RULES, sizeof units / sizeof *units, seconds);
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
