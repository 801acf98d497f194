/* safetensors files built byte by byte: what is read, and what is refused with which words. */
#include "convert/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file on the heap, of exactly its size, so that sanitizers see a read beyond it. */
static uint8_t *build(const char *table, size_t n_data, size_t *size) {
    uint64_t n = strlen(table);
    *size = 8 + (size_t)n + n_data;
    uint8_t *file = calloc(1, *size);
    assert_non_null(file);
    memcpy(file, &n, sizeof n);
    memcpy(file + 8, table, (size_t)n);
    for (size_t i = 0; i < n_data; i++) file[8 + n + i] = (uint8_t)i;
    return file;
}

static void expect_refusal(const char *table, size_t n_data, enum ew_status status, const char *words) {
    size_t size;
    uint8_t *file = build(table, n_data, &size);
    struct ew_checkpoint checkpoint = {0};
    struct ew_error err = {0};
    assert_int_equal(ew_safetensors_read("f", file, size, 0, &checkpoint, &err), status);
    if (!strstr(err.message, words) || strncmp(err.message, "f: ", 3) != 0)
        fail_msg("`%s` does not say `%s`", err.message, words);
    ew_checkpoint_close(&checkpoint);
    free(file);
}

static void a_sound_file_is_read(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = build("{\"__metadata__\":{\"format\":\"pt\"},"
                          "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[8,20]},"
                          "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                          "\"ids\":{\"dtype\":\"I64\",\"shape\":[1,1,1,1,1,2],\"data_offsets\":[20,36]},"
                          "\"one\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[36,38]},"
                          "\"none\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[38,38]}}   ",
                          38, &size);
    struct ew_checkpoint c = {0};
    struct ew_error err = {0};
    assert_int_equal(ew_safetensors_read("f", file, size, 7, &c, &err), EW_OK);
    assert_int_equal(ew_checkpoint_sort(&c, "f", &err), EW_OK);
    assert_int_equal(c.n_tensors, 5);
    const struct ew_stored_tensor *b = ew_checkpoint_find(&c, "b");
    assert_non_null(b);
    assert_int_equal(b->type, EW_STORED_BF16);
    assert_int_equal(b->n_dims, 2);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal(b->size_bytes, 12);
    assert_int_equal(b->data[0], 8);
    assert_int_equal(b->file, 7);
    assert_int_equal(ew_checkpoint_find(&c, "ids")->type, EW_STORED_OTHER);
    assert_int_equal(ew_checkpoint_find(&c, "ids")->shape[0], 2);
    assert_int_equal(ew_checkpoint_find(&c, "one")->n_dims, 0);
    assert_int_equal(ew_checkpoint_find(&c, "none")->size_bytes, 0);
    assert_null(ew_checkpoint_find(&c, "__metadata__"));
    assert_null(ew_checkpoint_find(&c, ""));
    ew_checkpoint_close(&c);
    free(file);
}

static void damage_is_named(void **state) {
    (void)state;
    expect_refusal("", 0, EW_ERR_FORMAT, "is empty");
    expect_refusal("[]", 0, EW_ERR_FORMAT, "not a JSON object");
    expect_refusal("{\"a\":", 0, EW_ERR_FORMAT, "line 1");
    expect_refusal("{\"a\":{},\"a\":{}}", 0, EW_ERR_FORMAT, "duplicate");
    expect_refusal("{\"a\":3}", 0, EW_ERR_FORMAT, "dtype is missing");
    expect_refusal("{\"a\":{\"dtype\":\"Q4\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, EW_ERR_FORMAT, "`Q4`");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, EW_ERR_FORMAT, "shape is missing");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[0.5],\"data_offsets\":[0,4]}}", 4, EW_ERR_FORMAT, "shape[0]");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, EW_ERR_FORMAT, "shape[0]");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4,
                   EW_ERR_FORMAT, "shape[0]");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,4]}}", 4,
                   EW_ERR_FORMAT, "larger than any file");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2,2,2,2],\"data_offsets\":[0,128]}}", 128, EW_ERR_LIMIT,
                   "5 dimensions");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, EW_ERR_FORMAT, "data_offsets");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, EW_ERR_FORMAT,
                   "bytes 4 to 0");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, EW_ERR_FORMAT,
                   "has 4 of data");
    expect_refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, EW_ERR_FORMAT,
                   "do not take 8");
}

static void holes_overlaps_and_left_over_bytes_are_named(void **state) {
    (void)state;
    const char *const one = "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}";
    char table[256];
    snprintf(table, sizeof table, "{%s,\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[2,6]}}", one);
    expect_refusal(table, 6, EW_ERR_FORMAT, "begins at byte 2, where 4");
    snprintf(table, sizeof table, "{%s,\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", one);
    expect_refusal(table, 12, EW_ERR_FORMAT, "begins at byte 8, where 4");
    snprintf(table, sizeof table, "{%s}", one);
    expect_refusal(table, 5, EW_ERR_FORMAT, "the tensors end at 4");
}

static void lengths_of_the_table_are_checked(void **state) {
    (void)state;
    const uint64_t lengths[] = {100000001, UINT64_MAX, UINT64_MAX - 7, 1000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t *file = calloc(1, 16);
        struct ew_checkpoint checkpoint = {0};
        memcpy(file, &lengths[i], 8);
        assert_int_not_equal(ew_safetensors_read("f", file, 16, 0, &checkpoint, NULL), EW_OK);
        ew_checkpoint_close(&checkpoint);
        free(file);
    }
    struct ew_checkpoint checkpoint = {0};
    assert_int_equal(ew_safetensors_read("f", (const uint8_t *)"1234567", 7, 0, &checkpoint, NULL), EW_ERR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_file_is_read),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(holes_overlaps_and_left_over_bytes_are_named),
        cmocka_unit_test(lengths_of_the_table_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
