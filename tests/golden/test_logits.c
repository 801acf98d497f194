/* Logits of tiny models against an exact float32 computation made by an independent engine, within the tolerances that
 * come with those files (../shared/conformance/README.md). Every file runs along several paths: one batch, token by
 * token, odd batches, several threads, file layout and packed layout, plain C and the fastest kernels. */
#include "edgewise/session.h"
#include "golden_file.h"
#include "machine/cpu_features.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TOKENS = 64 };

/* How a file's tolerance is stated: a fixed bound, or 1.25 × the other engine's own distance. */
struct golden {
    const char *name;
    double nmse; /* 0 = by the file's own "as X.logits", at least 5e-5 */
    const char *kl_of;
};

static const struct golden goldens[] = {
    {"llama-64-f32", 5e-6, "flash attention, f16 KV"},
    {"llama-64-f16", 2e-6, "flash attention, f16 KV"},
    {"llama-64-bf16", 2e-4, "flash attention, f16 KV"},
    {"llama-64-q8_0", 0, "as X.logits"},
    {"llama-64-q4_0", 0, "as X.logits"},
    {"llama-256-q8_0", 0, "as X.logits"},
    {"llama-256-q4_0", 0, "as X.logits"},
    {"llama-256-q4_k_m", 0, "as X.logits"},
    {"llama-256-q5_k_m", 0, "as X.logits"},
    {"llama-256-q6_k", 0, "as X.logits"},
    {"llama-256-q4_1", 0, "as X.logits"},
    {"llama-256-q5_0", 0, "as X.logits"},
    {"llama-256-q5_1", 0, "as X.logits"},
    {"llama-256-q2_k", 0, "as X.logits"},
    {"llama-256-q3_k_m", 0, "as X.logits"},
    {"llama-256-iq4_nl", 0, "as X.logits"},
    {"llama-256-iq4_xs", 0, "as X.logits"},
    {"llama3-64-f32", 5e-6, "flash attention, f16 KV"},
    {"llama3-64-q8_0", 0, "as X.logits"},
    {"llama3-64-q4_0", 0, "as X.logits"},
    {"llama3-256-q4_k_m", 0, "as X.logits"},
};

static const struct path {
    const char *name;
    uint32_t batch, threads;
    enum ew_weights_layout layout;
    bool plain_c;
} paths[] = {
    {"one batch", 512, 1, EW_WEIGHTS_AUTO, false},
    {"token by token", 1, 1, EW_WEIGHTS_AUTO, false},
    {"batches of 7, 3 threads", 7, 3, EW_WEIGHTS_AUTO, false},
    {"mapped", 512, 2, EW_WEIGHTS_MAPPED, false},
    {"mapped, token by token", 1, 2, EW_WEIGHTS_MAPPED, false},
    {"packed", 512, 2, EW_WEIGHTS_PACKED, false},
    {"packed, token by token", 1, 2, EW_WEIGHTS_PACKED, false},
    {"plain C, packed", 16, 2, EW_WEIGHTS_PACKED, true},
    {"plain C, mapped", 1, 1, EW_WEIGHTS_MAPPED, true},
};

static const char *folder;

static const char *path_of(const char *name, const char *suffix, char path[4096]) {
    snprintf(path, 4096, "%s/%s%s", folder, name, suffix);
    return path;
}

static double nmse(const float *got, const float *exact, size_t n) {
    double diff = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - exact[i];
        diff += d * d;
        sum += (double)exact[i] * exact[i];
    }
    return diff / sum;
}

static double log_sum_exp(const float *x, size_t n) {
    double max = x[0], sum = 0;
    for (size_t i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++) sum += exp(x[i] - max);
    return max + log(sum);
}

/* Mean over rows of KL(exact || got), in nats. */
static double mean_kl(const float *got, const float *exact, size_t rows, size_t n) {
    double total = 0;
    for (size_t r = 0; r < rows; r++, got += n, exact += n) {
        double zg = log_sum_exp(got, n), ze = log_sum_exp(exact, n);
        for (size_t i = 0; i < n; i++) total += exp(exact[i] - ze) * ((exact[i] - ze) - (got[i] - zg));
    }
    return total / (double)rows;
}

static void run_path(struct ew_model *model, const struct path *path, const int32_t *ids, size_t n, float *rows) {
    struct ew_session_params p = {.n_ctx = (uint32_t)n,
                                  .n_batch = path->batch,
                                  .threads_prefill = path->threads,
                                  .threads_decode = path->threads,
                                  .layout = path->layout,
                                  .cpu_mask = path->plain_c ? EW_CPU_MASK_NONE : 0};
    struct ew_session *session = NULL;
    struct ew_error err = {0};
    if (ew_session_open(model, &p, &session, &err) != EW_OK) fail_msg("%s", err.message);
    if (ew_session_prefill_logits(session, ids, n, rows, &err) != EW_OK) fail_msg("%s", err.message);
    ew_session_close(&session);
}

static void check_golden(void **state) {
    const struct golden *g = *state;
    size_t size;
    char path[4096];
    char *json = golden_read(path_of(g->name, ".json", path), &size);
    if (!json) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    int32_t ids[MAX_TOKENS];
    const char *cursor = json;
    size_t n = golden_ints(&cursor, "tokens", ids, MAX_TOKENS), n_vocab = (size_t)golden_number(json, NULL, "n_vocab");
    float *exact = (float *)(void *)golden_read(path_of(g->name, ".exact", path), &size);
    assert_non_null(exact);
    assert_int_equal(size, n * n_vocab * sizeof *exact);
    double own = 1.25 * golden_number(json, "as X.logits", "nmse");
    double nmse_bound = g->nmse > 0 ? g->nmse : own > 5e-5 ? own : 5e-5;
    double kl_bound = 1.5 * golden_number(json, g->kl_of, "kl");

    struct ew_model *model = NULL;
    struct ew_error err = {0};
    if (ew_model_open(path_of(g->name, ".gguf", path), &model, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_model_info(model).n_vocab, n_vocab);
    float *rows = malloc(n * n_vocab * sizeof *rows);
    assert_non_null(rows);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        memset(rows, 0xff, n * n_vocab * sizeof *rows);
        run_path(model, &paths[i], ids, n, rows);
        double e = nmse(rows, exact, n * n_vocab), kl = mean_kl(rows, exact, n, n_vocab);
        print_message("%s, %s: nmse %.3g of %.3g, KL %.3g of %.3g\n", g->name, paths[i].name, e, nmse_bound, kl,
                      kl_bound);
        assert_true(e <= nmse_bound);
        assert_true(kl <= kl_bound);
    }
    free(rows);
    free(exact);
    free(json);
    ew_model_close(&model);
}

int main(void) {
    enum { N = sizeof goldens / sizeof *goldens };
    static char buf[2048];
    const char *shared = getenv("EW_SHARED_DIR");
    snprintf(buf, sizeof buf, "%s/conformance", shared ? shared : "../shared");
    folder = buf;
    struct CMUnitTest tests[N];
    for (size_t i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest){
            .name = goldens[i].name, .test_func = check_golden, .initial_state = (void *)(uintptr_t)&goldens[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
