/* Logits of tiny models against an exact float32 computation made by an independent engine, within the tolerances that
 * come with those files (../shared/conformance/README.md, or tests/golden/conformance/README.md for the few that are
 * kept here). Every file of the folder runs along several paths: one batch, token by token, odd batches, several
 * threads, file layout and packed layout, plain C and the fastest kernels; the first three must agree with each other
 * as well.
 *
 *   test_logits [--table FILE] [FOLDER]     --table: writes the page of models that were verified, docs/models.md */
#include "edgewise/session.h"
#include "golden_file.h"
#include "machine/cpu_features.h"
#include "verified_table.h"

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

enum { MAX_TOKENS = 64, MAX_FILES = 256, N_AGREEING = 3 };

static char *names[MAX_FILES]; /* of files, without suffix; sorted */
static size_t n_names;

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

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* What a file's type allows: keys and values are F16 whatever the weights are. */
static double nmse_bound(const char *name, const char *json) {
    if (ends_with(name, "-f32")) return 5e-6;
    if (ends_with(name, "-f16")) return 2e-6;
    if (ends_with(name, "-bf16")) return 2e-4;
    double own = 1.25 * golden_number(json, "as X.logits", "nmse");
    return own > 5e-5 ? own : 5e-5;
}

static double kl_bound(const char *name, const char *json) {
    bool is_float = ends_with(name, "-f32") || ends_with(name, "16");
    return 1.5 * golden_number(json, is_float ? "flash attention, f16 KV" : "as X.logits", "kl");
}

/* NULL: the file has a type that this build cannot read. */
static struct ew_model *open_model(const char *name) {
    struct ew_model *model = NULL;
    struct ew_error err = {0};
    char path[4096];
    if (ew_model_open(path_of(name, ".gguf", path), &model, &err) == EW_OK) return model;
    if (err.status != EW_ERR_UNSUPPORTED || !strstr(err.message, "cannot be run yet")) fail_msg("%s", err.message);
    print_message("skipped: %s\n", err.message);
    return NULL;
}

/* The exact rows that a file is held against. */
struct golden {
    const char *name;
    char *json;
    int32_t ids[MAX_TOKENS];
    size_t n, n_vocab;
    float *exact;
};

static struct golden open_golden(const char *name) {
    struct golden g = {.name = name};
    char path[4096];
    size_t size;
    g.json = golden_read(path_of(name, ".json", path), &size);
    assert_non_null(g.json);
    const char *cursor = g.json;
    g.n = golden_ints(&cursor, "tokens", g.ids, MAX_TOKENS);
    g.n_vocab = (size_t)golden_number(g.json, NULL, "n_vocab");
    g.exact = (float *)(void *)golden_read(path_of(name, ".exact", path), &size);
    assert_non_null(g.exact);
    assert_int_equal(size, g.n * g.n_vocab * sizeof *g.exact);
    return g;
}

/* All paths of one model; returns the largest share of the bound that any took. */
static double check_paths(struct ew_model *model, const struct golden *g) {
    double bound = nmse_bound(g->name, g->json), kl_most = kl_bound(g->name, g->json), worst = 0;
    size_t n = g->n * g->n_vocab;
    float *rows = malloc(n * sizeof *rows), *first = malloc(n * sizeof *first);
    assert_true(rows && first);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        memset(rows, 0xff, n * sizeof *rows);
        run_path(model, &paths[i], g->ids, g->n, rows);
        if (i == 0) memcpy(first, rows, n * sizeof *rows);
        double e = nmse(rows, g->exact, n), kl = mean_kl(rows, g->exact, g->n, g->n_vocab);
        double apart = i < N_AGREEING ? nmse(rows, first, n) : 0;
        print_message("%s, %s: nmse %.3g of %.3g, KL %.3g of %.3g, from the first path %.3g\n", g->name, paths[i].name,
                      e, bound, kl, kl_most, apart);
        assert_true(e <= bound);
        assert_true(kl <= kl_most);
        assert_true(apart <= bound);
        if (e / bound > worst) worst = e / bound;
    }
    free(rows);
    free(first);
    return worst;
}

static void check_golden(void **state) {
    const char *name = *state;
    struct golden g = open_golden(name);
    struct ew_model *model = open_model(name);
    if (!model) {
        verified_skip(name);
        free(g.json);
        free(g.exact);
        skip();
    }
    assert_int_equal(ew_model_info(model).n_vocab, g.n_vocab);
    verified_add(name, ew_model_info(model).architecture, check_paths(model, &g));
    free(g.exact);
    free(g.json);
    ew_model_close(&model);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every X.gguf of the folder with exact logits X.exact. */
static void list_files(void) {
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) && n_names < MAX_FILES;) {
        char path[4096];
        if (!ends_with(entry->d_name, ".gguf")) continue;
        char *name = strndup(entry->d_name, strlen(entry->d_name) - strlen(".gguf"));
        if (name && access(path_of(name, ".exact", path), R_OK) == 0)
            names[n_names++] = name;
        else
            free(name);
    }
    if (dir) closedir(dir);
    qsort(names, n_names, sizeof *names, compare_names);
}

/* The shared folder where it is, else the few files kept with the source. */
static void choose_folder(const char *given) {
    static char buf[2048];
    const char *shared = getenv("EW_SHARED_DIR"), *source = getenv("EW_SOURCE_DIR");
    folder = given ? given : buf;
    if (given) return;
    snprintf(buf, sizeof buf, "%s/conformance", shared ? shared : "../shared");
    if (access(buf, R_OK) != 0) snprintf(buf, sizeof buf, "%s/tests/golden/conformance", source ? source : ".");
}

int main(int argc, char **argv) {
    const char *table = argc > 2 && strcmp(argv[1], "--table") == 0 ? argv[2] : NULL;
    choose_folder(table ? argv[3] : argv[1]);
    list_files();
    if (n_names == 0) {
        printf("skipped: no files with exact logits in %s\n", folder);
        return 77;
    }
    struct CMUnitTest tests[MAX_FILES];
    for (size_t i = 0; i < n_names; i++)
        tests[i] = (struct CMUnitTest){.name = names[i], .test_func = check_golden, .initial_state = names[i]};
    int failed = _cmocka_run_group_tests("logits", tests, n_names, NULL, NULL);
    if (table && failed == 0) failed = !verified_write(table);
    for (size_t i = 0; i < n_names; i++) free(names[i]);
    return failed;
}
