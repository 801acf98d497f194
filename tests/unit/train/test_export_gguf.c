/* An exported model in the engine: the engine's perplexity of a text is the training's own, so the forward pass of
 * training is that of a Llama. The engine's is held against another engine's elsewhere (tests/golden). */
#include "train/export_gguf.h"

#include "quality/perplexity.h"
#include "train/piece_learner.h"
#include "train/training.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char text[] =
    "The owl and the cat went to sea in a boat, and the boat was as green as a pea. The owl sat and looked at the sea "
    "and the cat sat and looked at the owl. \"What a sea!\" said the cat. \"What a cat!\" said the owl, and they sat "
    "in the green boat and looked and looked, until the sea was as dark as the owl and as still as the cat.\n";

enum { N_CTX = 32, REPEATS = 4 };

static char folder[] = "/tmp/edgewise-export-XXXXXX", vocabulary_path[64], model_path[64];
static char long_text[REPEATS * sizeof text];

static void write_vocabulary(void) {
    const struct ew_piece_params params = {.n_vocab = 340, .rare = 2};
    struct ew_vocabulary v;
    struct ew_gguf_writer *w = NULL;
    assert_int_equal(ew_pieces_learn(long_text, strlen(long_text), &params, &v, NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_open(&w, NULL), EW_OK);
    assert_int_equal(ew_vocabulary_put(&v, w, NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_begin(w, vocabulary_path, NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_finish(w, NULL), EW_OK);
    ew_gguf_writer_close(&w);
    ew_vocabulary_free(&v);
}

static int make_files(void **state) {
    (void)state;
    for (int i = 0; i < REPEATS; i++) strcat(long_text, text);
    if (!mkdtemp(folder)) return -1;
    snprintf(vocabulary_path, sizeof vocabulary_path, "%s/vocabulary.gguf", folder);
    snprintf(model_path, sizeof model_path, "%s/model.gguf", folder);
    write_vocabulary();
    return 0;
}

static int remove_files(void **state) {
    (void)state;
    unlink(vocabulary_path);
    unlink(model_path);
    return rmdir(folder);
}

/* ---- the training's figure ---- */

struct trained {
    struct ew_gguf *vocabulary;
    struct ew_tokenizer *tokenizer;
    struct ew_corpus corpus;
    struct ew_training training;
    uint8_t *bytes;
};

/* Some steps, so that the weights are no longer alike; then norms and matrices far from how they began. */
static void open_trained(struct trained *t) {
    struct ew_error err = {0};
    double loss, length;
    assert_int_equal(ew_gguf_open(vocabulary_path, &t->vocabulary, NULL), EW_OK);
    assert_int_equal(ew_tokenizer_open(t->vocabulary, &t->tokenizer, NULL), EW_OK);
    const uint32_t n_vocab = ew_tokenizer_n_vocab(t->tokenizer);
    assert_int_equal(ew_corpus_of_text(t->tokenizer, long_text, strlen(long_text), &t->corpus, NULL), EW_OK);
    const struct ew_training_params p = {.shape = {.n_layer = 2,
                                                   .n_embd = 64,
                                                   .n_head = 4,
                                                   .n_head_kv = 2,
                                                   .n_ff = 96,
                                                   .n_vocab = n_vocab,
                                                   .n_ctx = N_CTX,
                                                   .norm_eps = 1e-5f,
                                                   .rope_base = 10000},
                                         .optimizer = ew_optimizer_default_params(),
                                         .batch = 2,
                                         .at_once = 2,
                                         .threads = 2,
                                         .n_steps = 12,
                                         .clip = 1,
                                         .seed = 9,
                                         .bos = ew_tokenizer_bos(t->tokenizer)};
    if (ew_training_open(&t->training, &p, &t->corpus, &err) != EW_OK) fail_msg("%s", err.message);
    for (int i = 0; i < 12; i++) assert_int_equal(ew_training_step(&t->training, &loss, &length, NULL), EW_OK);
    for (size_t i = 0; i < ew_net_n_params(&p.shape); i++) t->training.weights[i] *= 1 + 0.25f * (float)(i % 5);
    t->bytes = calloc(n_vocab, 1);
    for (uint32_t i = 0; i < n_vocab; i++)
        t->bytes[i] = (uint8_t)ew_tokenizer_token_bytes(t->tokenizer, (int32_t)i, false, NULL, 0);
}

static void close_trained(struct trained *t) {
    ew_training_close(&t->training);
    ew_corpus_close(&t->corpus);
    ew_tokenizer_close(&t->tokenizer);
    ew_gguf_close(&t->vocabulary);
    free(t->bytes);
}

/* ---- the engine's ---- */

struct engine_score {
    struct ew_model *model;
    struct ew_perplexity_sum sum;
};

static enum ew_status take_rows(void *context, const struct ew_scored_rows *rows, struct ew_error *err) {
    (void)err;
    struct engine_score *e = context;
    uint64_t bytes = 0;
    for (size_t i = 0; i < rows->n; i++) bytes += ew_model_token_bytes(e->model, rows->next[i], false, NULL, 0);
    ew_perplexity_add(&e->sum, rows, bytes);
    return EW_OK;
}

static struct ew_perplexity score_by_engine(void) {
    enum { MOST = 2000 };
    struct engine_score e = {0};
    struct ew_session *session = NULL;
    struct ew_error err = {0};
    const struct ew_session_params params = {
        .n_ctx = N_CTX, .threads_prefill = 1, .threads_decode = 1, .kv_k = EW_KV_F32, .kv_v = EW_KV_F32};
    int32_t ids[MOST];
    size_t n = 0;
    if (ew_model_open(model_path, &e.model, &err) != EW_OK) fail_msg("%s", err.message);
    if (ew_session_open(e.model, &params, &session, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(
        ew_model_tokenize(e.model, long_text, strlen(long_text), EW_TOKENIZE_ADD_SPECIAL, ids, MOST, &n, NULL), EW_OK);
    const struct ew_text_score score = {.session = session,
                                        .n_vocab = ew_model_info(e.model).n_vocab,
                                        .ids = ids,
                                        .n_ids = n,
                                        .windows = {N_CTX, 0},
                                        .bos = ids[0],
                                        .threads = 1,
                                        .take = take_rows,
                                        .context = &e};
    assert_true(ew_text_score_windows(&score) >= 4);
    if (ew_text_score_run(&score, &err) != EW_OK) fail_msg("%s", err.message);
    ew_session_close(&session);
    ew_model_close(&e.model);
    return ew_perplexity_of(&e.sum);
}

static void check_type(bool f16, double tolerance) {
    struct trained t = {0};
    struct ew_training_score own;
    struct ew_error err = {0};
    open_trained(&t);
    assert_int_equal(ew_training_evaluate(&t.training, &t.corpus, t.bytes, 1, &own, NULL), EW_OK);
    if (ew_train_export(&t.training.params.shape, t.training.weights, t.vocabulary, "tiny", f16, model_path, &err) !=
        EW_OK)
        fail_msg("%s", err.message);
    const struct ew_perplexity engine = score_by_engine();
    assert_int_equal(engine.n_tokens, own.n_tokens);
    assert_int_equal(engine.n_bytes, own.n_bytes);
    if (!(fabs(engine.mean_nll - own.nll) <= tolerance))
        fail_msg("engine %.7f, training %.7f nats a token", engine.mean_nll, own.nll);
    assert_true(fabs(engine.bits_per_byte - own.bits_per_byte) <= tolerance);
    assert_true(fabs(own.nll - log((double)t.training.params.shape.n_vocab)) > 0.2); /* it is no model of nothing */
    close_trained(&t);
}

static void test_f32_equals_training(void **state) {
    (void)state;
    check_type(false, 2e-5);
}

static void test_f16_is_near(void **state) {
    (void)state;
    check_type(true, 2e-3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_f32_equals_training), cmocka_unit_test(test_f16_is_near)};
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
