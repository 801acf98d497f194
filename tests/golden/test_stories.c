/* Real trained models write the text that an independent engine wrote: the model in the box against the greedy
 * continuations recorded with it, and TinyStories-656K where the neighbour folder is present. */
#include "edgewise/session.h"
#include "golden_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TOKENS = 256 };

static const char *env_or(const char *name, const char *fallback) {
    const char *value = getenv(name);
    return value ? value : fallback;
}

static struct ew_model *open_model(const char *path) {
    struct ew_model *m = NULL;
    struct ew_error err = {0};
    if (ew_model_open(path, &m, &err) != EW_OK) fail_msg("%s", err.message);
    return m;
}

/* Greedy continuation of a prompt: n ids into out. */
static void continue_greedily(struct ew_model *m, uint32_t threads, uint32_t batch, const int32_t *prompt,
                              size_t n_prompt, int32_t *out, size_t n) {
    struct ew_session_params p = {
        .n_ctx = (uint32_t)(n_prompt + n), .n_batch = batch, .threads_prefill = threads, .threads_decode = threads};
    struct ew_sampler_params greedy = ew_sampler_default_params();
    struct ew_session *s = NULL;
    struct ew_sampler *sampler = NULL;
    struct ew_error err = {0};
    if (ew_session_open(m, &p, &s, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_sampler_open(&greedy, ew_model_info(m).n_vocab, &sampler, &err), EW_OK);
    if (ew_session_prefill(s, prompt, n_prompt, &err) != EW_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        out[i] = ew_sampler_sample(sampler, ew_session_logits(s));
        if (i + 1 < n && ew_session_decode(s, out[i], &err) != EW_OK) fail_msg("%s", err.message);
    }
    ew_sampler_close(&sampler);
    ew_session_close(&s);
}

static void check_box(uint32_t threads, uint32_t batch) {
    char path[4096];
    size_t size;
    const char *source = env_or("EW_SOURCE_DIR", ".");
    snprintf(path, sizeof path, "%s/models/expected.json", source);
    char *json = golden_read(path, &size);
    assert_non_null(json);
    snprintf(path, sizeof path, "%s/models/edgewise-tales-6m-f16.gguf", source);
    struct ew_model *m = open_model(path);
    int cases = 0;
    for (const char *cursor = json;;) {
        int32_t prompt[MAX_TOKENS], expected[MAX_TOKENS], got[MAX_TOKENS];
        size_t n_prompt = golden_ints(&cursor, "prompt_tokens", prompt, MAX_TOKENS);
        if (!cursor) break;
        size_t n = golden_ints(&cursor, "greedy_tokens", expected, MAX_TOKENS);
        assert_true(n > 0);
        continue_greedily(m, threads, batch, prompt, n_prompt, got, n);
        for (size_t i = 0; i < n; i++) assert_int_equal(got[i], expected[i]);
        cases++;
    }
    assert_true(cases >= 3);
    ew_model_close(&m);
    free(json);
}

static void test_box_writes_expected_tokens(void **state) {
    (void)state;
    check_box(2, 512);
}

static void test_box_does_not_depend_on_threads_or_batches(void **state) {
    (void)state;
    check_box(1, 3);
}

static void test_tinystories_q8_writes_expected_text(void **state) {
    (void)state;
    char path[4096];
    const char *shared = env_or("EW_SHARED_DIR", "../shared");
    snprintf(path, sizeof path, "%s/data/models/TinyStories-656K/TinyStories-656K-Q8_0.gguf", shared);
    size_t size;
    char *json = golden_read(path, &size);
    if (!json) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    free(json);
    snprintf(path, sizeof path, "%s/data/models/TinyStories-656K/expected.json", shared);
    json = golden_read(path, &size);
    assert_non_null(json);
    const char *at = strstr(json, "\"greedy_llama_cpp_q8_0\"");
    assert_non_null(at);
    const char *expected = strstr(at, "\"text\": \"");
    assert_non_null(expected);
    expected += strlen("\"text\": \"");

    snprintf(path, sizeof path, "%s/data/models/TinyStories-656K/TinyStories-656K-Q8_0.gguf", shared);
    struct ew_model *m = open_model(path);
    static const char prompt[] = "Once upon a time";
    int32_t ids[64], out[32];
    size_t n_ids;
    assert_int_equal(ew_model_tokenize(m, prompt, strlen(prompt), EW_TOKENIZE_ADD_SPECIAL, ids, 64, &n_ids, NULL),
                     EW_OK);
    continue_greedily(m, 2, 512, ids, n_ids, out, 32);
    char text[2048];
    size_t used = 0;
    for (int i = 0; i < 32; i++) {
        /* The file spells a line break as an escape. */
        char piece[128];
        size_t n = ew_model_token_bytes(m, out[i], false, piece, sizeof piece);
        for (size_t b = 0; b < n; b++) {
            if (piece[b] == '\n')
                used += (size_t)sprintf(text + used, "\\n");
            else
                text[used++] = piece[b];
        }
    }
    text[used] = 0;
    if (strncmp(text, expected, used) != 0) fail_msg("wrote `%s`", text);
    assert_true(used > 100);
    ew_model_close(&m);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_box_writes_expected_tokens),
        cmocka_unit_test(test_box_does_not_depend_on_threads_or_batches),
        cmocka_unit_test(test_tinystories_q8_writes_expected_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
