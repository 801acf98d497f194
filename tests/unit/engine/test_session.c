/* Sessions keep their promises: positions, limits, refusals, and the same logits however a prompt is cut. */
#include "edgewise/session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ew_model *model;

static int open_box(void **state) {
    (void)state;
    char path[4096];
    const char *source = getenv("EW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/models/edgewise-tales-6m-f16.gguf", source ? source : ".");
    struct ew_error err = {0};
    if (ew_model_open(path, &model, &err) == EW_OK) return 0;
    print_error("%s\n", err.message);
    return 1;
}

static int close_box(void **state) {
    (void)state;
    ew_model_close(&model);
    assert_null(model);
    ew_model_close(&model); /* closing twice is fine */
    return 0;
}

static struct ew_session *open_session(struct ew_session_params p) {
    struct ew_session *s = NULL;
    struct ew_error err = {0};
    if (ew_session_open(model, &p, &s, &err) != EW_OK) fail_msg("%s", err.message);
    return s;
}

static void test_model_describes_itself(void **state) {
    (void)state;
    struct ew_model_info i = ew_model_info(model); /* facts of models/README.md */
    assert_string_equal(i.architecture, "llama");
    assert_string_equal(i.file_type, "F16");
    assert_false(i.synthetic);
    assert_int_equal(i.n_params, 5770496);
    assert_int_equal(i.n_layer, 6);
    assert_int_equal(i.n_embd, 256);
    assert_int_equal(i.n_head, 4);
    assert_int_equal(i.n_head_kv, 2);
    assert_int_equal(i.head_dim, 64);
    assert_int_equal(i.n_ff, 768);
    assert_int_equal(i.n_vocab, 4096);
    assert_int_equal(i.n_ctx_train, 256);
}

static void test_defaults_are_resolved(void **state) {
    (void)state;
    struct ew_session *s = open_session(ew_session_default_params());
    struct ew_session_params p = ew_session_params_of(s);
    assert_int_equal(p.n_ctx, 256);   /* trained context, below 4096 */
    assert_int_equal(p.n_batch, 256); /* 512 cut to the context */
    assert_true(p.threads_prefill >= 1 && p.threads_decode >= 1);
    assert_null(ew_session_logits(s));
    assert_true(strlen(ew_session_kernels(s)) > 0);
    ew_session_close(&s);
    assert_null(s);
}

static void test_context_limit_does_nothing(void **state) {
    (void)state;
    struct ew_session *s =
        open_session((struct ew_session_params){.n_ctx = 8, .threads_prefill = 1, .threads_decode = 1});
    int32_t ids[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct ew_error err;
    assert_int_equal(ew_session_prefill(s, ids, 9, &err), EW_ERR_LIMIT);
    assert_string_equal(err.message, "context: 9 tokens after 0 do not fit its 8");
    assert_int_equal(ew_session_n_past(s), 0);
    assert_int_equal(ew_session_prefill(s, ids, 7, &err), EW_OK);
    assert_int_equal(ew_session_decode(s, 1, &err), EW_OK);
    assert_int_equal(ew_session_n_past(s), 8);
    assert_int_equal(ew_session_decode(s, 1, &err), EW_ERR_LIMIT);
    ew_session_reset(s);
    assert_int_equal(ew_session_n_past(s), 0);
    assert_null(ew_session_logits(s));
    assert_int_equal(ew_session_decode(s, 1, &err), EW_OK);
    ew_session_close(&s);
}

/* After a rewind the context is as if only the kept tokens had been there. */
static void test_rewind_forgets_the_rest(void **state) {
    (void)state;
    enum { N = 24, KEPT = 10 };
    struct ew_session_params p = {.n_ctx = 64, .threads_prefill = 1, .threads_decode = 1};
    struct ew_session *s = open_session(p), *fresh = open_session(p);
    struct ew_error err;
    int32_t ids[N], other[N];
    for (int i = 0; i < N; i++) ids[i] = other[i] = (i * 97 + 13) % 4096;
    for (int i = KEPT; i < N; i++) other[i] = (i * 31 + 5) % 4096;
    assert_int_equal(ew_session_prefill(s, ids, N, NULL), EW_OK);
    assert_int_equal(ew_session_rewind(s, N + 1, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "context: cannot keep 25 tokens of 24");
    assert_non_null(ew_session_logits(s));
    assert_int_equal(ew_session_rewind(s, KEPT, &err), EW_OK);
    assert_int_equal(ew_session_n_past(s), KEPT);
    assert_null(ew_session_logits(s));
    assert_int_equal(ew_session_prefill(s, other + KEPT, N - KEPT, NULL), EW_OK);
    assert_int_equal(ew_session_prefill(fresh, other, KEPT, NULL), EW_OK);
    assert_int_equal(ew_session_prefill(fresh, other + KEPT, N - KEPT, NULL), EW_OK);
    assert_memory_equal(ew_session_logits(s), ew_session_logits(fresh), 4096 * sizeof(float));
    ew_session_close(&s);
    ew_session_close(&fresh);
}

static void test_foreign_ids_are_refused(void **state) {
    (void)state;
    struct ew_session *s =
        open_session((struct ew_session_params){.n_ctx = 8, .threads_prefill = 1, .threads_decode = 1});
    struct ew_error err;
    int32_t ids[2] = {1, 4096};
    assert_int_equal(ew_session_prefill(s, ids, 2, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "token 1: id 4096 is outside the vocabulary (0–4095)");
    assert_int_equal(ew_session_decode(s, -1, NULL), EW_ERR_ARGUMENT);
    assert_int_equal(ew_session_prefill(s, ids, 0, &err), EW_ERR_ARGUMENT);
    ew_session_close(&s);
}

static void test_senseless_parameters_are_refused(void **state) {
    (void)state;
    struct ew_session *s = NULL;
    struct ew_error err;
    struct ew_session_params p = {.threads_decode = 100000};
    assert_int_equal(ew_session_open(model, &p, &s, &err), EW_ERR_ARGUMENT);
    p = (struct ew_session_params){.n_ctx = 1u << 30};
    assert_int_equal(ew_session_open(model, &p, &s, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "context: 1073741824 is more than 16777216");
    assert_null(s);
}

/* A prompt in one piece, in pieces, and token by token ends in the same distribution. */
static void test_cutting_a_prompt_changes_nothing(void **state) {
    (void)state;
    enum { N = 75 };
    int32_t ids[N];
    for (int i = 0; i < N; i++) ids[i] = (i * 97 + 13) % 4096;
    uint32_t n_vocab = ew_model_info(model).n_vocab;
    float *whole = malloc(n_vocab * sizeof *whole);
    static const uint32_t batches[] = {512, 1, 7, 64};
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        struct ew_session *s = open_session(
            (struct ew_session_params){.n_ctx = N, .n_batch = batches[b], .threads_prefill = 2, .threads_decode = 2});
        assert_int_equal(ew_session_prefill(s, ids, 40, NULL), EW_OK);
        assert_int_equal(ew_session_prefill(s, ids + 40, N - 40, NULL), EW_OK);
        const float *l = ew_session_logits(s);
        if (b == 0) memcpy(whole, l, n_vocab * sizeof *whole);
        double diff = 0, sum = 0;
        for (uint32_t i = 0; i < n_vocab; i++) {
            diff += (l[i] - whole[i]) * (double)(l[i] - whole[i]);
            sum += whole[i] * (double)whole[i];
        }
        assert_true(sum > 0 && diff / sum < 1e-6);
        ew_session_close(&s);
    }
    free(whole);
}

static void test_prediction_names_every_part(void **state) {
    (void)state;
    struct ew_session_params p = {.n_ctx = 256, .threads_prefill = 1, .threads_decode = 1, .layout = EW_WEIGHTS_MAPPED};
    struct ew_memory_ledger l;
    assert_int_equal(ew_session_predict_memory(model, &p, &l, NULL), EW_OK);
    assert_int_equal(l.kv_cache, 6 * 2 * 2 * 256 * 64 * 2); /* layers × K, V × heads × positions × width × f16 */
    /* All matrices stay mapped; only the 13 norm vectors are copied. Parameters minus norms, two bytes each. */
    assert_int_equal(l.weights_mapped, (5770496 - 13 * 256) * 2);
    assert_int_equal(l.total, l.weights_mapped + l.weights_packed + l.kv_cache + l.activations + l.scratch +
                                  l.tokenizer + l.runtime);
    struct ew_memory_ledger twice;
    p.n_ctx = 512;
    assert_int_equal(ew_session_predict_memory(model, &p, &twice, NULL), EW_OK);
    assert_int_equal(twice.kv_cache, 2 * l.kv_cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_describes_itself),
        cmocka_unit_test(test_defaults_are_resolved),
        cmocka_unit_test(test_context_limit_does_nothing),
        cmocka_unit_test(test_rewind_forgets_the_rest),
        cmocka_unit_test(test_foreign_ids_are_refused),
        cmocka_unit_test(test_senseless_parameters_are_refused),
        cmocka_unit_test(test_cutting_a_prompt_changes_nothing),
        cmocka_unit_test(test_prediction_names_every_part),
    };
    return cmocka_run_group_tests(tests, open_box, close_box);
}
