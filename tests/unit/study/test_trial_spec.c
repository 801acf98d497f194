/* The spec of a trial: both directions, and what is refused. */
#include "study/trial_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void there_and_back(void **state) {
    (void)state;
    const struct ew_trial_spec spec = {.model = "/a \"quoted\" pfad/ü.gguf",
                                       .context = 700,
                                       .depth = 100,
                                       .prompt_tokens = 500,
                                       .generate_tokens = 64,
                                       .threads_prefill = 4,
                                       .threads_decode = 3,
                                       .layout = EW_WEIGHTS_PACKED,
                                       .kv_k = EW_KV_Q8_0,
                                       .kv_v = EW_KV_F32,
                                       .n_draft = 15,
                                       .cpu_mask = 0x8000000000000001u,
                                       .seed = 9007199254740993u,
                                       .warmup_limit_ms = 5,
                                       .idle_gap_ms = 6,
                                       .spin_us = EW_SPIN_NONE,
                                       .sample_prompt = "line\nline",
                                       .sample_tokens = 7};
    char *text = NULL;
    void *owner = NULL;
    struct ew_trial_spec got;
    assert_int_equal(ew_trial_spec_write(&spec, &text, NULL), EW_OK);
    assert_null(strchr(text, '\n'));
    assert_int_equal(ew_trial_spec_read(text, strlen(text), &got, &owner, NULL), EW_OK);
    assert_string_equal(got.model, spec.model);
    assert_string_equal(got.sample_prompt, spec.sample_prompt);
    assert_true(got.context == 700 && got.depth == 100 && got.prompt_tokens == 500 && got.generate_tokens == 64);
    assert_true(got.threads_prefill == 4 && got.threads_decode == 3 && got.layout == EW_WEIGHTS_PACKED);
    assert_true(got.kv_k == EW_KV_Q8_0 && got.kv_v == EW_KV_F32 && got.n_draft == 15);
    assert_true(got.spin_us == EW_SPIN_NONE && strstr(text, "\"spin_us\":0"));
    assert_true(got.cpu_mask == spec.cpu_mask && got.seed == spec.seed && got.sample_tokens == 7);
    ew_trial_spec_free(&owner);
    assert_null(owner);
    free(text);
}

static void defaults_and_unknown_members(void **state) {
    (void)state;
    static const char text[] = "{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":8,\"generate_tokens\":2,\"new\":[1]}";
    void *owner = NULL;
    struct ew_trial_spec got;
    assert_int_equal(ew_trial_spec_read(text, strlen(text), &got, &owner, NULL), EW_OK);
    assert_int_equal(got.context, 10);
    assert_null(got.sample_prompt);
    assert_int_equal(got.layout, EW_WEIGHTS_AUTO);
    assert_int_equal(got.spin_us, 0);
    assert_true(got.kv_k == EW_KV_F16 && got.kv_v == EW_KV_F16 && got.n_draft == 0);
    ew_trial_spec_free(&owner);
}

static void mistakes_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *word;
        enum ew_status status;
    } bad[] = {
        {"", "spec: line", EW_ERR_FORMAT},
        {"[1]", "not a JSON object", EW_ERR_FORMAT},
        {"{\"protocol\":1,\"protocol\":1}", "duplicate", EW_ERR_FORMAT},
        {"{}", "protocol: is missing", EW_ERR_FORMAT},
        {"{\"protocol\":2}", "protocol 2 is not known", EW_ERR_UNSUPPORTED},
        {"{\"protocol\":1}", "prompt_tokens: is missing", EW_ERR_FORMAT},
        {"{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":0,\"generate_tokens\":2}", "prompt_tokens: 0 is outside",
         EW_ERR_FORMAT},
        {"{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":99999999999,\"generate_tokens\":2}", "is outside",
         EW_ERR_FORMAT},
        {"{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":1.5,\"generate_tokens\":2}", "not a whole number",
         EW_ERR_FORMAT},
        {"{\"protocol\":1,\"prompt_tokens\":1,\"generate_tokens\":2}", "model: is missing", EW_ERR_FORMAT},
        {"{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":9,\"generate_tokens\":2,\"context\":10}",
         "context: 10 is less than", EW_ERR_FORMAT},
        {"{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":9,\"generate_tokens\":2,\"kv\":\"q4_1\"}", "kv: `q4_1`",
         EW_ERR_FORMAT},
        {"{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":9,\"generate_tokens\":2,\"speculate\":\"16\"}",
         "speculate: `16`", EW_ERR_FORMAT},
        {"{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":9,\"generate_tokens\":2,\"layout\":\"x\"}", "layout: `x`",
         EW_ERR_FORMAT},
        {"{\"protocol\":1,\"model\":\"m\",\"prompt_tokens\":9,\"generate_tokens\":2,\"threads_decode\":-1}",
         "threads_decode: -1", EW_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ew_error err = {0};
        struct ew_trial_spec got;
        void *owner = NULL;
        assert_int_equal(ew_trial_spec_read(bad[i].text, strlen(bad[i].text), &got, &owner, &err), bad[i].status);
        if (!strstr(err.message, bad[i].word)) fail_msg("%s: %s", bad[i].text, err.message);
        assert_null(owner);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(defaults_and_unknown_members),
                                       cmocka_unit_test(mistakes_are_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
