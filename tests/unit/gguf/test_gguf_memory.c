/* Reader and writer when memory runs out: every allocation fails once, in turn, and each time the answer is MEMORY and
 * nothing leaks (the sanitizer build checks that). Linked with --wrap for the allocating functions. */
#include "gguf/gguf_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static long calls_until_failure = -1; /* below 0: no failure */

static bool fails_now(void) { return calls_until_failure >= 0 && calls_until_failure-- == 0; }

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_calloc(size_t n, size_t size) { return fails_now() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t size) { return fails_now() ? NULL : __real_realloc(p, size); }
char *__wrap_strdup(const char *s) { return fails_now() ? NULL : __real_strdup(s); }

static void the_reader_survives_every_failed_allocation(void **state) {
    (void)state;
    char path[4096];
    long n = 0;
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/gguf/sound-v3.gguf", getenv("EW_SOURCE_DIR"));
    for (;; n++) {
        struct ew_gguf *gguf = NULL;
        struct ew_error err = {0};
        calls_until_failure = n;
        enum ew_status status = ew_gguf_open(path, &gguf, &err);
        bool failed = calls_until_failure < 0;
        calls_until_failure = -1;
        ew_gguf_close(&gguf);
        if (!failed) {
            assert_int_equal(status, EW_OK);
            break;
        }
        assert_int_equal(status, EW_ERR_MEMORY);
        assert_non_null(strstr(err.message, "sound-v3.gguf: no memory"));
    }
    assert_int_equal(n, 6); /* the file, its name, four tables */
}

static enum ew_status write_small(struct ew_error *err) {
    struct ew_gguf_writer *w = NULL;
    enum ew_status status = ew_gguf_writer_open(&w, err);
    if (status != EW_OK) return status;
    ew_gguf_put_string(w, "general.architecture", "llama");
    ew_gguf_put_strings(w, "strings", 1);
    ew_gguf_put_element(w, "a long enough element that the buffer has to grow once more", 59);
    for (int i = 0; i < 3 && status == EW_OK; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", i);
        status = ew_gguf_writer_add_tensor(w, name, EW_TYPE_F32, 1, (uint64_t[]){8}, err);
    }
    /* A missing folder: everything but the file is tried. */
    if (status == EW_OK) status = ew_gguf_writer_begin(w, "/nonexistent/x.gguf", err);
    ew_gguf_writer_close(&w);
    return status;
}

static void the_writer_survives_every_failed_allocation(void **state) {
    (void)state;
    long n = 0;
    for (;; n++) {
        struct ew_error err = {0};
        calls_until_failure = n;
        enum ew_status status = write_small(&err);
        bool failed = calls_until_failure < 0;
        calls_until_failure = -1;
        if (!failed) {
            assert_int_equal(status, EW_ERR_NOT_FOUND);
            break;
        }
        assert_int_equal(status, EW_ERR_MEMORY);
    }
    assert_true(n >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reader_survives_every_failed_allocation),
        cmocka_unit_test(the_writer_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
