/* Speculation changes no token: the same text and, after every token, the same bits of logits as a session without it,
 * whatever is drafted, taken, refused, forgotten or cut short. Models: the one in the box with the plain kernels, which
 * take any number of tokens, and small ones of tests/golden/conformance with the fastest. */
#include "edgewise/speculation.h"
#include "machine/cpu_features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 96 };

static struct ew_model *open_model(const char *name) {
    char path[4096];
    const char *source = getenv("EW_SOURCE_DIR");
    struct ew_model *m = NULL;
    struct ew_error err = {0};
    snprintf(path, sizeof path, "%s/%s", source ? source : ".", name);
    if (ew_model_open(path, &m, &err) != EW_OK) fail_msg("%s", err.message);
    return m;
}

static struct ew_session *open_session(struct ew_model *m, struct ew_session_params p) {
    struct ew_session *s = NULL;
    struct ew_error err = {0};
    if (ew_session_open(m, &p, &s, &err) != EW_OK) fail_msg("%s", err.message);
    return s;
}

/* The fastest kernels that take several tokens of the model's types at once. */
static uint64_t kernels_for(struct ew_model *m) {
    struct ew_session *s = open_session(m, (struct ew_session_params){.n_ctx = 16, .n_draft = EW_DRAFT_AUTO});
    uint32_t most = ew_session_speculation(s).most;
    ew_session_close(&s);
    return most > 0 ? 0 : EW_CPU_MASK_NONE;
}

static const char BOX[] = "models/edgewise-tales-6m-f16.gguf";
static const char TINY[] = "tests/golden/conformance/llama3-64-q4_0.gguf";

/* ---- the same text ---- */

struct text {
    int32_t ids[MOST];
    struct ew_speculation figures;
};

static struct text write_text(struct ew_model *m, struct ew_session_params p, float temperature, const int32_t *prompt,
                              size_t n_prompt, size_t n) {
    struct text text = {0};
    struct ew_sampler_params sampling = ew_sampler_default_params();
    sampling.temperature = temperature;
    sampling.top_k = 12;
    sampling.repeat_penalty = 1.05f;
    sampling.seed = 9;
    struct ew_session *s = open_session(m, p);
    struct ew_sampler *sampler = NULL;
    assert_int_equal(ew_sampler_open(&sampling, ew_model_info(m).n_vocab, &sampler, NULL), EW_OK);
    assert_int_equal(ew_session_prefill(s, prompt, n_prompt, NULL), EW_OK);
    for (size_t i = 0; i < n_prompt; i++) ew_sampler_accept(sampler, prompt[i]);
    for (size_t i = 0; i < n; i++) {
        text.ids[i] = ew_sampler_sample(sampler, ew_session_logits(s));
        if (i + 1 < n) assert_int_equal(ew_session_decode(s, text.ids[i], NULL), EW_OK);
        assert_int_equal(ew_session_n_past(s), n_prompt + i + (i + 1 < n));
    }
    text.figures = ew_session_speculation(s);
    ew_sampler_close(&sampler);
    ew_session_close(&s);
    return text;
}

/* Tokens drafted over the texts that were compared, and those taken. */
struct sums {
    uint64_t drafted, accepted;
};

static void compare_texts(struct ew_model *m, struct ew_session_params p, const int32_t *prompt, size_t n_prompt,
                          size_t n, struct sums *sums) {
    static const uint32_t n_drafts[] = {1, 3, 15, EW_DRAFT_AUTO};
    static const float temperatures[] = {0, 0.8f};
    for (int t = 0; t < 2; t++) {
        p.n_draft = 0;
        struct text want = write_text(m, p, temperatures[t], prompt, n_prompt, n);
        assert_int_equal(want.figures.most, 0);
        assert_int_equal(want.figures.passes, 0);
        for (int d = 0; d < 4; d++) {
            p.n_draft = n_drafts[d];
            struct text got = write_text(m, p, temperatures[t], prompt, n_prompt, n);
            assert_memory_equal(got.ids, want.ids, n * sizeof *want.ids);
            assert_true(got.figures.most >= 1 && got.figures.most <= n_drafts[d]);
            assert_true(got.figures.accepted <= got.figures.drafted);
            assert_true(got.figures.passes <= got.figures.drafted);
            sums->drafted += got.figures.drafted;
            sums->accepted += got.figures.accepted;
        }
    }
}

static void repeat(const int32_t *ids, size_t n, int32_t *out, size_t n_out) {
    for (size_t i = 0; i < n_out; i++) out[i] = ids[i % n];
}

static void test_real_text_stays_the_same(void **state) {
    (void)state;
    struct ew_model *m = open_model(BOX);
    struct ew_session_params p = {.n_ctx = 80, .threads_prefill = 2, .threads_decode = 2, .cpu_mask = EW_CPU_MASK_NONE};
    static const int32_t phrase[] = {1, 3110, 636, 261, 612, 300, 417};
    int32_t prompt[28];
    struct sums sums = {0};
    repeat(phrase, 7, prompt, 28);
    compare_texts(m, p, prompt, 28, 24, &sums);
    assert_true(sums.accepted > 0 && sums.accepted < sums.drafted);
    ew_model_close(&m);
}

static void test_every_kind_of_text_stays_the_same(void **state) {
    (void)state;
    struct ew_model *m = open_model(TINY);
    int32_t prompt[32], phrase[] = {5, 9, 301, 77, 12};
    uint32_t n_vocab = ew_model_info(m).n_vocab;
    struct sums repeated = {0}, mixed = {0};
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        struct ew_session_params p = {
            .n_ctx = 128, .threads_prefill = 1, .threads_decode = threads, .cpu_mask = kernels_for(m)};
        repeat(phrase, 5, prompt, 32);
        compare_texts(m, p, prompt, 32, MOST, &repeated);
        for (uint32_t i = 0; i < 32; i++) prompt[i] = (int32_t)((i * 2654435761u >> 7) % n_vocab);
        compare_texts(m, p, prompt, 32, MOST, &mixed);
    }
    print_message("accepted: %llu of %llu after repetitions, %llu of %llu after a mixture\n",
                  (unsigned long long)repeated.accepted, (unsigned long long)repeated.drafted,
                  (unsigned long long)mixed.accepted, (unsigned long long)mixed.drafted);
    assert_true(repeated.accepted > 0 && repeated.accepted < repeated.drafted);
    ew_model_close(&m);
}

/* ---- the same context ---- */

/* A copy of the first tokens, drafted and true, until a token that no draft has. */
static const int32_t copied[] = {3, 4, 5, 6, 7, 8, 3, 4, 5, 6, 9, 10, 3, 4, 5, 6};
enum { N_COPIED = sizeof copied / sizeof *copied };

static void expect_same(struct ew_session *got, struct ew_session *want, uint32_t n_vocab) {
    assert_int_equal(ew_session_n_past(got), ew_session_n_past(want));
    assert_memory_equal(ew_session_logits(got), ew_session_logits(want), n_vocab * sizeof(float));
}

/* Decodes copied[6 … end) in both, after the first six as a prompt. */
static void decode_copied(struct ew_session *s, struct ew_session *plain, int end, uint32_t n_vocab) {
    ew_session_reset(s);
    ew_session_reset(plain);
    assert_int_equal(ew_session_prefill(s, copied, 6, NULL), EW_OK);
    assert_int_equal(ew_session_prefill(plain, copied, 6, NULL), EW_OK);
    for (int i = 6; i < end; i++) {
        assert_int_equal(ew_session_decode(s, copied[i], NULL), EW_OK);
        assert_int_equal(ew_session_decode(plain, copied[i], NULL), EW_OK);
        expect_same(s, plain, n_vocab);
    }
}

/* Stopping anywhere, also among drafted tokens that were evaluated but not taken, leaves the context as it would be. */
static void test_drafts_that_were_not_taken_leave_nothing(void **state) {
    (void)state;
    struct ew_model *m = open_model(TINY);
    uint32_t n_vocab = ew_model_info(m).n_vocab;
    struct ew_session_params p = {
        .n_ctx = 40, .threads_prefill = 1, .threads_decode = 2, .cpu_mask = kernels_for(m), .n_draft = 3};
    struct ew_session *s = open_session(m, p);
    p.n_draft = 0;
    struct ew_session *plain = open_session(m, p);
    struct ew_error err;
    static const int32_t other[] = {20, 21, 22, 5, 6, 7};
    for (int end = 7; end <= N_COPIED; end++) {
        decode_copied(s, plain, end, n_vocab);
        uint32_t kept = (uint32_t)end - 2;
        for (int i = 0; i < 2; i++) {
            struct ew_session *both[] = {s, plain};
            assert_int_equal(ew_session_prefill(both[i], other, 3, NULL), EW_OK); /* after what was not taken */
            assert_int_equal(ew_session_rewind(both[i], kept, NULL), EW_OK);
            assert_null(ew_session_logits(both[i]));
            assert_int_equal(ew_session_decode(both[i], other[3], NULL), EW_OK);
        }
        expect_same(s, plain, n_vocab);
        assert_int_equal(ew_session_rewind(s, 99, &err), EW_ERR_ARGUMENT);
    }
    struct ew_speculation figures = ew_session_speculation(s);
    assert_true(figures.accepted > 0 && figures.drafted > figures.accepted);
    ew_session_close(&s);
    ew_session_close(&plain);
    ew_model_close(&m);
}

/* Far behind, where attention may split positions among threads: to the bit all the same. */
static void test_long_context(void **state) {
    (void)state;
    enum { PROMPT = 1100, DECODED = 60, PERIOD = 50 };
    struct ew_model *m = open_model(TINY);
    uint32_t n_vocab = ew_model_info(m).n_vocab;
    int32_t phrase[PERIOD], ids[PROMPT + DECODED];
    for (uint32_t i = 0; i < PERIOD; i++) phrase[i] = (int32_t)((i * 2654435761u >> 9) % n_vocab);
    repeat(phrase, PERIOD, ids, PROMPT + DECODED);
    struct ew_session_params p = {.n_ctx = PROMPT + DECODED, .threads_prefill = 2, .threads_decode = 2, .n_draft = 15};
    p.cpu_mask = kernels_for(m);
    struct ew_session *s = open_session(m, p);
    p.n_draft = 0;
    struct ew_session *plain = open_session(m, p);
    assert_int_equal(ew_session_prefill(s, ids, PROMPT, NULL), EW_OK);
    assert_int_equal(ew_session_prefill(plain, ids, PROMPT, NULL), EW_OK);
    for (uint32_t i = PROMPT; i < PROMPT + DECODED; i++) {
        int32_t id = i % 7 == 0 ? 3 : ids[i];
        assert_int_equal(ew_session_decode(s, id, NULL), EW_OK);
        assert_int_equal(ew_session_decode(plain, id, NULL), EW_OK);
        expect_same(s, plain, n_vocab);
    }
    struct ew_speculation figures = ew_session_speculation(s);
    assert_true(figures.accepted > 0 && figures.accepted < figures.drafted);
    ew_session_close(&s);
    ew_session_close(&plain);
    ew_model_close(&m);
}

/* Drafts end where the context does, and the next token is refused as ever. */
static void test_full_context(void **state) {
    (void)state;
    struct ew_model *m = open_model(TINY);
    struct ew_error err;
    for (uint32_t n_ctx = 10; n_ctx < 16; n_ctx++) {
        struct ew_session_params p = {.n_ctx = n_ctx, .threads_decode = 1, .cpu_mask = kernels_for(m), .n_draft = 3};
        struct ew_session *s = open_session(m, p);
        assert_int_equal(ew_session_prefill(s, copied, 6, NULL), EW_OK);
        for (uint32_t i = 6; i < n_ctx; i++) assert_int_equal(ew_session_decode(s, copied[i % 6], NULL), EW_OK);
        assert_int_equal(ew_session_n_past(s), n_ctx);
        assert_true(ew_session_speculation(s).accepted > 0);
        assert_int_equal(ew_session_decode(s, 1, &err), EW_ERR_LIMIT);
        assert_int_equal(ew_session_n_past(s), n_ctx);
        ew_session_close(&s);
    }
    ew_model_close(&m);
}

/* The context is shifted behind the session's back of the index, which must follow. */
static void test_shifted_context(void **state) {
    (void)state;
    struct ew_model *m = open_model(TINY);
    uint32_t n_vocab = ew_model_info(m).n_vocab;
    struct ew_session_params p = {
        .n_ctx = N_COPIED, .threads_prefill = 1, .threads_decode = 1, .cpu_mask = kernels_for(m), .n_draft = 3};
    struct ew_session *s = open_session(m, p);
    p.n_draft = 0;
    struct ew_session *plain = open_session(m, p);
    decode_copied(s, plain, N_COPIED, n_vocab);
    assert_int_equal(ew_session_shift(s, copied, 1, 8, NULL), EW_OK);
    assert_int_equal(ew_session_shift(plain, copied, 1, 8, NULL), EW_OK);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ew_session_decode(s, copied[i], NULL), EW_OK);
        assert_int_equal(ew_session_decode(plain, copied[i], NULL), EW_OK);
        expect_same(s, plain, n_vocab);
    }
    ew_session_close(&s);
    ew_session_close(&plain);
    ew_model_close(&m);
}

/* ---- where it cannot be ---- */

static void test_convolutions_are_refused(void **state) {
    (void)state;
    struct ew_model *m = open_model("tests/golden/conformance/lfm2-64-q4_0.gguf");
    struct ew_session *s = NULL;
    struct ew_error err = {0};
    struct ew_session_params p = {.n_ctx = 16, .n_draft = 2};
    assert_int_equal(ew_session_open(m, &p, &s, &err), EW_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "speculation: the state of the model's convolutions cannot go back");
    assert_null(s);
    p.n_draft = EW_DRAFT_AUTO;
    s = open_session(m, p);
    struct ew_speculation figures = ew_session_speculation(s);
    assert_int_equal(figures.most, 0);
    assert_non_null(strstr(figures.off, "convolutions"));
    for (int i = 0; i < 12; i++) assert_int_equal(ew_session_decode(s, 7, NULL), EW_OK);
    assert_int_equal(ew_session_speculation(s).drafted, 0);
    ew_session_close(&s);
    ew_model_close(&m);
}

static void test_wrong_parameters(void **state) {
    (void)state;
    struct ew_model *m = open_model(TINY);
    struct ew_session *s = NULL;
    struct ew_error err = {0};
    struct ew_session_params p = {.n_ctx = 16, .n_draft = 16};
    assert_int_equal(ew_session_open(m, &p, &s, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "drafted tokens: 16 are more than 15");
    p = (struct ew_session_params){.n_ctx = 16, .n_batch = 1, .n_draft = 2};
    assert_int_equal(ew_session_open(m, &p, &s, &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "a batch of one token leaves no room for drafts"));
    ew_model_close(&m);
}

/* Rows of logits for the drafted tokens, and the index: both are in the prediction. */
static void test_memory_is_predicted(void **state) {
    (void)state;
    struct ew_model *m = open_model(TINY);
    struct ew_session_params p = {.n_ctx = 256, .threads_prefill = 1, .threads_decode = 1, .cpu_mask = kernels_for(m)};
    struct ew_memory_ledger without, with;
    assert_int_equal(ew_session_predict_memory(m, &p, &without, NULL), EW_OK);
    p.n_draft = 2;
    assert_int_equal(ew_session_predict_memory(m, &p, &with, NULL), EW_OK);
    uint64_t rows = 2 * (uint64_t)ew_model_info(m).n_vocab * sizeof(float), index = 256 * 8 + 256 * 4;
    uint64_t more = with.activations - without.activations;
    assert_true(more > rows + index && more < rows + index + 2048);
    assert_int_equal(with.total - without.total, more);
    ew_model_close(&m);
}

static void test_words(void **state) {
    (void)state;
    static const struct {
        const char *word;
        uint32_t n;
    } good[] = {{"off", 0}, {"auto", EW_DRAFT_AUTO}, {"1", 1}, {"15", 15}};
    char text[8];
    uint32_t n;
    for (int i = 0; i < 4; i++) {
        n = 77;
        assert_true(ew_draft_parse(good[i].word, &n));
        assert_int_equal(n, good[i].n);
        ew_draft_print(n, text, sizeof text);
        assert_string_equal(text, good[i].word);
    }
    static const char *const bad[] = {"", "0", "16", "-1", "+2", " 3", "4x", "on", "99999999999999999999"};
    n = 77;
    for (int i = 0; i < 9; i++) assert_false(ew_draft_parse(bad[i], &n));
    assert_int_equal(n, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_text_stays_the_same),
        cmocka_unit_test(test_every_kind_of_text_stays_the_same),
        cmocka_unit_test(test_drafts_that_were_not_taken_leave_nothing),
        cmocka_unit_test(test_long_context),
        cmocka_unit_test(test_full_context),
        cmocka_unit_test(test_shifted_context),
        cmocka_unit_test(test_convolutions_are_refused),
        cmocka_unit_test(test_wrong_parameters),
        cmocka_unit_test(test_memory_is_predicted),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
