/* Templates from outside: conversations, what happens to system messages, variables, messages of errors, and limits. */
#include "edgewise/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ew_chat_template *opened(const char *text) {
    struct ew_chat_template *t = NULL;
    struct ew_error err;
    if (ew_chat_template_open("t", text, strlen(text), &t, &err) != EW_OK) fail_msg("%s", err.message);
    return t;
}

/* What a template makes of a request; the caller frees. */
static char *rendered(const char *template, const struct ew_chat_request *request) {
    struct ew_chat_template *t = opened(template);
    struct ew_error err;
    char *text = NULL;
    if (ew_chat_template_render(t, request, &text, NULL, &err) != EW_OK) fail_msg("%s", err.message);
    ew_chat_template_close(&t);
    return text;
}

static void assert_renders(const char *template, const struct ew_chat_request *request, const char *expected) {
    char *text = rendered(template, request);
    assert_string_equal(text, expected);
    free(text);
}

/* The status and message of a template that fails, in opening or rendering. */
static void assert_fails(const char *template, const struct ew_chat_request *request, enum ew_status status,
                         const char *message) {
    struct ew_chat_template *t = NULL;
    struct ew_error err = {0};
    char *text = NULL;
    enum ew_status got = ew_chat_template_open("t", template, strlen(template), &t, &err);
    if (got == EW_OK) got = ew_chat_template_render(t, request, &text, NULL, &err);
    if (got != status || !strstr(err.message, message))
        fail_msg("%s: status %s, `%s`; expected %s, `%s`", template, ew_status_name(got), err.message,
                 ew_status_name(status), message);
    assert_null(text);
    assert_int_equal(err.status, status);
    ew_chat_template_close(&t);
}

static const struct ew_chat_message CONVERSATION[] = {
    {"system", "Be kind."}, {"user", "Hello"}, {"assistant", "Hi"}, {"user", "Bye"}};

static const char *const CHATML =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

static void a_conversation_becomes_text(void **state) {
    (void)state;
    struct ew_chat_request request = {.messages = CONVERSATION, .n_messages = 4, .add_generation_prompt = true};
    assert_renders(CHATML, &request,
                   "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
                   "<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n");
    request.add_generation_prompt = false;
    request.n_messages = 1;
    assert_renders(CHATML, &request, "<|im_start|>system\nBe kind.<|im_end|>\n");
}

static void a_system_message_without_place_goes_before_the_first_user_message(void **state) {
    (void)state;
    const struct ew_chat_request request = {.messages = CONVERSATION, .n_messages = 4};
    assert_renders("{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
                   "[{{ m.role }}: {{ m.content }}]{% endfor %}",
                   &request, "[user: Be kind.\nHello][assistant: Hi][user: Bye]");
    assert_renders("{% for m in messages %}{% if m.role != 'system' %}[{{ m.content }}]{% endif %}{% endfor %}",
                   &request, "[Be kind.\nHello][Hi][Bye]");
}

static void content_comes_in_parts_where_only_parts_are_taken(void **state) {
    (void)state;
    const struct ew_chat_request request = {.messages = CONVERSATION, .n_messages = 2};
    assert_renders("{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}<{{ p.text }}>{% endif %}"
                   "{% endfor %}{% endfor %}",
                   &request, "<Be kind.><Hello>");
}

static void variables_win_over_the_members(void **state) {
    (void)state;
    struct ew_chat_request request = {.messages = CONVERSATION, .n_messages = 4, .add_generation_prompt = true};
    assert_renders("{{ tools is none }}{{ documents is none }}{{ bos_token is defined }}{{ add_generation_prompt }}",
                   &request, "TrueTrueFalseTrue");
    request.variables = "{\"messages\": [{\"role\": \"user\", \"content\": null}], \"bos_token\": \"<s>\", \"n\": 3}";
    assert_renders("{{ bos_token }}{{ messages }}{{ n }}", &request, "<s>[{'role': 'user', 'content': None}]3");
    request.variables = "[1]";
    assert_fails("x", &request, EW_ERR_FORMAT, "variables: a JSON object is expected, not list");
    request.variables = "{\"a\": 01}";
    assert_fails("x", &request, EW_ERR_FORMAT, "variables: byte 8: a number does not begin with 0");
    request.variables = "{\"a\": \"\\ud83d\\ude00\\n\\ud800x\", \"b\": 1e3, \"c\": 99999999999999999999}";
    assert_renders("{{ a }}|{{ b }}|{{ c }}", &request, "\xf0\x9f\x98\x80\n\xef\xbf\xbdx|1000.0|1e+20");
}

static void the_plain_template_marks_who_speaks(void **state) {
    (void)state;
    struct ew_chat_template *t = NULL;
    char *text = NULL;
    size_t n;
    const struct ew_chat_request request = {.messages = CONVERSATION, .n_messages = 4, .add_generation_prompt = true};
    assert_int_equal(ew_chat_template_open_plain(&t, NULL), EW_OK);
    assert_int_equal(ew_chat_template_render(t, &request, &text, &n, NULL), EW_OK);
    assert_string_equal(text, "Be kind.\n\nUser: Hello\n\nAssistant: Hi\n\nUser: Bye\n\nAssistant:");
    assert_int_equal(n, strlen(text));
    assert_string_equal(ew_chat_template_stop(t), "\nUser:");
    free(text);
    ew_chat_template_close(&t);
    assert_null(t);
    t = opened("x");
    assert_null(ew_chat_template_stop(t));
    ew_chat_template_close(&t);
}

static void errors_name_line_thing_and_rule(void **state) {
    (void)state;
    const struct ew_chat_request request = {.messages = CONVERSATION, .n_messages = 4};
    assert_fails("a\n{% if x %}\nb", &request, EW_ERR_FORMAT, "t: line 3: the template ends before `elif else endif`");
    assert_fails("a\n{{ 'x'|shout }}", &request, EW_ERR_UNSUPPORTED, "t: line 2: `shout` is not a filter");
    assert_fails("{% include 'x' %}", &request, EW_ERR_UNSUPPORTED, "line 1: the statement `include` is not supported");
    assert_fails("\n\n{{ a.b }}", &request, EW_ERR_ARGUMENT, "t: line 3: `a` is undefined");
    assert_fails("{{ raise_exception('roles must alternate') }}", &request, EW_ERR_ARGUMENT,
                 "t: line 1: the template refuses: roles must alternate");
    assert_fails("{% macro f(a) %}{{ 1 + a }}{% endmacro %}\n{{ f('x') }}", &request, EW_ERR_ARGUMENT,
                 "line 1: `+` does not take integer and string");
    assert_fails("{{ 'abc\\", &request, EW_ERR_FORMAT, "the string has no end"); /* was an endless loop */
    assert_fails("{{ 9223372036854775807 + 1 }}", &request, EW_ERR_ARGUMENT, "does not fit 64 bits");
    assert_fails("{{ 'abc'.split('') }}", &request, EW_ERR_ARGUMENT, "split: the separator is empty");
}

static void no_template_takes_more_than_its_limits(void **state) {
    (void)state;
    const struct ew_chat_request request = {.limits = {.steps = 100000, .memory_bytes = 1 << 20, .output_bytes = 1000}};
    assert_fails("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", &request,
                 EW_ERR_LIMIT, "");
    assert_fails("{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% "
                 "endfor %}",
                 &request, EW_ERR_LIMIT, "more than 1048576 bytes (the limit of memory)");
    assert_fails("{{ 'x' * 1001 }}", &request, EW_ERR_LIMIT, "the text: more than 1000 bytes");
    assert_fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", &request, EW_ERR_LIMIT,
                 "nested deeper than 300 levels");
    assert_fails("{{ 'x' * 99999999999 }}", &request, EW_ERR_LIMIT, "");
    assert_fails("{% set ns = namespace(l=[]) %}{% for i in range(400) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
                 &request, EW_ERR_LIMIT, "nested deeper");
    assert_fails("{{ range(100001) }}", &request, EW_ERR_LIMIT, "range: more than 100000 numbers");
    char deep[4000];
    memset(deep, '(', sizeof deep);
    memcpy(deep, "{{ ", 3);
    deep[sizeof deep - 1] = 0;
    assert_fails(deep, &request, EW_ERR_LIMIT, "brackets inside each other");
    size_t at = 3;
    for (; at + 10 < sizeof deep; at += 4) memcpy(deep + at, "not ", 4);
    strcpy(deep + at, "x }}");
    assert_fails(deep, &request, EW_ERR_LIMIT, "nested deeper than 300 levels");
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    struct ew_chat_template *t = NULL;
    struct ew_error err;
    char *text = NULL, *large = calloc(1, (1 << 20) + 1);
    assert_non_null(large);
    assert_int_equal(ew_chat_template_open("t", large, (1 << 20) + 1, &t, &err), EW_ERR_LIMIT);
    free(large);
    assert_int_equal(ew_chat_template_open(NULL, "x", 1, &t, &err), EW_ERR_ARGUMENT);
    t = opened("x");
    const struct ew_chat_message nobody = {NULL, "x"};
    const struct ew_chat_request request = {.messages = &nobody, .n_messages = 1};
    assert_int_equal(ew_chat_template_render(t, &request, &text, NULL, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_chat_template_render(t, NULL, &text, NULL, &err), EW_ERR_ARGUMENT);
    assert_null(text);
    ew_chat_template_close(&t);
    ew_chat_template_close(&t);
    ew_chat_template_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_becomes_text),
        cmocka_unit_test(a_system_message_without_place_goes_before_the_first_user_message),
        cmocka_unit_test(content_comes_in_parts_where_only_parts_are_taken),
        cmocka_unit_test(variables_win_over_the_members),
        cmocka_unit_test(the_plain_template_marks_who_speaks),
        cmocka_unit_test(errors_name_line_thing_and_rule),
        cmocka_unit_test(no_template_takes_more_than_its_limits),
        cmocka_unit_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
