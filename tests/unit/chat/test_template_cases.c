/* The template language against Jinja2: every case of tests/fixtures/chat/template_cases.json gives the same text, or
 * is refused where Jinja2 raises. The fixture's own script says how its expectations were made. */
#include "chat/chat_json_read.h"
#include "edgewise/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 1741529107, MAX_FIXTURE = 1 << 20 };

static char *copy_of(const struct ew_chat_value *text) { return text ? strndup(text->text, text->size) : NULL; }

static struct ew_chat_value *member(struct ew_chat_machine *m, struct ew_chat_value object, const char *name) {
    return ew_chat_find(m, object.dict, ew_chat_text(name));
}

/* false when text or refusal differ. */
static bool check(const char *template, const char *variables, const struct ew_chat_value *expected) {
    struct ew_chat_template *t = NULL;
    struct ew_error err = {0};
    struct ew_chat_request request = {.variables = variables, .now_s = NOW_S};
    char *text = NULL;
    size_t n = 0;
    enum ew_status status = ew_chat_template_open("case", template, strlen(template), &t, &err);
    if (status == EW_OK) status = ew_chat_template_render(t, &request, &text, &n, &err);
    bool right =
        expected ? status == EW_OK && n == expected->size && memcmp(text, expected->text, n) == 0 : status != EW_OK;
    if (status != EW_OK && strncmp(err.message, "case: ", 6) != 0) right = false;
    if (!right)
        print_error("%s\n  gives    `%s`\n  expected `%.*s`\n", template, status == EW_OK ? text : err.message,
                    expected ? (int)expected->size : 9, expected ? expected->text : "a refusal");
    free(text);
    ew_chat_template_close(&t);
    return right;
}

static void check_all(struct ew_chat_machine *m, void *context) {
    static char json[MAX_FIXTURE];
    char path[4096];
    size_t *n_cases = context, n_wrong = 0;
    const char *source = getenv("EW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/chat/template_cases.json", source ? source : ".");
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(json, 1, sizeof json, f);
    assert_true(size < sizeof json);
    fclose(f);
    struct ew_chat_value all = ew_chat_read_json(m, path, json, size);
    *n_cases = all.list->n;
    for (size_t i = 0; i < all.list->n; i++) {
        char *template = copy_of(member(m, all.list->items[i], "template"));
        char *variables = copy_of(member(m, all.list->items[i], "variables"));
        n_wrong += !check(template, variables, member(m, all.list->items[i], "expected"));
        free(template);
        free(variables);
    }
    assert_int_equal(n_wrong, 0);
}

static void texts_equal_those_of_jinja2(void **state) {
    (void)state;
    struct ew_chat_machine m;
    struct ew_error err;
    size_t n_cases = 0;
    setenv("TZ", "UTC", 1);
    ew_chat_machine_init(&m, "fixture", NULL, &err);
    if (!ew_chat_guard(&m, check_all, &n_cases)) fail_msg("%s", err.message);
    ew_chat_arena_free(&m.arena);
    assert_true(n_cases > 250);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts_equal_those_of_jinja2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
