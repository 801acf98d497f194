/* The number of threads changes who computes what, never what comes out: logits are equal to the bit with 1, 2, 3 and 5
 * threads, for a prompt and for the tokens after it, with every architecture of tests/golden/conformance. */
#include "edgewise/session.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_PROMPT = 21, N_AFTER = 9, N_ALL = N_PROMPT + N_AFTER };

static struct ew_model *open_model(const char *path) {
    struct ew_model *model = NULL;
    struct ew_error err = {0};
    if (ew_model_open(path, &model, &err) != EW_OK) fail_msg("%s", err.message);
    return model;
}

/* rows: [1 + N_AFTER][n_vocab], after the prompt and after each of the tokens behind it. */
static void run(struct ew_model *model, uint32_t threads, enum ew_weights_layout layout, uint32_t spin_us,
                const int32_t *ids, float *rows) {
    const size_t n_vocab = ew_model_info(model).n_vocab;
    struct ew_session_params p = {
        .n_ctx = 64, .threads_prefill = threads, .threads_decode = threads, .layout = layout, .spin_us = spin_us};
    struct ew_session *s = NULL;
    struct ew_error err = {0};
    if (ew_session_open(model, &p, &s, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_session_prefill(s, ids, N_PROMPT, &err), EW_OK);
    memcpy(rows, ew_session_logits(s), n_vocab * sizeof *rows);
    for (size_t i = 0; i < N_AFTER; i++) {
        assert_int_equal(ew_session_decode(s, ids[N_PROMPT + i], &err), EW_OK);
        memcpy(rows + (i + 1) * n_vocab, ew_session_logits(s), n_vocab * sizeof *rows);
    }
    ew_session_close(&s);
}

static void compare(const char *path, enum ew_weights_layout layout) {
    static const uint32_t threads[] = {2, 3, 5};
    struct ew_model *model = open_model(path);
    const size_t n_vocab = ew_model_info(model).n_vocab, n = (1 + N_AFTER) * n_vocab;
    float *one = calloc(n, sizeof *one), *many = calloc(n, sizeof *many);
    int32_t ids[N_ALL];
    assert_non_null(one);
    assert_non_null(many);
    for (size_t i = 0; i < N_ALL; i++) ids[i] = (int32_t)((i * 97 + 13) % n_vocab);
    run(model, 1, layout, 0, ids, one);
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        memset(many, 0, n * sizeof *many);
        run(model, threads[t], layout, t % 2 ? EW_SPIN_NONE : 0, ids, many);
        for (size_t row = 0; row <= N_AFTER; row++)
            if (memcmp(one + row * n_vocab, many + row * n_vocab, n_vocab * sizeof *one) != 0)
                fail_msg("%s: %u threads: row %zu differs", path, threads[t], row);
    }
    free(one);
    free(many);
    ew_model_close(&model);
}

static const char *source_folder(void) {
    const char *source = getenv("EW_SOURCE_DIR");
    return source ? source : ".";
}

static void every_architecture(void **state) {
    (void)state;
    char folder[1024], path[2048];
    size_t n = 0;
    snprintf(folder, sizeof folder, "%s/tests/golden/conformance", source_folder());
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        size_t length = strlen(e->d_name);
        if (length < 5 || strcmp(e->d_name + length - 5, ".gguf") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        compare(path, EW_WEIGHTS_AUTO);
        compare(path, EW_WEIGHTS_MAPPED);
        n++;
    }
    closedir(dir);
    assert_true(n >= 10);
}

/* Wide enough for many chunks: 4096 tokens, 256 and 768 columns. */
static void the_model_in_the_box(void **state) {
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/models/edgewise-tales-6m-f16.gguf", source_folder());
    compare(path, EW_WEIGHTS_AUTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_architecture),
        cmocka_unit_test(the_model_in_the_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
