/* What tokens are for: which file is believed first, lists of end tokens, templates, flags. */
#include "convert/folder_json.h"
#include "convert/folder_tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const texts[] = {"a", "<s>", "<end>", "<|eom_id|>", "<|eot_id|>", "<turn>", "<unk>", "b"};
enum { N_TEXTS = sizeof texts / sizeof *texts };

struct files {
    json_t *tokenizer_config, *special_tokens_map, *generation_config, *config;
};

static json_t *parse(const char *text) {
    json_t *root = NULL;
    struct ew_error err = {0};
    if (text && ew_folder_json_parse("t", text, strlen(text), &root, &err) != EW_OK) fail_msg("%s", err.message);
    return root;
}

static void read_roles(enum ew_vocabulary_kind kind, const char *tokenizer_config, const char *map,
                       const char *generation, const char *config, struct ew_vocabulary *v) {
    ew_vocabulary_init(v, kind);
    for (uint32_t i = 0; i < N_TEXTS; i++)
        assert_int_equal(ew_vocabulary_set(v, "t", i, texts[i], strlen(texts[i]), 0, EW_TOKEN_NORMAL, NULL), EW_OK);
    const struct ew_token_role_files files = {parse(tokenizer_config), parse(map), parse(generation), parse(config)};
    struct ew_error err = {0};
    if (ew_folder_token_roles_read("t", &files, N_TEXTS, v, &err) != EW_OK) fail_msg("%s", err.message);
    json_decref((json_t *)(uintptr_t)files.tokenizer_config);
    json_decref((json_t *)(uintptr_t)files.special_tokens_map);
    json_decref((json_t *)(uintptr_t)files.generation_config);
    json_decref((json_t *)(uintptr_t)files.config);
}

static void texts_come_before_ids(void **state) {
    (void)state;
    struct ew_vocabulary v;
    read_roles(EW_VOCABULARY_BPE, "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":null}",
               "{\"eos_token\":\"<end>\",\"bos_token\":\"a\"}", NULL,
               "{\"bos_token_id\":0,\"eos_token_id\":0,\"pad_token_id\":7}", &v);
    assert_int_equal(v.bos, 1);
    assert_int_equal(v.eos, 2);
    assert_int_equal(v.pad, 7);
    assert_int_equal(v.unknown, -1);
    assert_int_equal(v.add_bos, EW_SAID_NO);
    ew_vocabulary_free(&v);
}

static void ids_outside_and_unknown_texts_are_passed_over(void **state) {
    (void)state;
    struct ew_vocabulary v;
    read_roles(EW_VOCABULARY_BPE, "{\"bos_token\":\"nowhere\"}", NULL, NULL,
               "{\"bos_token_id\":800,\"eos_token_id\":-1,\"pad_token_id\":\"x\"}", &v);
    assert_int_equal(v.bos, -1);
    assert_int_equal(v.eos, -1);
    assert_int_equal(v.pad, -1);
    ew_vocabulary_free(&v);
}

/* Three more ends for two places: the one whose name does not say so comes first. */
static void lists_of_end_tokens(void **state) {
    (void)state;
    struct ew_vocabulary v;
    read_roles(EW_VOCABULARY_BPE, "{\"eos_token\":\"<end>\"}", NULL, "{\"eos_token_id\":[2,4,3,5]}", NULL, &v);
    assert_int_equal(v.eos, 2);
    assert_int_equal(v.eot, 5);
    assert_int_equal(v.eom, 3);
    ew_vocabulary_free(&v);
    read_roles(EW_VOCABULARY_BPE, NULL, NULL, "{\"eos_token_id\":[4,5]}", "{\"eos_token_id\":4}", &v);
    assert_int_equal(v.eos, 4);
    assert_int_equal(v.eot, 5);
    assert_int_equal(v.eom, -1);
    ew_vocabulary_free(&v);
}

static void flags_and_kinds(void **state) {
    (void)state;
    struct ew_vocabulary v;
    read_roles(EW_VOCABULARY_SPM,
               "{\"add_bos_token\":false,\"add_eos_token\":true,\"add_prefix_space\":false,"
               "\"unk_token\":\"<unk>\",\"added_tokens_decoder\":{\"1\":{\"content\":\"<s>\",\"special\":true},"
               "\"5\":{\"content\":\"<turn>\",\"special\":false},\"900\":{\"content\":\"far\",\"special\":true}}}",
               NULL, NULL, NULL, &v);
    assert_int_equal(v.add_bos, EW_SAID_NO);
    assert_int_equal(v.add_eos, EW_SAID_YES);
    assert_int_equal(v.add_space_prefix, EW_SAID_NO);
    assert_int_equal(v.tokens[1].type, EW_TOKEN_CONTROL);
    assert_int_equal(v.tokens[5].type, EW_TOKEN_USER_DEFINED);
    assert_int_equal(v.tokens[6].type, EW_TOKEN_UNKNOWN);
    assert_int_equal(v.n_tokens, N_TEXTS);
    ew_vocabulary_free(&v);
    read_roles(EW_VOCABULARY_SPM, NULL, NULL, NULL, NULL, &v);
    assert_int_equal(v.add_bos, EW_SAID_YES);
    assert_int_equal(v.add_space_prefix, EW_SAID_YES);
    ew_vocabulary_free(&v);
}

static void templates(void **state) {
    (void)state;
    struct ew_vocabulary v;
    read_roles(EW_VOCABULARY_BPE, "{\"chat_template\":\"{{ x }}\"}", NULL, NULL, NULL, &v);
    assert_int_equal(v.n_templates, 1);
    assert_string_equal(v.templates[0].name, "default");
    assert_string_equal(v.templates[0].text, "{{ x }}");
    ew_vocabulary_free(&v);
    read_roles(EW_VOCABULARY_BPE,
               "{\"chat_template\":[{\"name\":\"default\",\"template\":\"d\"},"
               "{\"name\":\"tool_use\",\"template\":\"t\"},{\"name\":\"default\",\"template\":\"later\"}]}",
               NULL, NULL, NULL, &v);
    assert_int_equal(v.n_templates, 2);
    assert_string_equal(v.templates[0].text, "later");
    assert_string_equal(v.templates[1].name, "tool_use");
    ew_vocabulary_free(&v);
}

static void broken_added_tokens_are_named(void **state) {
    (void)state;
    struct ew_vocabulary v;
    struct ew_error err = {0};
    ew_vocabulary_init(&v, EW_VOCABULARY_BPE);
    const struct ew_token_role_files files = {.tokenizer_config =
                                                  parse("{\"added_tokens_decoder\":{\"x1\":{\"content\":\"<s>\"}}}")};
    assert_int_equal(ew_folder_token_roles_read("t", &files, 4, &v, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "x1"));
    json_decref((json_t *)(uintptr_t)files.tokenizer_config);
    ew_vocabulary_free(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_come_before_ids),
        cmocka_unit_test(ids_outside_and_unknown_texts_are_passed_over),
        cmocka_unit_test(lists_of_end_tokens),
        cmocka_unit_test(flags_and_kinds),
        cmocka_unit_test(templates),
        cmocka_unit_test(broken_added_tokens_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
