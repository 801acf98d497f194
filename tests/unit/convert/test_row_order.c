/* Orders of rows, worked out by hand for heads of four numbers, and that each is a permutation. */
#include "convert/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ew_hf_config config(uint32_t n_head, uint32_t n_head_kv, uint32_t head_dim) {
    return (struct ew_hf_config){
        .n_head = n_head, .n_head_kv = n_head_kv, .head_dim = head_dim, .n_rot = head_dim, .n_embd = n_head * head_dim};
}

static void expect_order(const struct ew_hf_config *c, enum ew_row_order order, const uint64_t *rows, size_t n) {
    for (size_t i = 0; i < n; i++) assert_int_equal(ew_row_source(c, order, i), rows[i]);
}

static void halves_become_pairs(void **state) {
    (void)state;
    struct ew_hf_config c = config(2, 2, 4);
    expect_order(&c, EW_ROWS_PAIRED, (const uint64_t[]){0, 2, 1, 3, 4, 6, 5, 7}, 8);
    expect_order(&c, EW_ROWS_STORED, (const uint64_t[]){0, 1, 2, 3}, 4);
}

/* Stored head by head, q k v in each: head 0 has rows 0-11, head 1 rows 12-23. */
static void neox_heads_are_taken_apart(void **state) {
    (void)state;
    struct ew_hf_config c = config(2, 2, 4);
    expect_order(
        &c, EW_ROWS_NEOX_QKV,
        (const uint64_t[]){0, 1, 2, 3, 12, 13, 14, 15, 4, 5, 6, 7, 16, 17, 18, 19, 8, 9, 10, 11, 20, 21, 22, 23}, 24);
}

/* Four query heads on two KV heads of two numbers: each group is q q k v, eight rows. */
static void grouped_heads_are_taken_apart(void **state) {
    (void)state;
    struct ew_hf_config c = config(4, 2, 2);
    expect_order(&c, EW_ROWS_GROUPED_Q, (const uint64_t[]){0, 1, 2, 3, 8, 9, 10, 11}, 8);
    expect_order(&c, EW_ROWS_GROUPED_K, (const uint64_t[]){4, 5, 12, 13}, 4);
    expect_order(&c, EW_ROWS_GROUPED_V, (const uint64_t[]){6, 7, 14, 15}, 4);
    c = config(1, 1, 4);
    expect_order(&c, EW_ROWS_GROUPED_Q, (const uint64_t[]){0, 2, 1, 3}, 4);
    expect_order(&c, EW_ROWS_GROUPED_K, (const uint64_t[]){4, 6, 5, 7}, 4);
    expect_order(&c, EW_ROWS_GROUPED_V, (const uint64_t[]){8, 9, 10, 11}, 4);
}

/* Every stored row is taken once, by the order alone or by the three that share a matrix. */
static void nothing_is_lost_or_taken_twice(void **state) {
    (void)state;
    static const enum ew_row_order shared[] = {EW_ROWS_GROUPED_Q, EW_ROWS_GROUPED_K, EW_ROWS_GROUPED_V};
    struct ew_hf_config c = config(12, 3, 10);
    uint64_t q = ew_extent_value(&c, EW_Q), kv = ew_extent_value(&c, EW_KV), qkv = ew_extent_value(&c, EW_QKV);
    uint8_t *seen = calloc((size_t)(3 * q), 1);
    assert_non_null(seen);
    for (uint64_t row = 0; row < q; row++) seen[ew_row_source(&c, EW_ROWS_PAIRED, row)]++;
    for (uint64_t row = 0; row < q; row++) assert_int_equal(seen[row], 1);
    for (size_t i = 0; i < 3; i++)
        for (uint64_t row = 0; row < (i == 0 ? q : kv); row++) {
            uint64_t source = ew_row_source(&c, shared[i], row);
            assert_true(source < qkv);
            seen[source]++;
        }
    for (uint64_t row = 0; row < qkv; row++) assert_int_equal(seen[row], row < q ? 2 : 1);
    free(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_become_pairs),
        cmocka_unit_test(neox_heads_are_taken_apart),
        cmocka_unit_test(grouped_heads_are_taken_apart),
        cmocka_unit_test(nothing_is_lost_or_taken_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
