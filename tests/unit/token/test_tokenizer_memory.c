/* The predicted size against what is allocated, and every allocation failing in turn. The linker hands the calls of
 * malloc and calloc here (--wrap); those inside shared libraries stay out. */
#include "token_fixture.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static size_t n_calls, counted_bytes, fail_at; /* fail_at: which call, from 1; 0: none */

static bool fails(size_t bytes) {
    counted_bytes += bytes;
    return ++n_calls == fail_at;
}
void *__wrap_malloc(size_t size) { return fails(size) ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t n, size_t size) { return fails(n * size) ? NULL : __real_calloc(n, size); }

static void count_from(size_t failing) {
    n_calls = counted_bytes = 0;
    fail_at = failing;
}

static void check_prediction(struct opened *o, size_t n_stages) {
    o->gguf = NULL;
    o->tokenizer = NULL;
    assert_int_equal(ew_gguf_open_memory("made-up.gguf", o->fixture.data, o->fixture.size, &o->gguf, NULL), EW_OK);
    const uint64_t predicted = ew_tokenizer_predict_bytes(o->gguf);
    count_from(0);
    assert_int_equal(ew_tokenizer_open(o->gguf, &o->tokenizer, NULL), EW_OK);
    assert_int_equal(n_calls, 1);
    assert_int_equal(counted_bytes + n_stages * 8192, predicted);
    close_opened(o);
}

static void prediction_is_exact(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    check_prediction(&o, 0);
    build_bpe(&o.fixture, "starcoder"); /* two patterns */
    check_prediction(&o, 2);
}

static void failing_allocations_are_reported(void **state) {
    (void)state;
    for (int bpe = 0; bpe < 2; bpe++) {
        struct opened o;
        if (bpe)
            build_bpe(&o.fixture, "llama-bpe");
        else
            build_spm(&o.fixture);
        count_from(0);
        open_built(&o);
        struct ew_tokenizer *none = NULL;
        struct ew_error err;
        count_from(1);
        assert_int_equal(ew_tokenizer_open(o.gguf, &none, &err), EW_ERR_MEMORY);
        assert_null(none);
        enum ew_status status;
        size_t n = 99, failing = 0;
        do {
            count_from(++failing);
            status = ew_tokenizer_encode(o.tokenizer, "ab abab hello", 13, 0, (int32_t[16]){0}, 16, &n, &err);
            assert_true(status == EW_OK || status == EW_ERR_MEMORY);
            assert_true(status == EW_OK || n == 99);
        } while (status);
        assert_true(failing > 2); /* the symbols and the heap at least */
        count_from(0);
        close_opened(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prediction_is_exact),
        cmocka_unit_test(failing_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
