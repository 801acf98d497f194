/* Which tokens of a text are scored: counted by hand, and by marking every token. */
#include "quality/text_windows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* How often each token of the text is scored. */
static void mark(const struct ew_text_windows *w, size_t n_tokens, unsigned *times) {
    memset(times, 0, n_tokens * sizeof *times);
    for (size_t i = 0; i < ew_text_windows_count(w, n_tokens); i++) {
        struct ew_text_window at = ew_text_windows_at(w, i);
        assert_true(at.begin + w->n_ctx <= n_tokens);
        for (uint32_t t = at.first + 1; t < w->n_ctx; t++) times[at.begin + t]++;
    }
}

static void test_side_by_side_scores_second_halves(void **state) {
    (void)state;
    const struct ew_text_windows w = {.n_ctx = 8};
    unsigned times[20];
    mark(&w, 20, times);
    assert_int_equal(ew_text_windows_count(&w, 20), 2);
    assert_int_equal(ew_text_windows_count(&w, 7), 0);
    for (size_t i = 0; i < 20; i++) assert_int_equal(times[i], (i >= 5 && i < 8) || (i >= 13 && i < 16));
}

/* 655 windows of wiki.test.raw with the vocabulary of Llama 2 (335,688 tokens) is what llama.cpp's own page shows for
 * windows of 512, 255 tokens of each scored. */
static void test_counts_as_published(void **state) {
    (void)state;
    const struct ew_text_windows w = {.n_ctx = 512};
    assert_int_equal(ew_text_windows_count(&w, 335688), 655);
    struct ew_text_window last = ew_text_windows_at(&w, 654);
    assert_int_equal(last.begin, 654 * 512);
    assert_int_equal(w.n_ctx - 1 - last.first, 255);
}

static void test_strides_score_every_token_once(void **state) {
    (void)state;
    unsigned times[64];
    for (uint32_t n_ctx = 4; n_ctx <= 16; n_ctx++) {
        for (uint32_t stride = 1; stride < n_ctx; stride++) {
            const struct ew_text_windows w = {n_ctx, stride};
            mark(&w, 64, times);
            size_t count = ew_text_windows_count(&w, 64), end = (count - 1) * stride + n_ctx;
            assert_true(64 - end < stride);
            assert_int_equal(times[0], 0);
            for (size_t i = 1; i < 64; i++) assert_int_equal(times[i], i < end);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_side_by_side_scores_second_halves),
                                       cmocka_unit_test(test_counts_as_published),
                                       cmocka_unit_test(test_strides_score_every_token_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
