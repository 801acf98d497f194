/* Published tokenizer files against the GGUF vocabularies that another engine made of them; and damaged SentencePiece
 * models, built by hand from the message's definition. */
#include "convert/folder_json.h"
#include "convert/llama2c.h"
#include "convert/sentencepiece_model.h"
#include "convert/tokenizer_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *shared_path(const char *name, char buf[4096]) {
    const char *dir = getenv("EW_SHARED_DIR");
    snprintf(buf, 4096, "%s/data/%s", dir ? dir : ".", name);
    return buf;
}

/* Maps a file of the neighbour folder; skips the test where it is missing. */
static struct ew_file_map map_shared(const char *name) {
    char path[4096];
    struct ew_file_map map;
    struct ew_error err = {0};
    enum ew_status status = ew_file_map_open(shared_path(name, path), &map, &err);
    if (status == EW_ERR_NOT_FOUND) {
        printf("skipped: %s is not there\n", path);
        skip();
    }
    if (status != EW_OK) fail_msg("%s", err.message);
    return map;
}

static struct ew_gguf *open_vocabulary(const char *name) {
    char path[4096];
    struct ew_gguf *gguf = NULL;
    struct ew_error err = {0};
    if (ew_gguf_open(shared_path(name, path), &gguf, &err) == EW_ERR_NOT_FOUND) skip();
    if (!gguf) fail_msg("%s", err.message);
    return gguf;
}

/* Tokens from `first` on have the texts, types and scores of the GGUF file, as far as asked. */
static void expect_tokens(const struct ew_gguf *gguf, const struct ew_vocabulary *v, uint32_t first, bool with_types) {
    const struct ew_gguf_kv *tokens = NULL, *types = NULL, *scores = NULL;
    struct ew_gguf_string text;
    assert_int_equal(ew_gguf_get_array(gguf, "tokenizer.ggml.tokens", EW_GGUF_STRING, &tokens, NULL), EW_OK);
    assert_int_equal(ew_gguf_get_array(gguf, "tokenizer.ggml.token_type", EW_GGUF_I32, &types, NULL), EW_OK);
    ew_gguf_get_array(gguf, "tokenizer.ggml.scores", EW_GGUF_F32, &scores, NULL);
    assert_true(tokens->n >= v->n_tokens && v->n_tokens > 30000);
    const uint8_t *cursor = tokens->data;
    for (uint32_t i = 0; i < v->n_tokens && ew_gguf_next_string(tokens, &cursor, &text); i++) {
        const struct ew_vocabulary_token *t = &v->tokens[i];
        int32_t type;
        float score = t->score;
        memcpy(&type, types->data + 4 * (size_t)i, sizeof type);
        if (scores) memcpy(&score, scores->data + 4 * (size_t)i, sizeof score);
        if (i < first) continue;
        assert_int_equal(t->size, text.size);
        assert_memory_equal(t->text, text.data, text.size);
        assert_true(t->score == score);
        if (with_types) assert_int_equal(t->type, type);
    }
}

static void the_sentencepiece_model_of_llama2(void **state) {
    (void)state;
    struct ew_file_map map = map_shared("models/llama2_tokenizer/tokenizer.model");
    struct ew_gguf *gguf = open_vocabulary("vocab/ggml-vocab-llama-spm.gguf");
    struct ew_vocabulary v;
    struct ew_error err = {0};
    if (ew_sentencepiece_model_read("m", map.data, map.size, &v, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(v.n_tokens, 32000);
    expect_tokens(gguf, &v, 0, true);
    assert_int_equal(v.bos, 1);
    assert_int_equal(v.eos, 2);
    assert_int_equal(v.unknown, 0);
    assert_int_equal(v.pad, -1);
    assert_int_equal(v.add_space_prefix, EW_SAID_YES);
    ew_vocabulary_free(&v);
    ew_gguf_close(&gguf);
    ew_file_map_close(&map);
}

static void the_llama2c_tokenizer_of_llama2(void **state) {
    (void)state;
    struct ew_file_map map = map_shared("models/llama2_tokenizer/tokenizer.bin");
    struct ew_gguf *gguf = open_vocabulary("vocab/ggml-vocab-llama-spm.gguf");
    struct ew_vocabulary v;
    struct ew_error err = {0};
    if (ew_llama2c_tokenizer_read("t", map.data, map.size, 32000, &v, &err) != EW_OK) fail_msg("%s", err.message);
    expect_tokens(gguf, &v, 0, true);
    ew_vocabulary_free(&v);
    assert_int_equal(ew_llama2c_tokenizer_read("t", map.data, map.size, 31999, &v, &err), EW_ERR_FORMAT);
    assert_int_equal(ew_llama2c_tokenizer_read("t", map.data, map.size, 32001, &v, &err), EW_ERR_FORMAT);
    ew_gguf_close(&gguf);
    ew_file_map_close(&map);
}

/* A byte-level vocabulary in llama2.c's form has ranks for scores, and no merges. */
static void the_llama2c_tokenizer_of_llama3_is_refused(void **state) {
    (void)state;
    struct ew_file_map map = map_shared("models/llama3_tokenizer/tokenizer_l3.bin");
    struct ew_vocabulary v;
    struct ew_error err = {0};
    assert_int_equal(ew_llama2c_tokenizer_read("t", map.data, map.size, 128000, &v, &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "merges"));
    ew_file_map_close(&map);
}

static void the_vocabulary_of_qwen2(void **state) {
    (void)state;
    struct ew_file_map vocab = map_shared("tokenizers/qwen2.5/vocab.json");
    struct ew_file_map merges = map_shared("tokenizers/qwen2.5/merges.txt");
    struct ew_gguf *gguf = open_vocabulary("vocab/ggml-vocab-qwen2.gguf");
    const struct ew_gguf_kv *list = NULL;
    struct ew_vocabulary v;
    struct ew_error err = {0};
    json_t *root = NULL;
    assert_int_equal(ew_folder_json_parse("v", vocab.data, vocab.size, &root, &err), EW_OK);
    if (ew_vocab_json_read("q", root, (const char *)merges.data, merges.size, "qwen2", &v, &err) != EW_OK)
        fail_msg("%s", err.message);
    expect_tokens(gguf, &v, 0, true);
    assert_int_equal(ew_gguf_get_array(gguf, "tokenizer.ggml.merges", EW_GGUF_STRING, &list, NULL), EW_OK);
    assert_int_equal(v.n_merges, list->n);
    const uint8_t *cursor = list->data;
    struct ew_gguf_string text;
    for (uint32_t i = 0; ew_gguf_next_string(list, &cursor, &text); i++) {
        assert_int_equal(strlen(v.merges[i]), text.size);
        assert_memory_equal(v.merges[i], text.data, text.size);
    }
    ew_vocabulary_free(&v);
    json_decref(root);
    ew_gguf_close(&gguf);
    ew_file_map_close(&vocab);
    ew_file_map_close(&merges);
}

/* ---- SentencePiece models by hand ---- */

/* Two pieces ("<unk>" of type unknown, "a" with score -1.5), trainer_spec with model type BPE, normalizer without the
 * space before. */
static const uint8_t model[] = {
    0x0a, 0x09, 0x0a, 0x05, '<',  'u',  'n',  'k',  '>',  0x18, 0x02,       /* piece: text 1, type 3 */
    0x0a, 0x08, 0x0a, 0x01, 'a',  0x15, 0x00, 0x00, 0xc0, 0xbf,             /* piece: text 1, score 2 */
    0x12, 0x0e, 0x18, 0x02, 0xc0, 0x02, 0x00, 0xc8, 0x02, 0x01, 0xd0, 0x02, /* trainer: type, unk 0, bos 1, eos … */
    0x01, 0x0a, 0x01, 'x',                                                  /* … 1, and a field that is passed over */
    0x1a, 0x02, 0x18, 0x00,                                                 /* normalizer: add_dummy_prefix 0 */
};

static enum ew_status read_model(const uint8_t *data, size_t size, struct ew_vocabulary *v, struct ew_error *err) {
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    enum ew_status status = ew_sentencepiece_model_read("m", copy, size, v, err);
    free(copy);
    return status;
}

static void a_small_model_is_read(void **state) {
    (void)state;
    struct ew_vocabulary v;
    struct ew_error err = {0};
    if (read_model(model, sizeof model, &v, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(v.n_tokens, 2);
    assert_string_equal(v.tokens[0].text, "<unk>");
    assert_int_equal(v.tokens[0].type, EW_TOKEN_UNKNOWN);
    assert_true(v.tokens[1].score == -1.5f);
    assert_int_equal(v.bos, 1);
    assert_int_equal(v.pad, -1);
    assert_int_equal(v.add_space_prefix, EW_SAID_NO);
    ew_vocabulary_free(&v);
}

static void damaged_models_are_refused(void **state) {
    (void)state;
    uint8_t bytes[sizeof model];
    struct ew_vocabulary v;
    struct ew_error err = {0};
    size_t n_sound = 0;
    for (size_t n = 0; n < sizeof model; n++) { /* cut anywhere: only whole fields with a trainer_spec are a model */
        if (read_model(model, n, &v, &err) != EW_OK) continue;
        ew_vocabulary_free(&v);
        n_sound++;
    }
    assert_int_equal(n_sound, 1);                   /* without the normalizer, which is optional */
    for (size_t i = 0; i < sizeof model * 8; i++) { /* any bit turned: read or refused, never out of bounds */
        memcpy(bytes, model, sizeof model);
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        if (read_model(bytes, sizeof bytes, &v, &err) == EW_OK) ew_vocabulary_free(&v);
    }
    memcpy(bytes, model, sizeof model);
    bytes[24] = 1; /* model type: unigram */
    assert_int_equal(read_model(bytes, sizeof bytes, &v, &err), EW_ERR_UNSUPPORTED);
    bytes[10] = 9; /* type of the first piece */
    assert_int_equal(read_model(bytes, sizeof bytes, &v, &err), EW_ERR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sentencepiece_model_of_llama2),
        cmocka_unit_test(the_llama2c_tokenizer_of_llama2),
        cmocka_unit_test(the_llama2c_tokenizer_of_llama3_is_refused),
        cmocka_unit_test(the_vocabulary_of_qwen2),
        cmocka_unit_test(a_small_model_is_read),
        cmocka_unit_test(damaged_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
