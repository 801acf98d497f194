/* Prompt lookup against texts worked out by hand, and against a plain search over all positions. */
#include "engine/draft_lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 512 };

static struct ew_draft_lookup *open_with(const int32_t *ids, size_t n) {
    struct ew_draft_lookup *l = NULL;
    assert_int_equal(ew_draft_lookup_open(ROOM, &l, NULL), EW_OK);
    for (size_t i = 0; i < n; i++) ew_draft_lookup_add(l, ids[i]);
    return l;
}

static void expect(const struct ew_draft_lookup *l, uint32_t matched, const int32_t *want, uint32_t most) {
    int32_t draft[ROOM];
    uint32_t got_matched = 0;
    assert_int_equal(ew_draft_lookup_find(l, most, draft, &got_matched), matched > 0 ? most : 0);
    if (matched == 0) return;
    assert_int_equal(got_matched, matched);
    assert_memory_equal(draft, want, most * sizeof *want);
}
#define EXPECT(ids, matched, most, ...)                                                                                \
    do {                                                                                                               \
        struct ew_draft_lookup *l_ = open_with(ids, sizeof(ids) / sizeof *(ids));                                      \
        expect(l_, matched, (const int32_t[]){__VA_ARGS__}, most);                                                     \
        ew_draft_lookup_close(&l_);                                                                                    \
        assert_null(l_);                                                                                               \
    } while (0)

static void test_texts_by_hand(void **state) {
    (void)state;
    const int32_t one[] = {7}, two[] = {7, 8}, fresh[] = {1, 2, 3, 4, 5};
    EXPECT(one, 0, 3, 0);
    EXPECT(two, 0, 3, 0);
    EXPECT(fresh, 0, 3, 0);
    const int32_t single[] = {1, 2, 9, 3, 2}; /* one token alone is no match */
    EXPECT(single, 0, 3, 0);
    const int32_t pair[] = {1, 2, 3, 4, 9, 1, 2};
    EXPECT(pair, 2, 3, 3, 4, 9);
    const int32_t triple[] = {5, 1, 2, 3, 8, 6, 1, 2, 3};
    EXPECT(triple, 3, 2, 8, 6);
    const int32_t latest[] = {1, 2, 30, 1, 2, 31, 1, 2};
    EXPECT(latest, 2, 1, 31);
    const int32_t longer_wins[] = {4, 1, 2, 30, 5, 1, 2, 31, 4, 1, 2};
    EXPECT(longer_wins, 3, 1, 30);
    const int32_t beyond_four[] = {0, 1, 2, 3, 4, 30, 9, 1, 2, 3, 4, 31, 0, 1, 2, 3, 4}; /* five agree, four count */
    EXPECT(beyond_four, 4, 1, 31);
    const int32_t far_ids[] = {2147483647, 0, 5, 2147483647, 0};
    EXPECT(far_ids, 2, 1, 5);
}

/* A match that ends where the text does goes on with its own draft. */
static void test_repetitions_go_on(void **state) {
    (void)state;
    const int32_t same[] = {7, 7, 7}, alternating[] = {1, 2, 1, 2}, three[] = {1, 2, 3, 1, 2, 3, 1};
    EXPECT(same, 2, 5, 7, 7, 7, 7, 7);
    EXPECT(alternating, 2, 5, 1, 2, 1, 2, 1);
    EXPECT(three, 4, 7, 2, 3, 1, 2, 3, 1, 2);
}

/* The latest of the longest matches of up to four tokens, by looking everywhere. */
static uint32_t search(const int32_t *ids, uint32_t n, uint32_t *after) {
    uint32_t longest = 0;
    for (uint32_t end = 1; end < n; end++) {
        uint32_t same = 0;
        while (same < 4 && same < end && ids[end - 1 - same] == ids[n - 1 - same]) same++;
        if (same < 2 || same < longest) continue;
        longest = same;
        *after = end;
    }
    return longest;
}

static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Adding, and forgetting again in pieces, leaves what a plain search over what is left finds. */
static void test_same_as_a_plain_search(void **state) {
    (void)state;
    int32_t ids[ROOM], draft[4];
    uint64_t random = 5;
    uint32_t n = 0, found = 0;
    struct ew_draft_lookup *l = open_with(NULL, 0);
    for (int i = 0; i < 20000; i++) {
        if (n == ROOM || next_random(&random) % 40 == 0) {
            n = next_random(&random) % (n + 1);
            ew_draft_lookup_keep(l, n);
        } else {
            ids[n] = (int32_t)(next_random(&random) % 40);
            ew_draft_lookup_add(l, ids[n++]);
        }
        assert_int_equal(ew_draft_lookup_n_tokens(l), n);
        uint32_t after = 0, matched = 0, want = n < 2 ? 0 : search(ids, n, &after);
        assert_int_equal(ew_draft_lookup_find(l, 1, draft, &matched), want > 0 ? 1 : 0);
        if (want == 0) continue;
        assert_int_equal(matched, want);
        assert_int_equal(draft[0], ids[after]);
        found++;
    }
    assert_true(found > 1000);
    ew_draft_lookup_close(&l);
}

static void test_size_is_bounded(void **state) {
    (void)state;
    assert_int_equal(ew_draft_lookup_bytes(1), 8 + 4 * 256);
    assert_int_equal(ew_draft_lookup_bytes(4096), 8 * 4096 + 4 * 4096);
    assert_int_equal(ew_draft_lookup_bytes(5000), 8 * 5000 + 4 * 8192);
    assert_int_equal(ew_draft_lookup_bytes(1 << 20), (8u << 20) + 4 * 65536);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_by_hand),
        cmocka_unit_test(test_repetitions_go_on),
        cmocka_unit_test(test_same_as_a_plain_search),
        cmocka_unit_test(test_size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
