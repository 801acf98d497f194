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
#include <sys/stat.h>
#include <unistd.h>

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

/* After a rewind the context is as if only the kept tokens had been there. All pieces are longer than those that get
 * what single tokens get: other kernels serve those. */
static void test_rewind_forgets_the_rest(void **state) {
    (void)state;
    enum { N = 40, KEPT = 20 };
    struct ew_session_params p = {.n_ctx = 64, .threads_prefill = 1, .threads_decode = 1};
    struct ew_session *s = open_session(p), *fresh = open_session(p);
    struct ew_error err;
    int32_t ids[N], other[N];
    for (int i = 0; i < N; i++) ids[i] = other[i] = (i * 97 + 13) % 4096;
    for (int i = KEPT; i < N; i++) other[i] = (i * 31 + 5) % 4096;
    assert_int_equal(ew_session_prefill(s, ids, N, NULL), EW_OK);
    assert_int_equal(ew_session_rewind(s, N + 1, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "context: cannot keep 41 tokens of 40");
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

/* Few tokens at once, and any number of threads, change no bit of what single tokens give. The cache holds more than
 * one chunk of positions, whose sums threads share when heads are too few for them. */
static void test_few_tokens_are_as_single_ones(void **state) {
    (void)state;
    enum { N = 1100, LAST = 70 };
    static const struct { uint32_t batch, threads; } paths[] = {{1, 1}, {16, 1}, {3, 2}, {1, 3}, {16, 5}};
    struct ew_model *tiny = NULL;
    const char *source = getenv("EW_SOURCE_DIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/golden/conformance/llama3-64-q4_0.gguf", source ? source : ".");
    assert_int_equal(ew_model_open(path, &tiny, NULL), EW_OK);
    uint32_t n_vocab = ew_model_info(tiny).n_vocab;
    size_t size = (size_t)LAST * n_vocab * sizeof(float);
    float *rows = malloc(size), *singly = malloc(size);
    int32_t ids[N];
    for (int i = 0; i < N; i++) ids[i] = (i * 97 + 13) % 512;
    assert_true(rows && singly);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct ew_session *s = NULL;
        const struct ew_session_params p = {.n_ctx = N,
                                            .n_batch = paths[i].batch,
                                            .threads_prefill = paths[i].threads,
                                            .threads_decode = paths[i].threads};
        assert_int_equal(ew_session_open(tiny, &p, &s, NULL), EW_OK);
        assert_int_equal(ew_session_prefill(s, ids, N - LAST, NULL), EW_OK);
        assert_int_equal(ew_session_prefill_logits(s, ids + N - LAST, LAST, rows, NULL), EW_OK);
        if (i == 0) memcpy(singly, rows, size);
        assert_memory_equal(rows, singly, size);
        ew_session_close(&s);
    }
    ew_model_close(&tiny);
    free(rows);
    free(singly);
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

/* ---- types of the KV cache ---- */

static const int32_t sentence[] = {1, 3110, 636, 261, 612, 300, 417, 266, 301, 520, 777, 288};
enum { N_SENTENCE = sizeof sentence / sizeof *sentence };

static float *rows_of(struct ew_session_params p, bool one_by_one) {
    struct ew_error err = {0};
    size_t n_vocab = ew_model_info(model).n_vocab;
    float *rows = malloc(N_SENTENCE * n_vocab * sizeof *rows);
    struct ew_session *s = open_session(p);
    assert_non_null(rows);
    for (size_t i = 0; i < N_SENTENCE; i += one_by_one ? 1 : N_SENTENCE)
        if (ew_session_prefill_logits(s, sentence + i, one_by_one ? 1 : N_SENTENCE, rows + i * n_vocab, &err) != EW_OK)
            fail_msg("%s", err.message);
    ew_session_close(&s);
    return rows;
}

static double relative_error(const float *got, const float *want) {
    double square = 0, all = 0;
    for (size_t i = 0; i < (size_t)N_SENTENCE * ew_model_info(model).n_vocab; i++) {
        square += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        all += (double)want[i] * (double)want[i];
    }
    return square / all;
}

/* Keys and values apart: each rounds a little, both round more, none of it reaches what the rounding can cause. A block
 * of Q8_0 is off by at most d / 2 = |largest| / 254 per value: (1 / 254)² / 3 of the largest square on average, and the
 * square of a block's mean is at least 1/32 of it, so 32 / (3 · 254²) = 1.65e-4 bounds the share of the error. Six
 * layers add it twice each. */
static void test_types_of_the_cache(void **state) {
    (void)state;
    static const double BOUND = 6 * 2 * 1.65e-4;
    const enum ew_kv_type types[][2] = {
        {EW_KV_F16, EW_KV_F16}, {EW_KV_Q8_0, EW_KV_F32}, {EW_KV_F32, EW_KV_Q8_0}, {EW_KV_Q8_0, EW_KV_Q8_0}};
    float *want = rows_of((struct ew_session_params){.kv_k = EW_KV_F32, .kv_v = EW_KV_F32}, false);
    double error[4];
    for (int i = 0; i < 4; i++) {
        struct ew_session_params p = {.kv_k = types[i][0], .kv_v = types[i][1]};
        float *batch = rows_of(p, false), *singly = rows_of(p, true);
        error[i] = relative_error(batch, want);
        assert_true(relative_error(singly, batch) < 1e-4 * BOUND);
        print_message("KV %s: %.3g from F32, of %.3g\n", ew_kv_name(p.kv_k, p.kv_v), error[i], BOUND);
        assert_true(error[i] > 0 && error[i] < BOUND);
        free(batch);
        free(singly);
    }
    assert_true(error[0] * 20 < error[3]); /* F16 has 11 bits where Q8_0 has 8 at most */
    assert_true(error[1] < error[3] && error[2] < error[3]);
    free(want);
}

static void test_ledger_of_each_type(void **state) {
    (void)state;
    const size_t rows = 6 * 2 * 256; /* layers × heads × positions */
    const struct {
        const char *name;
        size_t bytes; /* of a row of keys and one of values, 64 values each */
    } want[] = {{"f16", 256}, {"q8_0", 136}, {"f32", 512}, {"q8_0/f16", 196}, {"f16/q8_0", 196}, {"f32/q8_0", 324}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct ew_session_params p = {.n_ctx = 256};
        struct ew_memory_ledger l;
        assert_true(ew_kv_by_name(want[i].name, &p.kv_k, &p.kv_v));
        assert_string_equal(ew_kv_name(p.kv_k, p.kv_v), want[i].name);
        assert_int_equal(ew_session_predict_memory(model, &p, &l, NULL), EW_OK);
        assert_int_equal(l.kv_cache, rows * want[i].bytes);
    }
    enum ew_kv_type k = EW_KV_F32, v = EW_KV_F32;
    assert_false(ew_kv_by_name("q8", &k, &v));
    assert_false(ew_kv_by_name("q8_0/", &k, &v));
    assert_int_equal(k, EW_KV_F32);
}

static void test_unknown_type_is_refused(void **state) {
    (void)state;
    struct ew_session *s = NULL;
    struct ew_error err;
    struct ew_session_params p = {.kv_v = (enum ew_kv_type)3};
    assert_int_equal(ew_session_open(model, &p, &s, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "KV types: 0/3 are not known");
}

/* ---- making room ---- */

/* After a shift the context is what it were had the forgotten tokens never been there; to the bit, where the kept ones
 * came in a batch of their own. */
static void test_shift_equals_a_fresh_context(void **state) {
    (void)state;
    struct ew_error err;
    size_t n_vocab = ew_model_info(model).n_vocab;
    struct ew_session *shifted = open_session((struct ew_session_params){.n_ctx = 16, .kv_k = EW_KV_Q8_0});
    struct ew_session *fresh = open_session((struct ew_session_params){.n_ctx = 16, .kv_k = EW_KV_Q8_0});
    assert_int_equal(ew_session_prefill(shifted, sentence, 2, &err), EW_OK);
    assert_int_equal(ew_session_prefill(shifted, sentence + 2, N_SENTENCE - 2, &err), EW_OK);
    assert_int_equal(ew_session_shift(shifted, sentence, 2, 4, &err), EW_OK);
    assert_int_equal(ew_session_n_past(shifted), N_SENTENCE - 4);
    assert_int_equal(ew_session_prefill(fresh, sentence, 2, &err), EW_OK);
    assert_int_equal(ew_session_prefill(fresh, sentence + 6, N_SENTENCE - 6, &err), EW_OK);
    assert_memory_equal(ew_session_logits(shifted), ew_session_logits(fresh), n_vocab * sizeof(float));
    assert_int_equal(ew_session_shift(shifted, sentence, 2, 6, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "context: cannot forget 6 tokens behind 2 of 8");
    assert_int_equal(ew_session_shift(shifted, sentence, 0, 0, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_session_n_past(shifted), N_SENTENCE - 4);
    ew_session_close(&shifted);
    ew_session_close(&fresh);
}

/* The state of a convolution is that of the last token only: shifting begins anew, and going back is refused. */
static void test_convolutions_begin_anew(void **state) {
    (void)state;
    char path[4096];
    const char *shared = getenv("EW_SHARED_DIR");
    struct ew_model *m = NULL;
    struct ew_session *shifted = NULL, *fresh = NULL;
    struct ew_error err = {0};
    struct ew_session_params p = {.n_ctx = 16};
    snprintf(path, sizeof path, "%s/conformance/lfm2-64-f32.gguf", shared ? shared : "../shared");
    if (access(path, R_OK) != 0) skip();
    if (ew_model_open(path, &m, &err) != EW_OK) fail_msg("%s", err.message);
    static const int32_t ids[] = {5, 9, 301, 77, 12, 40, 8, 101, 230, 19};
    assert_int_equal(ew_session_open(m, &p, &shifted, &err), EW_OK);
    assert_int_equal(ew_session_open(m, &p, &fresh, &err), EW_OK);
    assert_int_equal(ew_session_prefill(shifted, ids, 10, &err), EW_OK);
    assert_int_equal(ew_session_rewind(shifted, 5, &err), EW_ERR_UNSUPPORTED);
    assert_int_equal(ew_session_n_past(shifted), 10);
    assert_int_equal(ew_session_shift(shifted, ids, 3, 4, &err), EW_OK);
    assert_int_equal(ew_session_prefill(fresh, ids, 3, &err), EW_OK);
    assert_int_equal(ew_session_prefill(fresh, ids + 7, 3, &err), EW_OK);
    assert_memory_equal(ew_session_logits(shifted), ew_session_logits(fresh), 512 * sizeof(float));
    assert_int_equal(ew_session_rewind(shifted, 6, &err), EW_OK);
    ew_session_close(&shifted);
    ew_session_close(&fresh);
    ew_model_close(&m);
}

/* ---- as long as memory allows ---- */

static char root[] = "/tmp/edgewise-memory-XXXXXX";

static void write_meminfo(uint64_t available_kib) {
    char path[64];
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "MemTotal: 16000000 kB\nMemAvailable: %llu kB\n", (unsigned long long)available_kib);
    fclose(f);
}

static uint64_t total_at(const struct ew_model *m, struct ew_session_params p, uint32_t n_ctx) {
    struct ew_memory_ledger l;
    p.n_ctx = n_ctx;
    assert_int_equal(ew_session_predict_memory(m, &p, &l, NULL), EW_OK);
    return l.total;
}

/* The box's model with another word in its file: trained for 100000 tokens. */
static struct ew_model *open_long_box(void) {
    static const char key[] = "llama.context_length";
    char path[4096];
    const char *source = getenv("EW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/models/edgewise-tales-6m-f16.gguf", source ? source : ".");
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(n), *at = NULL;
    assert_true(bytes && fread(bytes, 1, n, f) == n);
    fclose(f);
    for (size_t i = 0; !at && i + 64 < n; i++)
        if (memcmp(bytes + i, key, strlen(key)) == 0) at = bytes + i + strlen(key) + 4; /* behind the value's type */
    assert_non_null(at);
    memcpy(at, &(uint32_t){100000}, 4);
    snprintf(path, sizeof path, "%s/long.gguf", root);
    f = fopen(path, "wb");
    assert_true(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    free(bytes);
    struct ew_model *m = NULL;
    struct ew_error err = {0};
    if (ew_model_open(path, &m, &err) != EW_OK) fail_msg("%s", err.message);
    unlink(path);
    return m;
}

/* One step more would not fit: the ledger says so, whatever steps the search took. */
static void test_context_that_memory_limits(void **state) {
    (void)state;
    struct ew_error err;
    struct ew_context_choice q8_0, f16;
    struct ew_session_params p = {0};
    struct ew_model *m = open_long_box();
    write_meminfo(100 << 10);
    const uint64_t room = 36 << 20; /* of 100 MiB 64 are left to others */
    assert_int_equal(ew_session_choose_context(m, &p, root, &f16, &err), EW_OK);
    assert_true(f16.by_memory && f16.n_ctx % 256 == 0 && f16.n_ctx_train == 100000);
    assert_int_equal(f16.needed_bytes, total_at(m, p, f16.n_ctx));
    assert_true(f16.needed_bytes <= room && total_at(m, p, f16.n_ctx + 256) > room);
    p.kv_k = p.kv_v = EW_KV_Q8_0;
    assert_int_equal(ew_session_choose_context(m, &p, root, &q8_0, &err), EW_OK);
    assert_true(q8_0.needed_bytes <= room && total_at(m, p, q8_0.n_ctx + 256) > room);
    assert_true(q8_0.n_ctx > f16.n_ctx);
    ew_model_close(&m);
}

static void test_context_that_fits(void **state) {
    (void)state;
    struct ew_error err;
    struct ew_context_choice c;
    struct ew_session_params p = {.kv_k = EW_KV_Q8_0};
    uint64_t total = total_at(model, p, 256); /* what the model was trained for */
    write_meminfo(8 << 20);
    assert_int_equal(ew_session_choose_context(model, &p, root, &c, &err), EW_OK);
    assert_int_equal(c.n_ctx, 256);
    assert_false(c.by_memory);
    assert_int_equal(c.needed_bytes, total);
    assert_int_equal(c.free_bytes, (uint64_t)8 << 30);
    assert_int_equal(c.spared_bytes, 1 << 30);
    write_meminfo((total >> 10) + 1 + (64 << 10)); /* just enough beside the 64 MiB */
    assert_int_equal(ew_session_choose_context(model, &p, root, &c, &err), EW_OK);
    assert_int_equal(c.n_ctx, 256);
    assert_int_equal(c.spared_bytes, 64 << 20);
    write_meminfo((total >> 10) - 1 + (64 << 10));
    assert_int_equal(ew_session_choose_context(model, &p, root, &c, &err), EW_ERR_LIMIT);
    assert_non_null(strstr(err.message, "context: not even 256 tokens fit: "));
    write_meminfo(1);
    assert_int_equal(ew_session_choose_context(model, &p, root, &c, &err), EW_ERR_LIMIT);
    assert_int_equal(ew_session_choose_context(model, &p, "/nowhere", &c, &err), EW_ERR_UNSUPPORTED);
}

static int set_up(void **state) {
    char path[64];
    if (open_box(state) != 0 || !mkdtemp(root)) return 1;
    snprintf(path, sizeof path, "%s/proc", root);
    return mkdir(path, 0700);
}

static int tear_down(void **state) {
    char path[64];
    close_box(state);
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    unlink(path);
    snprintf(path, sizeof path, "%s/proc", root);
    rmdir(path);
    return rmdir(root);
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
        cmocka_unit_test(test_few_tokens_are_as_single_ones),
        cmocka_unit_test(test_prediction_names_every_part),
        cmocka_unit_test(test_types_of_the_cache),
        cmocka_unit_test(test_ledger_of_each_type),
        cmocka_unit_test(test_unknown_type_is_refused),
        cmocka_unit_test(test_shift_equals_a_fresh_context),
        cmocka_unit_test(test_convolutions_begin_anew),
        cmocka_unit_test(test_context_that_fits),
        cmocka_unit_test(test_context_that_memory_limits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
