/* Checked sizes and the bounds-checked cursor: values at the edges, and nothing moves on failure. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void sizes_do_not_wrap(void **state) {
    (void)state;
    size_t out;
    assert_true(ew_mul_size(3, 5, &out) && out == 15);
    assert_true(ew_mul_size(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    assert_true(ew_mul_size(SIZE_MAX, 0, &out) && out == 0);
    assert_false(ew_mul_size(SIZE_MAX, 2, &out));
    assert_false(ew_mul_size((size_t)1 << 32, (size_t)1 << 32, &out));
    assert_true(ew_add_size(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_false(ew_add_size(SIZE_MAX, 1, &out));
}

static void alignment_rounds_up(void **state) {
    (void)state;
    static const struct {
        size_t size, align, expected;
    } cases[] = {{0, 32, 0}, {1, 32, 32}, {32, 32, 32}, {33, 32, 64}, {7, 1, 7}, {SIZE_MAX - 63, 64, SIZE_MAX - 63}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t out;
        assert_true(ew_align_size(cases[i].size, cases[i].align, &out));
        assert_int_equal(out, cases[i].expected);
    }
    size_t out;
    assert_false(ew_align_size(SIZE_MAX - 62, 64, &out));
    assert_false(ew_align_size(SIZE_MAX, 2, &out));
}

static void values_are_little_endian_at_any_alignment(void **state) {
    (void)state;
    static const uint8_t data[] = {0xff, 0x01, 0x02, 0x11, 0x12, 0x13, 0x14, 1, 2, 3, 4, 5, 6, 7, 8};
    struct ew_bytes b = {.data = data, .size = sizeof data};
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    assert_true(ew_bytes_u8(&b, &u8) && u8 == 0xff);
    assert_true(ew_bytes_u16(&b, &u16) && u16 == 0x0201);
    assert_true(ew_bytes_u32(&b, &u32) && u32 == 0x14131211);
    assert_true(ew_bytes_u64(&b, &u64) && u64 == 0x0807060504030201);
    assert_int_equal(b.pos, sizeof data);
    assert_false(ew_bytes_u8(&b, &u8));
}

/* The bytes lie at the very end of their allocation, so that the address sanitizer sees a read too many. */
static void reading_past_the_end_fails_and_moves_nothing(void **state) {
    (void)state;
    for (size_t n = 0; n < 8; n++) {
        uint8_t *data = calloc(1, n ? n : 1);
        assert_non_null(data);
        struct ew_bytes b = {.data = data, .size = n};
        uint64_t u64 = 42;
        assert_false(ew_bytes_u64(&b, &u64));
        assert_int_equal(u64, 42);
        assert_int_equal(b.pos, 0);
        assert_null(ew_bytes_take(&b, n + 1));
        assert_null(ew_bytes_take(&b, SIZE_MAX));
        assert_ptr_equal(ew_bytes_take(&b, n), data);
        assert_non_null(ew_bytes_take(&b, 0));
        assert_null(ew_bytes_take(&b, SIZE_MAX)); /* pos + n would wrap */
        assert_int_equal(b.pos, n);
        free(data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(alignment_rounds_up),
        cmocka_unit_test(values_are_little_endian_at_any_alignment),
        cmocka_unit_test(reading_past_the_end_fails_and_moves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
