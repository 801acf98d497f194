/* Templates without memory: wherever an allocation fails, opening and rendering say so and leave nothing behind. The
 * library's malloc and calloc come here (--wrap). */
#include "edgewise/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static size_t n_calls, fail_at; /* fail_at: which call, from 1; 0: none */

void *__wrap_malloc(size_t size) { return ++n_calls == fail_at ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t n, size_t size) { return ++n_calls == fail_at ? NULL : __real_calloc(n, size); }

/* Large enough for several chunks of the arena. */
static const char TEMPLATE[] = "{% set s = 'x' * 100000 %}{% for m in messages %}{{ m.role }}{{ s }}{% endfor %}";

static enum ew_status open_and_render(struct ew_error *err) {
    const struct ew_chat_message message = {"user", "Hello"};
    const struct ew_chat_request request = {.messages = &message, .n_messages = 1, .variables = "{\"a\": [1, 2]}"};
    struct ew_chat_template *t = NULL;
    char *text = NULL;
    size_t n = 0;
    enum ew_status status = ew_chat_template_open("t", TEMPLATE, sizeof TEMPLATE - 1, &t, err);
    if (status == EW_OK) status = ew_chat_template_render(t, &request, &text, &n, err);
    if (status == EW_OK) assert_int_equal(n, 100004);
    if (status != EW_OK) assert_null(text);
    free(text);
    ew_chat_template_close(&t);
    return status;
}

static void every_failed_allocation_is_said(void **state) {
    (void)state;
    struct ew_error err = {0};
    size_t n_said = 0;
    n_calls = fail_at = 0;
    assert_int_equal(open_and_render(&err), EW_OK);
    const size_t n_all = n_calls;
    assert_true(n_all > 8);
    for (size_t failing = 1; failing <= n_all; failing++) {
        n_calls = 0;
        fail_at = failing;
        enum ew_status status = open_and_render(&err);
        fail_at = 0;
        /* What fails while a template is tried out changes what it is taken for, not whether it opens. */
        if (status == EW_OK) continue;
        n_said++;
        assert_int_equal(status, EW_ERR_MEMORY);
        assert_non_null(strstr(err.message, "out of memory"));
    }
    assert_true(n_said >= 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failed_allocation_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
