/* Reference runs: what comes back from the file, what is refused, and the divergence of rows whose answer is known by
 * hand. */
#include "quality/divergence.h"

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

enum { N_VOCAB = 4, N_ROWS = 3 };

static char folder[] = "/tmp/edgewise-reference-XXXXXX", path[64];

/* Probabilities whose logarithms the rows hold, shifted by a constant that must not matter. */
static const double reference_p[N_ROWS][N_VOCAB] = {
    {0.5, 0.25, 0.125, 0.125}, {0.1, 0.2, 0.3, 0.4}, {0.97, 0.01, 0.01, 0.01}};
static const double model_p[N_ROWS][N_VOCAB] = {
    {0.25, 0.25, 0.25, 0.25}, {0.1, 0.2, 0.3, 0.4}, {0.01, 0.97, 0.01, 0.01}};
static const int32_t next[N_ROWS] = {0, 3, 0};

struct rows {
    float logits[N_ROWS][N_VOCAB];
    struct ew_row_score score[N_ROWS];
};

static struct ew_scored_rows make_rows(struct rows *r, const double p[N_ROWS][N_VOCAB]) {
    for (int i = 0; i < N_ROWS; i++) {
        const double shift = 3.5 * i - 2;
        int32_t top = 0;
        for (int v = 0; v < N_VOCAB; v++) {
            r->logits[i][v] = (float)(log(p[i][v]) + shift);
            if (p[i][v] > p[i][top]) top = v;
        }
        r->score[i] = (struct ew_row_score){shift, -log(p[i][next[i]]), top};
    }
    return (struct ew_scored_rows){&r->logits[0][0], next, r->score, N_ROWS, N_VOCAB};
}

static const struct ew_reference_key key = {N_VOCAB, 8, 0, 1, 0x1234567890abcdef, "a model"};

static void write_run(void) {
    struct ew_reference_writer *w = NULL;
    struct ew_error err = {0};
    struct rows r;
    const struct ew_scored_rows rows = make_rows(&r, reference_p);
    unlink(path);
    if (ew_reference_writer_open(path, &key, &w, &err) != EW_OK) fail_msg("%s", err.message);
    const struct ew_scored_rows first = {rows.logits, next, rows.score, 1, N_VOCAB};
    const struct ew_scored_rows others = {rows.logits + N_VOCAB, next + 1, rows.score + 1, N_ROWS - 1, N_VOCAB};
    assert_int_equal(ew_reference_writer_add(w, &first, &err), EW_OK);
    assert_int_equal(ew_reference_writer_add(w, &others, &err), EW_OK);
    assert_int_not_equal(access(path, F_OK), 0); /* not before it is whole */
    assert_int_equal(ew_reference_writer_finish(&w, &err), EW_OK);
    assert_null(w);
}

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/run", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails where a partial file was left behind */
}

static void test_rows_come_back(void **state) {
    (void)state;
    struct ew_reference_reader *r = NULL;
    struct ew_reference_row row;
    struct ew_error err = {0};
    write_run();
    assert_int_equal(ew_reference_reader_open(path, &r, &err), EW_OK);
    assert_string_equal(ew_reference_reader_key(r)->model, "a model");
    assert_int_equal(ew_reference_reader_matches(r, &key, &err), EW_OK);
    for (int i = 0; i < N_ROWS; i++) {
        assert_int_equal(ew_reference_reader_next(r, &row, &err), EW_OK);
        assert_true(fabs(row.log_p_next - log(reference_p[i][next[i]])) <= 1e-6);
        for (int v = 0; v < N_VOCAB; v++)
            assert_true(fabs(row.low + row.step * row.code[v] - log(reference_p[i][v])) <= 5e-5);
    }
    assert_int_equal(ew_reference_reader_next(r, &row, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "fewer rows"));
    ew_reference_reader_close(&r);
}

/* Row 1: Σ p ln(p / 0.25) = 0.5 ln 2 + 0 + 2 · 0.125 ln 0.5 = 0.25 ln 2. Row 2: equal. Row 3: 0.97 ln 97 - 0.01 ln 97.
 * Tokens that came next: 0.25 for 0.5, 0.4 for 0.4, 0.01 for 0.97. */
static void test_divergence_by_hand(void **state) {
    (void)state;
    struct ew_reference_reader *r = NULL;
    struct ew_divergence_sum *sum = NULL;
    struct ew_error err = {0};
    struct rows model;
    const struct ew_scored_rows rows = make_rows(&model, model_p);
    write_run();
    assert_int_equal(ew_reference_reader_open(path, &r, &err), EW_OK);
    assert_int_equal(ew_divergence_open(&sum, &err), EW_OK);
    assert_int_equal(ew_divergence_add(sum, r, &rows, &err), EW_OK);
    struct ew_divergence d = ew_divergence_of(sum);
    const double kl[3] = {0, 0.25 * log(2), 0.96 * log(97)};
    assert_int_equal(d.n, 3);
    assert_true(fabs(d.kl.value - ((kl[0] + kl[1] + kl[2]) / 3)) <= 1e-4);
    assert_true(fabs(d.kl_median - kl[1]) <= 1e-4);
    assert_true(fabs(d.kl_p90 - (kl[1] + 0.8 * (kl[2] - kl[1]))) <= 2e-4);
    assert_true(fabs(d.kl_max - kl[2]) <= 2e-4);
    assert_true(fabs(d.same_top.value - (2.0 / 3)) <= 1e-12); /* of equals the first counts: row 1 agrees */
    assert_true(fabs(d.same_top.error - sqrt(2.0 / 9 / 2)) <= 1e-9);
    assert_true(fabs(d.delta_p.value - ((-25 + 0 - 96) / 3.0)) <= 1e-4);
    assert_true(fabs(d.delta_p_rms - sqrt((25 * 25 + 96 * 96) / 3.0)) <= 1e-4);
    assert_true(fabs(d.reference_perplexity - exp(-(log(0.5) + log(0.4) + log(0.97)) / 3)) <= 1e-5);
    assert_true(fabs(d.log_ratio.value - ((log(2) + log(97)) / 3)) <= 1e-5);
    ew_divergence_close(&sum);
    ew_reference_reader_close(&r);
}

static void test_a_model_does_not_diverge_from_itself(void **state) {
    (void)state;
    struct ew_reference_reader *r = NULL;
    struct ew_divergence_sum *sum = NULL;
    struct rows model;
    const struct ew_scored_rows rows = make_rows(&model, reference_p);
    write_run();
    assert_int_equal(ew_reference_reader_open(path, &r, NULL), EW_OK);
    assert_int_equal(ew_divergence_open(&sum, NULL), EW_OK);
    assert_int_equal(ew_divergence_add(sum, r, &rows, NULL), EW_OK);
    struct ew_divergence d = ew_divergence_of(sum);
    assert_true(d.kl_max < 1e-6); /* logits are floats */
    assert_true(fabs(d.same_top.value - 1) <= 0);
    assert_true(fabs(d.log_ratio.value) <= 1e-6);
    ew_divergence_close(&sum);
    ew_reference_reader_close(&r);
}

static void expect_mismatch(struct ew_reference_key other, const char *word) {
    struct ew_reference_reader *r = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_reference_reader_open(path, &r, &err), EW_OK);
    assert_int_equal(ew_reference_reader_matches(r, &other, &err), EW_ERR_ARGUMENT);
    if (!strstr(err.message, word)) fail_msg("`%s` is not in: %s", word, err.message);
    ew_reference_reader_close(&r);
}

static void test_other_runs_are_refused(void **state) {
    (void)state;
    write_run();
    struct ew_reference_key other = key;
    other.n_vocab = 5;
    expect_mismatch(other, "vocabulary");
    other = key;
    other.n_ctx = 16;
    expect_mismatch(other, "windows of 8");
    other = key;
    other.n_windows = 2;
    expect_mismatch(other, "1 windows");
    other = key;
    other.text_hash++;
    expect_mismatch(other, "another text");
}

static size_t read_file(uint8_t *bytes, size_t capacity) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, capacity, f);
    fclose(f);
    return n;
}

static void write_file(const uint8_t *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Reads a damaged file to its end: every row or an error, and nothing else. */
static bool reads_whole(void) {
    struct ew_reference_reader *r = NULL;
    struct ew_reference_row row;
    struct ew_error err = {0};
    if (ew_reference_reader_open(path, &r, &err) != EW_OK) return false;
    bool whole = true;
    for (int i = 0; i < N_ROWS && whole; i++) whole = ew_reference_reader_next(r, &row, &err) == EW_OK;
    ew_reference_reader_close(&r);
    if (!whole) assert_true(err.message[0] != 0);
    return whole;
}

static void test_damage_is_refused(void **state) {
    (void)state;
    uint8_t bytes[4096];
    write_run();
    const size_t n = read_file(bytes, sizeof bytes);
    assert_true(n > 200 && n < sizeof bytes);
    for (size_t cut = 0; cut < n; cut++) {
        write_file(bytes, cut);
        assert_false(reads_whole());
    }
    const size_t header = 8 + 4 * 4 + 2 * 8 + 128;
    for (size_t at = 0; at < n; at++) {
        bytes[at] ^= 0x41;
        write_file(bytes, n);
        bool whole = reads_whole();
        /* Bytes of the header that only say what the run is about, and the count at the very end, leave it readable. */
        if (at < 8 || (at >= header && at < n - 8)) assert_false(whole);
        bytes[at] ^= 0x41;
    }
}

static void test_a_stopped_run_leaves_nothing(void **state) {
    (void)state;
    struct ew_reference_writer *w = NULL;
    unlink(path);
    assert_int_equal(ew_reference_writer_open(path, &key, &w, NULL), EW_OK);
    ew_reference_writer_abandon(&w);
    ew_reference_writer_abandon(&w);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void test_no_folder(void **state) {
    (void)state;
    struct ew_reference_writer *w = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_reference_writer_open("/nonexistent/run", &key, &w, &err), EW_ERR_IO);
    assert_non_null(strstr(err.message, "/nonexistent/run"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_come_back),
        cmocka_unit_test(test_divergence_by_hand),
        cmocka_unit_test(test_a_model_does_not_diverge_from_itself),
        cmocka_unit_test(test_other_runs_are_refused),
        cmocka_unit_test(test_damage_is_refused),
        cmocka_unit_test(test_a_stopped_run_leaves_nothing),
        cmocka_unit_test(test_no_folder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
