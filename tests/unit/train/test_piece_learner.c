/* A vocabulary learned from the words of Sennrich, Haddow and Birch's example, merge by merge as by hand. */
#include "train/piece_learner.h"

#include "token/tokenizer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MARK "\xe2\x96\x81"

/* low 5, lower 2, newest 6, widest 3 times; each with a space before it, a document's first one by the tokenizer. */
static const char words[] =
    "low low low low low lower lower\n<|doc|>\nnewest newest newest newest newest newest\n<|doc|>"
    "\nwidest widest widest";

enum { FIRST_MERGED = 3 + 256, N_CHARS = 12 }; /* characters: ▁ l o w e r n s t i d, and the line ends */

/* Pairs and how often they occur (m: the mark):
 *   m-l l-o o-w 7, w-e 2 + 6 = 8, e-r 2, m-n n-e e-w 6, e-s s-t 6 + 3 = 9, m-w w-i i-d d-e 3, and line ends, once each.
 *   e-s and s-t: e is smaller       "es"   then es-t 9: "est"; w-e is 2 and w-est 6 now
 *   l-o, m-l, o-w 7: l is smallest  "lo"   then lo-w and m-lo 7: "low", then m-low 7: "▁low"
 *   e-w, m-n, n-e, w-est 6: e-w     "ew"   ew-est, n-ew, m-n 6: "ewest"; m-n, n-ewest: n is smaller than m: "newest";
 *                                          m-newest: "▁newest"
 *   d-est, i-d, m-w, w-i 3          "dest" i-dest, m-w, w-i: "idest"; m-w, w-idest: "widest"; "▁widest"
 *   e-r, ▁low-e 2                   "er"   "▁lower" */
static const char *const merged[] = {"es",    "est",    "lo",          "low",         MARK "low",
                                     "ew",    "ewest",  "newest",      MARK "newest", "dest",
                                     "idest", "widest", MARK "widest", "er",          MARK "lower"};
enum { N_MERGED = sizeof merged / sizeof *merged };

static struct ew_vocabulary learn(const char *text, uint32_t n_vocab, uint32_t rare) {
    struct ew_vocabulary v;
    struct ew_error err = {0};
    const struct ew_piece_params params = {.n_vocab = n_vocab, .rare = rare};
    if (ew_pieces_learn(text, strlen(text), &params, &v, &err) != EW_OK) fail_msg("%s", err.message);
    return v;
}

static void test_merges_are_those_by_hand(void **state) {
    (void)state;
    struct ew_vocabulary v = learn(words, FIRST_MERGED + N_MERGED + N_CHARS, 1);
    assert_int_equal(v.n_tokens, FIRST_MERGED + N_MERGED + N_CHARS);
    for (uint32_t i = 0; i < N_MERGED; i++) {
        assert_string_equal(v.tokens[FIRST_MERGED + i].text, merged[i]);
        assert_true(v.tokens[FIRST_MERGED + i].score == -(float)i);
    }
    /* Most frequent first: e 8 in lower and newest twice: 2 + 12 + 3 = 17; w 7 + 6 + 3 = 16; the mark 16, after w. */
    assert_string_equal(v.tokens[FIRST_MERGED + N_MERGED].text, "e");
    assert_string_equal(v.tokens[FIRST_MERGED + N_MERGED + 1].text, "w");
    assert_string_equal(v.tokens[FIRST_MERGED + N_MERGED + 2].text, MARK);
    assert_int_equal(v.tokens[FIRST_MERGED - 1].type, EW_TOKEN_BYTE);
    assert_string_equal(v.tokens[FIRST_MERGED - 1].text, "<0xFF>");
    ew_vocabulary_free(&v);
}

/* Nothing occurs twice any more: the vocabulary stays smaller than it might be. */
static void test_ends_when_nothing_repeats(void **state) {
    (void)state;
    struct ew_vocabulary v = learn(words, 1000, 1);
    assert_int_equal(v.n_tokens, FIRST_MERGED + N_MERGED + N_CHARS);
    ew_vocabulary_free(&v);
}

/* d and i (3) stay pieces, r (2) and the line end (2) are spelled in bytes and join nothing. */
static void test_rare_characters_are_bytes(void **state) {
    (void)state;
    struct ew_vocabulary v = learn(words, 1000, 3);
    assert_int_equal(ew_vocabulary_find(&v, "r"), -1);
    assert_int_equal(ew_vocabulary_find(&v, "er"), -1);
    assert_true(ew_vocabulary_find(&v, "d") > 0);
    ew_vocabulary_free(&v);
}

static void test_refuses_a_vocabulary_without_room(void **state) {
    (void)state;
    struct ew_vocabulary v;
    struct ew_error err = {0};
    const struct ew_piece_params params = {.n_vocab = FIRST_MERGED + N_CHARS - 1, .rare = 1};
    assert_int_equal(ew_pieces_learn(words, strlen(words), &params, &v, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "271"));
}

static void test_words(void **state) {
    (void)state;
    static const char text[] = "I don't 'tis 42 --\"No!\"\nCaf\xc3\xa9  x'";
    static const struct {
        bool spaced;
        const char *text;
    } expected[] = {{false, "I"},           {true, "don't"}, {true, "'"},    {false, "tis"}, {true, ""},
                    {false, "4"},           {false, "2"},    {true, "--\""}, {false, "No"},  {false, "!\"\n"},
                    {false, "Caf\xc3\xa9"}, {true, ""},      {true, "x"},    {false, "'"}};
    size_t at = 0, n, size;
    bool spaced;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true((n = ew_piece_word(text + at, sizeof text - 1 - at, &spaced, &size)) > 0);
        at += n;
        assert_int_equal(spaced, expected[i].spaced);
        assert_int_equal(size, strlen(expected[i].text));
        assert_memory_equal(text + at - size, expected[i].text, size);
    }
    assert_int_equal(at, sizeof text - 1);
    assert_int_equal(ew_piece_word(text + at, 0, &spaced, &size), 0);
}

/* The tokenizer of the engine makes of the words what the learning made of them. */
static void test_engine_reads_the_vocabulary(void **state) {
    (void)state;
    char path[] = "/tmp/edgewise-pieces-XXXXXX";
    const int fd = mkstemp(path);
    struct ew_vocabulary v = learn(words, 1000, 1);
    struct ew_gguf_writer *w = NULL;
    struct ew_gguf *gguf = NULL;
    struct ew_tokenizer *tokenizer = NULL;
    static const char text[] = "lower widest newest slow\xc3\xbc";
    static const char *const pieces[] = {MARK "lower", MARK "widest", MARK "newest", MARK,
                                         "s",          "low",         "<0xC3>",      "<0xBC>"};
    int32_t ids[32];
    size_t n = 0;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(ew_gguf_writer_open(&w, NULL), EW_OK);
    assert_int_equal(ew_vocabulary_put(&v, w, NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_begin(w, path, NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_finish(w, NULL), EW_OK);
    ew_gguf_writer_close(&w);
    assert_int_equal(ew_gguf_open(path, &gguf, NULL), EW_OK);
    assert_int_equal(ew_tokenizer_open(gguf, &tokenizer, NULL), EW_OK);
    assert_int_equal(ew_tokenizer_encode(tokenizer, text, strlen(text), EW_TOKENIZE_ADD_SPECIAL, ids, 32, &n, NULL),
                     EW_OK);
    assert_int_equal(n, 1 + sizeof pieces / sizeof *pieces);
    assert_int_equal(ids[0], 1); /* BOS */
    for (size_t i = 1; i < n; i++) assert_int_equal(ids[i], ew_vocabulary_find(&v, pieces[i - 1]));
    ew_tokenizer_close(&tokenizer);
    ew_gguf_close(&gguf);
    ew_vocabulary_free(&v);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_are_those_by_hand),
        cmocka_unit_test(test_ends_when_nothing_repeats),
        cmocka_unit_test(test_rare_characters_are_bytes),
        cmocka_unit_test(test_refuses_a_vocabulary_without_room),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_engine_reads_the_vocabulary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
