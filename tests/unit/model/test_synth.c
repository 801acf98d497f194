/* Synthetic models: the same seed gives the same bytes, weights have the deviation they should, the mixture of types is
 * that of real files, and what is stopped leaves nothing. */
#include "edgewise/model.h"
#include "edgewise/session.h"
#include "gguf/gguf_read.h"
#include "model/synth.h"
#include "model/synth_layout.h"

#include <dirent.h>
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

static char folder[256], first_path[512], second_path[512];

/* A model of a megabyte, so that the whole way through the file can be tested in a moment. */
static const struct ew_shape tiny = {.name = "tiny",
                                     .title = "Tiny",
                                     .architecture = "llama",
                                     .n_layer = 8,
                                     .n_embd = 256,
                                     .n_head = 4,
                                     .n_head_kv = 2,
                                     .head_dim = 64,
                                     .n_ff = 512,
                                     .n_vocab = 2000,
                                     .n_ctx_train = 512,
                                     .rope_base = 10000,
                                     .norm_epsilon = 1e-5,
                                     .tied = true,
                                     .tokenizer = EW_SHAPE_TOKENS_SMOLLM2,
                                     .source = "made up"};

static int make_folder(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/edgewise-synth-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) return -1;
    snprintf(first_path, sizeof first_path, "%s/first.gguf", folder);
    snprintf(second_path, sizeof second_path, "%s/second.gguf", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(first_path);
    unlink(second_path);
    return rmdir(folder); /* fails when anything else was left there */
}

static struct ew_gguf *write_model(const char *path, const struct ew_shape *shape, enum ew_file_type type,
                                   uint64_t seed) {
    struct ew_synth_params params = {.shape = shape, .file_type = type, .seed = seed};
    struct ew_synth_summary written, measured;
    struct ew_gguf *gguf = NULL;
    struct ew_error err = {0};
    if (ew_synth_write(&params, path, &written, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_synth_measure(&params, &measured, &err), EW_OK);
    if (ew_gguf_open(path, &gguf, &err) != EW_OK) fail_msg("%s", err.message);
    assert_true(measured.file_bytes == ew_gguf_map(gguf)->size);
    assert_true(written.file_bytes == measured.file_bytes && written.n_tensors == measured.n_tensors);
    assert_int_equal(ew_gguf_n_tensors(gguf), written.n_tensors);
    return gguf;
}

static void the_same_seed_gives_the_same_bytes(void **state) {
    (void)state;
    struct ew_gguf *a = write_model(first_path, &tiny, EW_FILE_Q4_K_M, 5);
    struct ew_gguf *b = write_model(second_path, &tiny, EW_FILE_Q4_K_M, 5);
    size_t size = ew_gguf_map(a)->size;
    assert_int_equal(ew_gguf_map(b)->size, size);
    assert_int_equal(memcmp(ew_gguf_map(a)->data, ew_gguf_map(b)->data, size), 0);
    ew_gguf_close(&b);
    b = write_model(second_path, &tiny, EW_FILE_Q4_K_M, 6);
    const struct ew_gguf_tensor *x = ew_gguf_find_tensor(a, "blk.1.attn_q.weight");
    const struct ew_gguf_tensor *y = ew_gguf_find_tensor(b, "blk.1.attn_q.weight");
    assert_int_not_equal(memcmp(x->data, y->data, x->size_bytes), 0);
    ew_gguf_close(&a);
    ew_gguf_close(&b);
}

static void check_deviation(const struct ew_gguf_tensor *tensor, double expected) {
    static float row[512];
    double sum = 0, sum_squares = 0;
    size_t n = (size_t)tensor->ne[0], row_bytes = ew_type_row_bytes(tensor->type, n);
    assert_true(n <= 512);
    for (size_t r = 0; r < tensor->ne[1]; r++) {
        assert_int_equal(ew_dequantize_row((enum ew_type)tensor->type, tensor->data + r * row_bytes, n, row, NULL),
                         EW_OK);
        for (size_t i = 0; i < n; i++) {
            sum += (double)row[i];
            sum_squares += (double)row[i] * (double)row[i];
        }
    }
    double count = (double)(n * tensor->ne[1]);
    /* A least-squares encoder loses what it errs by: a square error of 7 % in Q2_K. */
    double lost = tensor->type == EW_TYPE_Q2_K ? 0.06 : 0.03;
    assert_true(fabs(sqrt(sum_squares / count) / expected - 1) < lost);
    assert_true(fabs(sum / count) < 0.03 * expected);
}

static void weights_have_the_deviation_of_a_fresh_model(void **state) {
    (void)state;
    size_t n;
    const enum ew_file_type *types = ew_synth_file_types(&n);
    for (size_t i = 0; i < n; i++) {
        struct ew_gguf *gguf = write_model(first_path, &tiny, types[i], 1);
        check_deviation(ew_gguf_find_tensor(gguf, "token_embd.weight"), 0.02);
        check_deviation(ew_gguf_find_tensor(gguf, "blk.0.attn_q.weight"), 1 / sqrt(256));
        check_deviation(ew_gguf_find_tensor(gguf, "blk.0.ffn_down.weight"), 1 / sqrt(512 * 2 * 8));
        ew_gguf_close(&gguf);
    }
}

static void the_file_says_that_it_is_synthetic(void **state) {
    (void)state;
    struct ew_gguf *gguf = write_model(first_path, &tiny, EW_FILE_Q4_0, 9);
    bool synthetic = false;
    uint64_t seed = 0;
    assert_int_equal(ew_gguf_get_bool(gguf, "edgewise.synthetic", &synthetic, NULL), EW_OK);
    assert_true(synthetic && ew_synth_is_synthetic(first_path));
    assert_int_equal(ew_gguf_get_u64(gguf, "edgewise.synthetic.seed", &seed, NULL), EW_OK);
    assert_true(seed == 9);
    assert_false(ew_synth_is_synthetic("/nonexistent.gguf"));
    ew_gguf_close(&gguf);
}

/* Every stand-in vocabulary loads, and what it encodes it decodes to the same text. */
static void texts_pass_through_every_stand_in_tokenizer(void **state) {
    (void)state;
    static const char text[] = "The quick brown fox, 1234 times.\nStraße 日本 \tEND";
    static const struct {
        enum ew_shape_tokenizer kind;
        uint32_t n_vocab;
        bool adds_space;
    } kinds[] = {{EW_SHAPE_TOKENS_LLAMA2, 32000, true},   {EW_SHAPE_TOKENS_MISTRAL, 32768, true},
                 {EW_SHAPE_TOKENS_GEMMA, 256000, false},  {EW_SHAPE_TOKENS_PHI3, 32064, false},
                 {EW_SHAPE_TOKENS_LLAMA3, 128256, false}, {EW_SHAPE_TOKENS_QWEN2, 151936, false},
                 {EW_SHAPE_TOKENS_SMOLLM2, 49152, false}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct ew_shape shape = tiny;
        shape.tokenizer = kinds[k].kind;
        shape.n_vocab = kinds[k].n_vocab;
        shape.n_layer = 1;
        struct ew_gguf *gguf = write_model(first_path, &shape, EW_FILE_Q4_0, 1);
        ew_gguf_close(&gguf);
        struct ew_model *model = NULL;
        struct ew_error err = {0};
        if (ew_model_open(first_path, &model, &err) != EW_OK) fail_msg("%s", err.message);
        assert_int_equal(ew_model_info(model).n_vocab, kinds[k].n_vocab);
        assert_true(ew_model_info(model).synthetic);
        int32_t ids[128];
        size_t n, used = 0;
        char back[512];
        assert_int_equal(ew_model_tokenize(model, text, strlen(text), 0, ids, 128, &n, &err), EW_OK);
        for (size_t i = 0; i < n; i++)
            used += ew_model_token_bytes(model, ids[i], false, back + used, sizeof back - used);
        size_t skip_space = kinds[k].adds_space ? 1 : 0;
        assert_int_equal(used, strlen(text) + skip_space);
        assert_memory_equal(back + skip_space, text, strlen(text));
        assert_true(n < strlen(text) * 3 / 4); /* words become pieces, not single bytes */
        ew_model_close(&model);
    }
}

/* A small model of each architecture that shapes have opens and gives logits, the same in one batch as one by one. */
static void every_architecture_of_the_shapes_runs(void **state) {
    (void)state;
    static const int32_t ids[] = {5, 700, 1999, 3, 42};
    for (size_t i = 0; i < ew_shape_count(); i++) {
        struct ew_shape shape = tiny;
        shape.architecture = ew_shape_at(i)->architecture;
        assert_true(ew_shape_runs(ew_shape_at(i)));
        struct ew_gguf *gguf = write_model(first_path, &shape, EW_FILE_F32, 1);
        ew_gguf_close(&gguf);
        struct ew_model *model = NULL;
        struct ew_session *session = NULL;
        struct ew_error err = {0};
        if (ew_model_open(first_path, &model, &err) != EW_OK) fail_msg("%s", err.message);
        struct ew_session_params params = {.n_ctx = 16, .threads_prefill = 1, .threads_decode = 1};
        float batch[2000];
        assert_int_equal(ew_session_open(model, &params, &session, &err), EW_OK);
        assert_int_equal(ew_session_prefill(session, ids, 5, &err), EW_OK);
        memcpy(batch, ew_session_logits(session), sizeof batch);
        ew_session_reset(session);
        for (int t = 0; t < 5; t++) assert_int_equal(ew_session_decode(session, ids[t], &err), EW_OK);
        const float *single = ew_session_logits(session);
        double sum = 0, diff = 0;
        for (int v = 0; v < 2000; v++) {
            sum += (double)batch[v] * (double)batch[v];
            diff += ((double)batch[v] - (double)single[v]) * ((double)batch[v] - (double)single[v]);
        }
        assert_true(isfinite(sum) && sum > 0 && diff <= 1e-6 * sum);
        ew_session_close(&session);
        ew_model_close(&model);
    }
}

static uint64_t bytes_of_type(const struct ew_synth_layout *layout, enum ew_type type) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < layout->n; i++) {
        const struct ew_synth_tensor *t = &layout->tensors[i];
        if (t->type == type) bytes += ew_type_row_bytes((uint32_t)type, (size_t)t->ne[0]) * t->ne[1];
    }
    return bytes;
}

/* In Llama 3.2 1B's Q4_0 file the Q6_K head is 28 % of the weights (128256 * 2048 * 210 / 256 bytes). */
static void the_tied_head_of_q4_0_is_q6_k(void **state) {
    (void)state;
    struct ew_synth_layout layout;
    assert_int_equal(ew_synth_layout_fill(ew_shape_find("llama-3.2-1b"), EW_FILE_Q4_0, &layout, NULL), EW_OK);
    uint64_t head = bytes_of_type(&layout, EW_TYPE_Q6_K), rest = bytes_of_type(&layout, EW_TYPE_Q4_0);
    assert_true(head == 215470080);
    assert_true(rest == 973078528ull / 32 * 18);
    assert_int_equal(layout.n_fallback, 0);
    ew_synth_layout_free(&layout);
}

/* The layers that llama.cpp gives Q6_K in a Q4_K_M file of 16 layers: 0 1, 4 7 10 13, 14 15. */
static void the_mixture_of_q4_k_m_is_that_of_real_files(void **state) {
    (void)state;
    static const char *const expected = "1100100100100111";
    struct ew_synth_layout layout;
    assert_int_equal(ew_synth_layout_fill(ew_shape_find("llama-3.2-1b"), EW_FILE_Q4_K_M, &layout, NULL), EW_OK);
    for (uint32_t i = 0; i < layout.n; i++) {
        const struct ew_synth_tensor *t = &layout.tensors[i];
        int layer, at = 0;
        if (sscanf(t->name, "blk.%d.%n", &layer, &at) != 1 || t->n_dims != 2) continue;
        bool more = strcmp(t->name + at, "attn_v.weight") == 0 || strcmp(t->name + at, "ffn_down.weight") == 0;
        assert_int_equal(t->type, more && expected[layer] == '1' ? EW_TYPE_Q6_K : EW_TYPE_Q4_K);
    }
    ew_synth_layout_free(&layout);
    assert_int_equal(ew_synth_layout_fill(ew_shape_find("smollm2-135m"), EW_FILE_Q4_K_M, &layout, NULL), EW_OK);
    /* 576 is no multiple of 256: all but ffn_down (1536) falls back. */
    assert_int_equal(layout.n_fallback, 1 + 30 * 6);
    ew_synth_layout_free(&layout);
}

/* The first n layers have one type, the others another. */
struct run {
    enum ew_type first;
    uint32_t n;
    enum ew_type others;
};

/* What llama-quantize of llama.cpp v0.5.0 chose for models of this shape with 32 layers, four query heads to a key. */
static const struct {
    enum ew_file_type file_type;
    enum ew_type query, output;
    struct run value, down;
} of_256[] = {
    {EW_FILE_Q4_1, EW_TYPE_Q4_1, EW_TYPE_Q4_1, {.others = EW_TYPE_Q4_1}, {.others = EW_TYPE_Q4_1}},
    {EW_FILE_Q2_K, EW_TYPE_Q2_K, EW_TYPE_Q3_K, {.others = EW_TYPE_Q4_K}, {.others = EW_TYPE_Q3_K}},
    {EW_FILE_Q3_K_S, EW_TYPE_Q3_K, EW_TYPE_Q3_K, {.others = EW_TYPE_Q3_K}, {.others = EW_TYPE_Q3_K}},
    {EW_FILE_Q3_K_M, EW_TYPE_Q3_K, EW_TYPE_Q4_K, {EW_TYPE_Q5_K, 2, EW_TYPE_Q4_K}, {EW_TYPE_Q5_K, 2, EW_TYPE_Q4_K}},
    {EW_FILE_Q3_K_L, EW_TYPE_Q3_K, EW_TYPE_Q5_K, {.others = EW_TYPE_Q5_K}, {.others = EW_TYPE_Q5_K}},
    {EW_FILE_Q4_K_S, EW_TYPE_Q4_K, EW_TYPE_Q4_K, {EW_TYPE_Q5_K, 4, EW_TYPE_Q4_K}, {EW_TYPE_Q5_K, 4, EW_TYPE_Q4_K}},
    {EW_FILE_Q5_K_S, EW_TYPE_Q5_K, EW_TYPE_Q5_K, {.others = EW_TYPE_Q5_K}, {.others = EW_TYPE_Q5_K}},
    {EW_FILE_IQ4_NL, EW_TYPE_IQ4_NL, EW_TYPE_IQ4_NL, {.others = EW_TYPE_Q5_K}, {EW_TYPE_Q5_K, 4, EW_TYPE_IQ4_NL}},
    {EW_FILE_IQ4_XS, EW_TYPE_IQ4_XS, EW_TYPE_IQ4_XS, {.others = EW_TYPE_Q5_K}, {EW_TYPE_Q5_K, 4, EW_TYPE_IQ4_XS}},
};

static void check_run(const struct ew_synth_layout *layout, const char *matrix, struct run expected) {
    uint32_t n_found = 0;
    for (uint32_t i = 0; i < layout->n; i++) {
        uint32_t layer;
        int at = 0;
        if (sscanf(layout->tensors[i].name, "blk.%u.%n", &layer, &at) != 1) continue;
        if (strcmp(layout->tensors[i].name + at, matrix) != 0) continue;
        assert_int_equal(layout->tensors[i].type, layer < expected.n ? expected.first : expected.others);
        n_found++;
    }
    assert_int_equal(n_found, 32);
}

static void other_mixtures_are_those_of_llama_quantize(void **state) {
    (void)state;
    struct ew_shape shape = tiny;
    shape.n_layer = 32;
    shape.n_head = 8;
    shape.head_dim = 32;
    for (size_t i = 0; i < sizeof of_256 / sizeof *of_256; i++) {
        struct ew_synth_layout layout;
        assert_int_equal(ew_synth_layout_fill(&shape, of_256[i].file_type, &layout, NULL), EW_OK);
        assert_int_equal(layout.tensors[0].type, EW_TYPE_Q6_K); /* the embedding is the output matrix */
        check_run(&layout, "attn_q.weight", (struct run){.others = of_256[i].query});
        check_run(&layout, "attn_output.weight", (struct run){.others = of_256[i].output});
        check_run(&layout, "attn_v.weight", of_256[i].value);
        check_run(&layout, "ffn_down.weight", of_256[i].down);
        assert_int_equal(layout.n_fallback, 0);
        ew_synth_layout_free(&layout);
    }
}

/* The same with rows of 288 and an output matrix of its own: llama-quantize's fallbacks. */
static void short_rows_take_the_fallbacks_of_llama_quantize(void **state) {
    (void)state;
    static const struct {
        enum ew_file_type file_type;
        enum ew_type query, output;
        struct run value;
    } of_288[] = {
        {EW_FILE_Q2_K, EW_TYPE_Q4_0, EW_TYPE_Q4_0, {.others = EW_TYPE_Q5_0}},
        {EW_FILE_Q3_K_M, EW_TYPE_Q4_0, EW_TYPE_Q5_0, {EW_TYPE_Q5_1, 2, EW_TYPE_Q5_0}},
        {EW_FILE_Q4_K_S, EW_TYPE_Q5_0, EW_TYPE_Q5_0, {EW_TYPE_Q5_1, 4, EW_TYPE_Q5_0}},
        {EW_FILE_Q5_K_S, EW_TYPE_Q5_1, EW_TYPE_Q5_1, {.others = EW_TYPE_Q5_1}},
        {EW_FILE_IQ4_XS, EW_TYPE_IQ4_NL, EW_TYPE_IQ4_NL, {.others = EW_TYPE_Q5_1}},
    };
    struct ew_shape shape = tiny;
    shape.n_layer = 32;
    shape.n_embd = 288;
    shape.n_head = 8;
    shape.head_dim = 36;
    shape.tied = false;
    for (size_t i = 0; i < sizeof of_288 / sizeof *of_288; i++) {
        struct ew_synth_layout layout;
        assert_int_equal(ew_synth_layout_fill(&shape, of_288[i].file_type, &layout, NULL), EW_OK);
        assert_int_equal(layout.tensors[layout.n - 1].type, EW_TYPE_Q8_0); /* the output matrix */
        check_run(&layout, "attn_q.weight", (struct run){.others = of_288[i].query});
        check_run(&layout, "attn_output.weight", (struct run){.others = of_288[i].output});
        check_run(&layout, "attn_v.weight", of_288[i].value);
        ew_synth_layout_free(&layout);
    }
}

static bool stop_at_once(void *context, uint64_t done, uint64_t total) {
    assert_true(done <= total);
    ++*(int *)context;
    return false;
}

static void stopping_leaves_no_file(void **state) {
    (void)state;
    int calls = 0;
    struct ew_synth_params params = {.shape = &tiny, .file_type = EW_FILE_F32, .progress = stop_at_once};
    params.context = &calls;
    struct ew_error err = {0};
    unlink(second_path);
    assert_int_equal(ew_synth_write(&params, second_path, NULL, &err), EW_ERR_CANCELLED);
    assert_int_equal(calls, 1);
    assert_int_not_equal(access(second_path, F_OK), 0);
    params.file_type = (enum ew_file_type)19; /* IQ2_XXS */
    assert_int_equal(ew_synth_write(&params, second_path, NULL, &err), EW_ERR_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(weights_have_the_deviation_of_a_fresh_model),
        cmocka_unit_test(the_file_says_that_it_is_synthetic),
        cmocka_unit_test(texts_pass_through_every_stand_in_tokenizer),
        cmocka_unit_test(every_architecture_of_the_shapes_runs),
        cmocka_unit_test(the_tied_head_of_q4_0_is_q6_k),
        cmocka_unit_test(the_mixture_of_q4_k_m_is_that_of_real_files),
        cmocka_unit_test(other_mixtures_are_those_of_llama_quantize),
        cmocka_unit_test(short_rows_take_the_fallbacks_of_llama_quantize),
        cmocka_unit_test(stopping_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
