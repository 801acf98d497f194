/* tokenizer.json: the name of the pre-tokenizer from its patterns, tokens, scores from the order of merges, and what is
 * refused. Patterns as their publishers' files have them. */
#include "convert/folder_json.h"
#include "convert/tokenizer_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text) {
    json_t *root = NULL;
    struct ew_error err = {0};
    if (ew_folder_json_parse("t", text, strlen(text), &root, &err) != EW_OK) fail_msg("%s", err.message);
    return root;
}

static const char *pre_of(const char *pre_tokenizer, bool ignore_merges) {
    char text[2048];
    snprintf(text, sizeof text, "{\"pre_tokenizer\":%s,\"model\":{\"type\":\"BPE\",\"ignore_merges\":%s}}",
             pre_tokenizer, ignore_merges ? "true" : "false");
    json_t *root = parse(text);
    const char *name = ew_tokenizer_json_pre(root);
    json_decref(root);
    return name ? name : "none";
}

#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define PLAIN_BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}"
#define SEQUENCE(list) "{\"type\":\"Sequence\",\"pretokenizers\":[" list "]}"
#define SPLIT(regex)                                                                                                   \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define WORDS(digits, ends)                                                                                            \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^" ends "\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[" ends  \
    "]*|\\\\s*[" ends "]+|\\\\s+(?!\\\\S)|\\\\s+"

static void patterns_have_names(void **state) {
    (void)state;
    assert_string_equal(pre_of(BYTES, false), "gpt-2");
    assert_string_equal(pre_of(SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}," BYTES), false),
                        "starcoder");
    assert_string_equal(pre_of(SEQUENCE(SPLIT(WORDS("\\\\p{N}{1,3}", "\\\\r\\\\n")) "," PLAIN_BYTES), true),
                        "llama-bpe");
    /* The same words without the short cut: merged as the list says. */
    assert_string_equal(pre_of(SEQUENCE(SPLIT(WORDS("\\\\p{N}{1,3}", "\\\\r\\\\n")) "," PLAIN_BYTES), false),
                        "smaug-bpe");
    assert_string_equal(pre_of(SEQUENCE(SPLIT(WORDS("\\\\p{N}", "\\\\r\\\\n")) "," PLAIN_BYTES), false), "qwen2");
    /* Line ends as characters, as some files have them. */
    assert_string_equal(pre_of(SEQUENCE(SPLIT(WORDS("\\\\p{N}", "\\r\\n")) "," PLAIN_BYTES), false), "qwen2");
}

static void other_patterns_have_none(void **state) {
    (void)state;
    assert_string_equal(pre_of("null", false), "none");
    assert_string_equal(pre_of("{\"type\":\"Whitespace\"}", false), "none");
    assert_string_equal(pre_of(PLAIN_BYTES, false), "none");
    assert_string_equal(pre_of(SEQUENCE(SPLIT("a+") "," PLAIN_BYTES), false), "none");
    assert_string_equal(pre_of(SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":false}," BYTES), false), "none");
    assert_string_equal(pre_of(SEQUENCE(BYTES "," BYTES), false), "none");
}

static void a_byte_level_file_is_read(void **state) {
    (void)state;
    json_t *root =
        parse("{\"pre_tokenizer\":" BYTES ",\"decoder\":" BYTES ",\"added_tokens\":["
              "{\"id\":3,\"content\":\"<end>\",\"special\":true},{\"id\":5,\"content\":\"<tool>\","
              "\"special\":false}],\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
              "{\"SpecialToken\":{\"id\":\"<end>\"}},{\"Sequence\":{\"id\":\"A\"}}]},"
              "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[[\"a\",\"b\"]]}}");
    struct ew_vocabulary v;
    struct ew_error err = {0};
    assert_int_equal(ew_tokenizer_json_read("t", root, NULL, &v, &err), EW_OK);
    assert_int_equal(v.kind, EW_VOCABULARY_BPE);
    assert_string_equal(v.pre, "gpt-2");
    assert_int_equal(v.n_tokens, 6);
    assert_string_equal(v.tokens[2].text, "ab");
    assert_int_equal(v.tokens[3].type, EW_TOKEN_CONTROL);
    assert_null(v.tokens[4].text);
    assert_int_equal(v.tokens[5].type, EW_TOKEN_USER_DEFINED);
    assert_int_equal(v.n_merges, 1);
    assert_string_equal(v.merges[0], "a b");
    assert_int_equal(v.add_bos, EW_SAID_YES);
    assert_int_equal(v.add_eos, EW_SAID_NO);
    assert_int_equal(ew_vocabulary_fit(&v, "t", 7, &err), EW_OK);
    assert_string_equal(v.tokens[4].text, "[PAD4]");
    assert_int_equal(v.tokens[6].type, EW_TOKEN_UNUSED);
    assert_int_equal(v.n_padded, 2);
    assert_int_equal(ew_vocabulary_fit(&v, "t", 6, &err), EW_ERR_FORMAT); /* [PAD6] is no added token */
    assert_int_equal(ew_vocabulary_find(&v, "<tool>"), 5);
    assert_int_equal(ew_vocabulary_find(&v, "nothing"), -1);
    ew_vocabulary_free(&v);
    json_decref(root);
}

/* Gemma 3 1B lists a token for images that its embedding has no row for. */
static void added_tokens_beyond_the_embedding_are_dropped(void **state) {
    (void)state;
    struct ew_vocabulary v;
    struct ew_error err = {0};
    ew_vocabulary_init(&v, EW_VOCABULARY_SPM);
    assert_int_equal(ew_vocabulary_set(&v, "t", 0, "a", 1, 0, EW_TOKEN_NORMAL, &err), EW_OK);
    assert_int_equal(ew_vocabulary_set(&v, "t", 1, "b", 1, 0, EW_TOKEN_NORMAL, &err), EW_OK);
    assert_int_equal(ew_vocabulary_set(&v, "t", 3, "<image>", 7, 0, EW_TOKEN_CONTROL, &err), EW_OK);
    assert_int_equal(ew_vocabulary_fit(&v, "t", 2, &err), EW_OK);
    assert_int_equal(v.n_tokens, 2);
    assert_int_equal(v.n_dropped, 1);
    assert_int_equal(ew_vocabulary_fit(&v, "t", 1, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "embedding for 1"));
    ew_vocabulary_free(&v);
}

/* "ab" is the first result, "abc" the second though a third merge gives it again, "bc" the third. */
static void scores_follow_from_the_merges(void **state) {
    (void)state;
    json_t *root =
        parse("{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"x\"}]},"
              "\"pre_tokenizer\":null,\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"unk_token\":\"<unk>\","
              "\"vocab\":{\"<unk>\":0,\"<0x41>\":1,\"a\":2,\"b\":3,\"c\":4,\"bc\":5,\"ab\":6,\"abc\":7},"
              "\"merges\":[\"a b\",\"ab c\",\"b c\",\"a bc\"]},"
              "\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true}]}");
    struct ew_vocabulary v;
    assert_int_equal(ew_tokenizer_json_read("t", root, NULL, &v, NULL), EW_OK);
    assert_int_equal(v.kind, EW_VOCABULARY_SPM);
    assert_true(v.tokens[6].score == 0 && v.tokens[7].score == -1 && v.tokens[5].score == -2);
    assert_int_equal(v.tokens[1].type, EW_TOKEN_BYTE);
    assert_int_equal(v.unknown, 0);
    assert_int_equal(v.add_space_prefix, EW_SAID_YES);
    assert_int_equal(v.n_merges, 0);
    ew_vocabulary_free(&v);
    json_decref(root);
}

static void expect_refusal(const char *text, enum ew_status status, const char *words) {
    json_t *root = parse(text);
    struct ew_vocabulary v;
    struct ew_error err = {0};
    assert_int_equal(ew_tokenizer_json_read("t", root, NULL, &v, &err), status);
    if (!strstr(err.message, words)) fail_msg("`%s` does not say `%s`", err.message, words);
    json_decref(root);
}

static void what_does_not_fit_is_named(void **state) {
    (void)state;
    expect_refusal("{}", EW_ERR_UNSUPPORTED, "BPE can");
    expect_refusal("{\"model\":{\"type\":\"WordPiece\"}}", EW_ERR_UNSUPPORTED, "WordPiece");
    expect_refusal("{\"model\":{\"type\":\"BPE\"}}", EW_ERR_FORMAT, "vocab");
    expect_refusal("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", EW_ERR_FORMAT, "merges");
    expect_refusal("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", EW_ERR_FORMAT, "whole number");
    expect_refusal("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1e9},\"merges\":[]}}", EW_ERR_FORMAT,
                   "ids are below");
    expect_refusal("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\":0},\"merges\":[]}}", EW_ERR_FORMAT, "0 bytes");
    expect_refusal("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}", EW_ERR_FORMAT,
                   "does not give a token");
    expect_refusal("{\"decoder\":" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a \"]}}",
                   EW_ERR_FORMAT, "merges[0]");
    expect_refusal("{\"decoder\":" BYTES
                   ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a b\",\"c\"]]}}",
                   EW_ERR_UNSUPPORTED, "with spaces");
    expect_refusal("{\"decoder\":" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
                   EW_ERR_UNSUPPORTED, "--pre");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_have_names),
        cmocka_unit_test(other_patterns_have_none),
        cmocka_unit_test(added_tokens_beyond_the_embedding_are_dropped),
        cmocka_unit_test(a_byte_level_file_is_read),
        cmocka_unit_test(scores_follow_from_the_merges),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
