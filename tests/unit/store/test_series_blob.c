/* Blobs of stamps and samples: the layout against bytes written out by hand, round trips, and damage. */
#include "store/series_blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include <cmocka.h>

static void layout_is_the_documented_one(void **state) {
    (void)state;
    static const int64_t times[] = {5, 7, 4};
    static const double values[] = {1.0, -2.0, 0.5};
    /* 5, +2, -3 as int64, then 1.0, -2.0, 0.5 as IEEE doubles, little-endian. */
    static const uint8_t expected[48] = {5,    0,    0,    0,    0,    0,    0,    0,    2, 0, 0, 0, 0, 0, 0,    0,
                                         0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f,
                                         0,    0,    0,    0,    0,    0,    0,    0xc0, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f};
    struct ew_series_blob blob;
    assert_int_equal(ew_series_blob_encode(times, values, 3, &blob, NULL), EW_OK);
    uint8_t raw[64];
    assert_int_equal(ZSTD_decompress(raw, sizeof raw, blob.data, blob.size), 48);
    assert_memory_equal(raw, expected, 48);
    assert_true((uint64_t)blob.xxh64 == XXH64(expected, 48, 0));
    free(blob.data);
}

static void extremes_come_back(void **state) {
    (void)state;
    static const int64_t times[] = {INT64_MAX, INT64_MIN, 0, -1, 1};
    static const double values[] = {1e308, -0.0, 4.9e-324, 1e-300, 3};
    int64_t t[5];
    double v[5];
    struct ew_series_blob blob;
    assert_int_equal(ew_series_blob_encode(times, values, 5, &blob, NULL), EW_OK);
    assert_int_equal(ew_series_blob_decode(&blob, t, v, 5, NULL), EW_OK);
    assert_memory_equal(t, times, sizeof times);
    assert_memory_equal(v, values, sizeof values);
    free(blob.data);
}

static void nothing_is_fine(void **state) {
    (void)state;
    struct ew_series_blob blob;
    int64_t t[1] = {0};
    double v[1] = {0};
    assert_int_equal(ew_series_blob_encode(t, v, 0, &blob, NULL), EW_OK);
    assert_int_equal(ew_series_blob_decode(&blob, t, v, 0, NULL), EW_OK);
    free(blob.data);
}

static void damage_is_refused(void **state) {
    (void)state;
    int64_t times[200], t[400];
    for (int i = 0; i < 200; i++) times[i] = (int64_t)i * i * 7919;
    struct ew_series_blob blob;
    assert_int_equal(ew_series_blob_encode(times, NULL, 200, &blob, NULL), EW_OK);
    struct ew_error err;
    size_t noticed = 0;
    for (size_t i = 0; i < blob.size; i++) { /* a flipped bit, or a shorter blob */
        ((uint8_t *)blob.data)[i] ^= 1;
        enum ew_status status = ew_series_blob_decode(&blob, t, NULL, 200, &err);
        if (status == EW_OK) /* a bit that zstd does not use */
            assert_memory_equal(t, times, sizeof times);
        else
            assert_int_equal(status, EW_ERR_FORMAT);
        noticed += status != EW_OK;
        ((uint8_t *)blob.data)[i] ^= 1;
        struct ew_series_blob cut = {.data = blob.data, .size = i, .xxh64 = blob.xxh64};
        assert_int_equal(ew_series_blob_decode(&cut, t, NULL, 200, &err), EW_ERR_FORMAT);
    }
    assert_true(noticed > blob.size - 8);
    assert_int_equal(ew_series_blob_decode(&blob, t, NULL, 199, &err), EW_ERR_FORMAT);
    assert_int_equal(ew_series_blob_decode(&blob, t, NULL, 201, &err), EW_ERR_FORMAT);
    assert_int_equal(ew_series_blob_decode(&blob, t, NULL, SIZE_MAX / 4, &err), EW_ERR_FORMAT);
    assert_int_equal(ew_series_blob_decode(&blob, t, NULL, 200, &err), EW_OK);
    free(blob.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_the_documented_one),
        cmocka_unit_test(extremes_come_back),
        cmocka_unit_test(nothing_is_fine),
        cmocka_unit_test(damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
