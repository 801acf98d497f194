/* Importance matrices: what comes back from files of both forms, what is refused, what merging and an encoder's weights
 * are by hand. */
#include "quality/importance_file.h"

#include "gguf/gguf_write.h"

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

static char folder[] = "/tmp/edgewise-importance-XXXXXX", path[64];

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/m.gguf", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails where a partial file was left behind */
}

static struct ew_importance *open_empty(void) {
    struct ew_importance *m = NULL;
    assert_int_equal(ew_importance_open(&m, NULL), EW_OK);
    return m;
}

static struct ew_importance_entry *add(struct ew_importance *m, const char *name, size_t n_in, size_t n_matrices) {
    struct ew_importance_entry *e = NULL;
    struct ew_error err = {0};
    if (ew_importance_add(m, name, strlen(name), n_in, n_matrices, &e, &err) != EW_OK) fail_msg("%s", err.message);
    return e;
}

/* A dense matrix that met 4 tokens, and three experts of which the middle one met none. */
static struct ew_importance *make_sample(void) {
    static const double dense[] = {4, 0, 2.5}, experts[] = {1, 3, 0, 0, 6, 2};
    struct ew_importance *m = open_empty();
    struct ew_importance_entry *e = add(m, "blk.0.attn_q.weight", 3, 1);
    memcpy(e->sum_squares, dense, sizeof dense);
    e->count[0] = 4;
    e = add(m, "blk.0.ffn_up_exps.weight", 2, 3);
    memcpy(e->sum_squares, experts, sizeof experts);
    e->count[0] = 2;
    e->count[2] = 1;
    assert_int_equal(ew_importance_add_dataset(m, "a text.txt", 10, NULL), EW_OK);
    m->chunk_count = 7;
    m->chunk_size = 512;
    return m;
}

static struct ew_importance *read_file(void) {
    struct ew_importance *m = NULL;
    struct ew_error err = {0};
    if (ew_importance_read(path, &m, &err) != EW_OK) fail_msg("%s", err.message);
    return m;
}

static void test_sums_come_back(void **state) {
    (void)state;
    struct ew_importance *m = make_sample();
    struct ew_error err = {0};
    if (ew_importance_write(m, path, &err) != EW_OK) fail_msg("%s", err.message);
    struct ew_importance *back = read_file();
    assert_int_equal(back->n_entries, 2);
    assert_int_equal(back->chunk_count, 7);
    assert_int_equal(back->chunk_size, 512);
    assert_int_equal(back->n_datasets, 1);
    assert_string_equal(back->datasets[0], "a text.txt");
    for (size_t i = 0; i < 2; i++) {
        const struct ew_importance_entry *a = &m->entries[i], *b = ew_importance_find(back, a->name, strlen(a->name));
        assert_non_null(b);
        assert_int_equal(a->n_in, b->n_in);
        assert_int_equal(a->n_matrices, b->n_matrices);
        assert_memory_equal(a->sum_squares, b->sum_squares, a->n_in * a->n_matrices * sizeof(double));
        assert_memory_equal(a->count, b->count, a->n_matrices * sizeof(double));
    }
    assert_null(ew_importance_find(back, "blk.0.attn_q", 12));
    ew_importance_close(&back);
    ew_importance_close(&m);
    assert_null(m);
}

static void assert_near(float got, double expected) { assert_true(fabs((double)got - expected) <= 1e-6); }

static void test_weights_are_means_of_squares(void **state) {
    (void)state;
    struct ew_importance *m = make_sample();
    const struct ew_importance_entry *dense = &m->entries[0], *experts = &m->entries[1];
    float w[3];
    ew_importance_weights(dense, 0, 3, w);
    assert_near(w[0], 1);
    assert_near(w[1], 0);
    assert_near(w[2], 0.625);
    ew_importance_weights(experts, 0, 2, w);
    assert_near(w[0], 0.5);
    assert_near(w[1], 1.5);
    ew_importance_weights(experts, 1, 2, w); /* no token chose it */
    assert_near(w[0], 1);
    assert_near(w[1], 1);
    ew_importance_weights(experts, 2, 2, w);
    assert_near(w[0], 6);
    assert_true(ew_importance_fits(experts, 2, 3));
    assert_false(ew_importance_fits(experts, 3, 2));
    assert_false(ew_importance_fits(experts, 2, 1));
    assert_true(ew_importance_fits(dense, 3, 1));
    ew_importance_close(&m);
}

static void test_merging_adds(void **state) {
    (void)state;
    struct ew_importance *a = make_sample(), *b = make_sample(), *other = open_empty();
    struct ew_error err;
    struct ew_importance_entry *more = add(b, "blk.1.attn_q.weight", 1, 1);
    more->sum_squares[0] = 9;
    more->count[0] = 3;
    assert_int_equal(ew_importance_merge(a, b, NULL), EW_OK);
    assert_int_equal(a->n_entries, 3);
    assert_int_equal(a->chunk_count, 14);
    assert_int_equal(a->n_datasets, 2);
    assert_true(fabs(a->entries[0].sum_squares[2] - 5) <= 1e-12 && fabs(a->entries[0].count[0] - 8) <= 1e-12);
    assert_true(fabs(a->entries[1].sum_squares[4] - 12) <= 1e-12 && fabs(a->entries[1].count[2] - 2) <= 1e-12);
    assert_true(fabs(a->entries[2].sum_squares[0] - 9) <= 1e-12);
    add(other, "blk.0.attn_q.weight", 4, 1);
    assert_int_equal(ew_importance_merge(a, other, &err), EW_ERR_SHAPE);
    assert_string_equal(err.message, "tensor blk.0.attn_q.weight: importance of 1 × 4 columns meets 1 × 3");
    ew_importance_close(&a);
    ew_importance_close(&b);
    ew_importance_close(&other);
}

/* ---- the older form, byte by byte ---- */

struct old_file {
    uint8_t bytes[256];
    size_t n, end_of_entries;
};

static void put(struct old_file *f, const void *data, size_t n) {
    memcpy(f->bytes + f->n, data, n);
    f->n += n;
}
static void put_i32(struct old_file *f, int32_t value) { put(f, &value, 4); }

static struct old_file make_old(void) {
    static const float q[] = {8, 0, 2}, experts[] = {1, 2, 3, 4};
    struct old_file f = {0};
    put_i32(&f, 2);
    put_i32(&f, 19);
    put(&f, "blk.0.attn_q.weight", 19);
    put_i32(&f, 2); /* calls */
    put_i32(&f, 3);
    put(&f, q, sizeof q);
    put_i32(&f, 24);
    put(&f, "blk.0.ffn_up_exps.weight", 24);
    put_i32(&f, 4);
    put_i32(&f, 4);
    put(&f, experts, sizeof experts);
    f.end_of_entries = f.n;
    put_i32(&f, 2); /* chunks */
    put_i32(&f, 5);
    put(&f, "a.txt", 5);
    return f;
}

static void test_the_older_form(void **state) {
    (void)state;
    const struct old_file f = make_old();
    struct ew_importance *m = NULL;
    struct ew_error err = {0};
    float w[3];
    if (ew_importance_read_memory("old", f.bytes, f.n, &m, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(m->n_entries, 2);
    assert_int_equal(m->chunk_count, 2);
    assert_string_equal(m->datasets[0], "a.txt");
    ew_importance_weights(&m->entries[0], 0, 3, w);
    assert_near(w[0], 4); /* 8 of 2 calls */
    assert_near(w[1], 0);
    assert_near(w[2], 1);
    assert_true(ew_importance_fits(&m->entries[1], 2, 2)); /* two experts of two columns */
    assert_true(ew_importance_fits(&m->entries[1], 4, 1));
    assert_false(ew_importance_fits(&m->entries[1], 2, 1));
    ew_importance_weights(&m->entries[1], 1, 2, w);
    assert_near(w[0], 0.75);
    assert_near(w[1], 1);
    ew_importance_close(&m);
    assert_int_equal(ew_importance_read_memory("old", f.bytes, f.end_of_entries, &m, NULL), EW_OK);
    assert_int_equal(m->n_datasets, 0);
    ew_importance_close(&m);
}

/* ---- damage ---- */

/* Refused with a message that begins with the file's name, or read with nothing but sound values. */
static bool is_read(const void *data, size_t n) {
    struct ew_importance *m = NULL;
    struct ew_error err = {0};
    uint8_t *copy = malloc(n + 1); /* on the heap and of this size: the sanitizer sees a read beyond the end */
    assert_non_null(copy);
    memcpy(copy, data, n);
    enum ew_status status = ew_importance_read_memory("file", n > 0 ? copy : NULL, n, &m, &err);
    free(copy);
    if (status != EW_OK) {
        assert_null(m);
        if (strncmp(err.message, "file: ", 6) != 0) fail_msg("%s", err.message);
        return false;
    }
    for (size_t i = 0; i < m->n_entries; i++) {
        const struct ew_importance_entry *e = &m->entries[i];
        for (size_t k = 0; k < e->n_in * e->n_matrices; k++)
            assert_true(e->sum_squares[k] >= 0 && isfinite(e->sum_squares[k]));
        for (size_t k = 0; k < e->n_matrices; k++) assert_true(e->count[k] >= 0 && isfinite(e->count[k]));
    }
    ew_importance_close(&m);
    return true;
}

static void damage(const uint8_t *sound, size_t n, size_t also_sound) {
    uint8_t *bytes = malloc(n);
    assert_non_null(bytes);
    assert_true(is_read(sound, n));
    for (size_t cut = 0; cut < n; cut++) assert_true(is_read(sound, cut) == (cut == also_sound));
    for (size_t i = 0; i < n; i++) {
        for (unsigned flip = 1; flip < 256; flip *= 2) {
            memcpy(bytes, sound, n);
            bytes[i] ^= (uint8_t)flip;
            is_read(bytes, n);
        }
    }
    free(bytes);
}

static void test_damaged_files_of_the_older_form(void **state) {
    (void)state;
    const struct old_file f = make_old();
    damage(f.bytes, f.n, f.end_of_entries);
}

static void test_damaged_gguf_files(void **state) {
    (void)state;
    struct ew_importance *m = make_sample();
    struct ew_file_map map = {0};
    assert_int_equal(ew_importance_write(m, path, NULL), EW_OK);
    assert_int_equal(ew_file_map_open(path, &map, NULL), EW_OK);
    /* The last tensor's padding may be missing. */
    size_t data = map.size - 32 + 12;
    for (size_t cut = data; cut < map.size; cut++) is_read(map.data, cut);
    damage(map.data, data, SIZE_MAX);
    ew_file_map_close(&map);
    ew_importance_close(&m);
}

/* A file with one tensor of sums and, perhaps, one of counts. */
static void expect_refusal(const char *word, const char *type, enum ew_type sums, const uint64_t ne[2],
                           const uint64_t counts_ne[2], const float *values) {
    struct ew_gguf_writer *w = NULL;
    struct ew_importance *m = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_gguf_writer_open(&w, NULL), EW_OK);
    ew_gguf_put_string(w, "general.type", type);
    assert_int_equal(ew_gguf_writer_add_tensor(w, "t.in_sum2", sums, 2, ne, NULL), EW_OK);
    if (counts_ne) assert_int_equal(ew_gguf_writer_add_tensor(w, "t.counts", EW_TYPE_F32, 2, counts_ne, NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_begin(w, path, NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_write(w, values, ew_type_row_bytes(sums, ne[0]) * ne[1], NULL), EW_OK);
    if (counts_ne)
        assert_int_equal(ew_gguf_writer_write(w, values, counts_ne[0] * counts_ne[1] * sizeof(float), NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_finish(w, NULL), EW_OK);
    ew_gguf_writer_close(&w);
    assert_int_equal(ew_importance_read(path, &m, &err), EW_ERR_FORMAT);
    if (!strstr(err.message, word)) fail_msg("`%s` is not in: %s", word, err.message);
}

static void test_what_does_not_belong_together(void **state) {
    (void)state;
    static const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1}, negative[8] = {1, -1, 1}, none[8] = {1, NAN, 1};
    static const uint64_t four[] = {4, 1}, two_experts[] = {2, 2}, one[] = {1, 1}, two[] = {1, 2}, wide[] = {2, 1};
    expect_refusal("general.type", "model", EW_TYPE_F32, four, one, ones);
    expect_refusal("no counts", "imatrix", EW_TYPE_F32, four, NULL, ones);
    expect_refusal("not both F32", "imatrix", EW_TYPE_F16, four, one, ones);
    expect_refusal("1 × 1 counts for sums of 2 matrices", "imatrix", EW_TYPE_F32, two_experts, one, ones);
    expect_refusal("2 × 1 counts for sums of 1 matrices", "imatrix", EW_TYPE_F32, four, two, ones);
    expect_refusal("1 × 2 counts", "imatrix", EW_TYPE_F32, four, wide, ones);
    expect_refusal("value 1 is -1", "imatrix", EW_TYPE_F32, four, one, negative);
    expect_refusal("value 1 is nan", "imatrix", EW_TYPE_F32, four, one, none);
}

static void test_what_is_not_written(void **state) {
    (void)state;
    struct ew_importance *m = open_empty();
    struct ew_importance_entry *e;
    struct ew_error err;
    assert_int_equal(ew_importance_write(m, path, &err), EW_ERR_FORMAT);
    add(m, "t", 2, 1)->sum_squares[1] = INFINITY;
    assert_int_equal(ew_importance_write(m, path, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "tensor t: value 1 is inf"));
    ew_importance_close(&m);
    m = open_empty();
    add(m, "a name so long that no room is left for what stands behind it", 1, 1);
    assert_int_equal(ew_importance_write(m, path, &err), EW_ERR_LIMIT);
    assert_int_equal(ew_importance_add(m, "t", 1, SIZE_MAX / 2, 3, &e, &err), EW_ERR_LIMIT);
    assert_int_equal(ew_importance_add(m, "t", 1, 0, 1, &e, &err), EW_ERR_LIMIT);
    ew_importance_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_come_back),
        cmocka_unit_test(test_weights_are_means_of_squares),
        cmocka_unit_test(test_merging_adds),
        cmocka_unit_test(test_the_older_form),
        cmocka_unit_test(test_damaged_files_of_the_older_form),
        cmocka_unit_test(test_damaged_gguf_files),
        cmocka_unit_test(test_what_does_not_belong_together),
        cmocka_unit_test(test_what_is_not_written),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
