/* Errors: the text, its prefix, the system's words, cutting of long messages, and a NULL receiver. */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_message_names_object_value_rule(void **state) {
    (void)state;
    struct ew_error err;
    enum ew_status status = ew_error_set(&err, EW_ERR_FORMAT, "tensor %s: type %d is not known", "blk.3.attn_q", 47);
    assert_int_equal(status, EW_ERR_FORMAT);
    assert_int_equal(err.status, EW_ERR_FORMAT);
    assert_string_equal(err.message, "tensor blk.3.attn_q: type 47 is not known");
}

static void a_prefix_keeps_status_and_text(void **state) {
    (void)state;
    struct ew_error err;
    ew_error_set(&err, EW_ERR_SHAPE, "tensor t: 3 rows, 4 expected");
    assert_int_equal(ew_error_prefix(&err, EW_ERR_INTERNAL, "%s", "model.gguf"), EW_ERR_SHAPE);
    assert_string_equal(err.message, "model.gguf: tensor t: 3 rows, 4 expected");
}

static void the_system_adds_its_reason(void **state) {
    (void)state;
    struct ew_error err;
    assert_int_equal(ew_error_errno(&err, EW_ERR_IO, ENOSPC, "%s: cannot write", "demo.db"), EW_ERR_IO);
    assert_string_equal(err.message, "demo.db: cannot write: No space left on device");
}

static void nobody_listening_is_fine(void **state) {
    (void)state;
    assert_int_equal(ew_error_set(NULL, EW_ERR_LIMIT, "x"), EW_ERR_LIMIT);
    assert_int_equal(ew_error_prefix(NULL, EW_ERR_LIMIT, "x"), EW_ERR_LIMIT);
    assert_int_equal(ew_error_errno(NULL, EW_ERR_LIMIT, EIO, "x"), EW_ERR_LIMIT);
}

static void long_messages_are_cut(void **state) {
    (void)state;
    char name[2 * EW_ERROR_MESSAGE_SIZE];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct {
        struct ew_error err;
        char guard[16];
    } box;
    memset(box.guard, 7, sizeof box.guard);
    for (int i = 0; i < 3; i++) {
        if (i == 0) ew_error_set(&box.err, EW_ERR_IO, "%s", name);
        if (i == 1) ew_error_prefix(&box.err, EW_ERR_IO, "%s", name);
        if (i == 2) ew_error_errno(&box.err, EW_ERR_IO, EIO, "%s", name);
        assert_int_equal(strlen(box.err.message), EW_ERROR_MESSAGE_SIZE - 1);
        for (size_t g = 0; g < sizeof box.guard; g++) assert_int_equal(box.guard[g], 7);
    }
}

static void every_status_has_its_own_word(void **state) {
    (void)state;
    for (int a = EW_OK; a <= EW_ERR_INTERNAL; a++) {
        const char *word = ew_status_name((enum ew_status)a);
        assert_string_not_equal(word, "unknown");
        for (int b = EW_OK; b < a; b++) assert_string_not_equal(word, ew_status_name((enum ew_status)b));
    }
    assert_string_equal(ew_status_name((enum ew_status)(EW_ERR_INTERNAL + 1)), "unknown");
    assert_string_equal(ew_status_name((enum ew_status)99), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_names_object_value_rule),
        cmocka_unit_test(a_prefix_keeps_status_and_text),
        cmocka_unit_test(the_system_adds_its_reason),
        cmocka_unit_test(nobody_listening_is_fine),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(every_status_has_its_own_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
