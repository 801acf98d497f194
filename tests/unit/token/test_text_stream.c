/* Characters cut at every place come out whole. Expectations: The Unicode Standard 15, tables 3-8 to 3-11. */
#include "edgewise/text_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define R "\xef\xbf\xbd"

static const struct {
    const char *in, *out;
} cases[] = {
    {"", ""},
    {"plain", "plain"},
    {"h\xc3\xa9llo \xe6\xbc\xa2\xf0\x9f\xa6\x99.", "h\xc3\xa9llo \xe6\xbc\xa2\xf0\x9f\xa6\x99."},
    {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
     "A",
     R R R R R R R R "A"}, /* table 3-8: overlong forms */
    {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
     "A",
     R R R R R R R R "A"}, /* table 3-9: surrogates */
    {"\xf4\x91\x92\x93\xff"
     "A\x80\xbf"
     "B",
     R R R R R "A" R R "B"}, /* table 3-10: others */
    {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
     "A",
     R R R R "A"}, /* table 3-11: cut short */
    {"\xf1\x80\x80\xe1\x80\xc2"
     "b\x80"
     "c\x80\xbf"
     "d",
     R R R "b" R "c" R R "d"}, /* the example above them */
    {"\xf0\x9f\xa6", R},       /* the end comes too early */
    {"\xe6\xbc\xe6\xbc\xa2", R "\xe6\xbc\xa2"},
    {"\xc3\xc3\xc3", R R R},
    {"\xf4\x8f\xbf\xbf\xf4\x90", "\xf4\x8f\xbf\xbf" R R}, /* the last code point, and one beyond */
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* Feeds text cut into pieces of so many bytes and checks that every output is whole characters. */
static size_t stream_in_pieces(const char *in, size_t n, size_t piece, char *out) {
    struct ew_text_stream stream = {0};
    size_t written = 0;
    for (size_t at = 0; at < n; at += piece) {
        const size_t size = n - at < piece ? n - at : piece;
        const size_t now = ew_text_stream_add(&stream, in + at, size, out + written);
        assert_true(now <= EW_TEXT_STREAM_ROOM(size));
        if (now) assert_true(((uint8_t)out[written] & 0xc0) != 0x80); /* no output begins inside a character */
        written += now;
        assert_true(stream.n_held < 4);
    }
    const size_t last = ew_text_stream_end(&stream, out + written);
    assert_int_equal(stream.n_held, 0);
    return written + last;
}

static void broken_bytes_become_replacement_characters(void **state) {
    (void)state;
    char out[256];
    for (size_t i = 0; i < N_CASES; i++)
        for (size_t piece = 1; piece < 16; piece++) {
            const size_t n = stream_in_pieces(cases[i].in, strlen(cases[i].in), piece, out);
            if (n != strlen(cases[i].out) || memcmp(out, cases[i].out, n) != 0)
                fail_msg("case %zu in pieces of %zu: `%.*s`", i, piece, (int)n, out);
        }
}

static void nothing_waits_longer_than_needed(void **state) {
    (void)state;
    struct ew_text_stream stream = {0};
    char out[64];
    assert_int_equal(ew_text_stream_add(&stream, "a\xf0\x9f", 3, out), 1);
    assert_int_equal(ew_text_stream_add(&stream, NULL, 0, out), 0);
    assert_int_equal(ew_text_stream_add(&stream, "\xa6", 1, out), 0);
    assert_int_equal(ew_text_stream_add(&stream, "\x99", 1, out), 4);
    assert_memory_equal(out, "\xf0\x9f\xa6\x99", 4);
    assert_int_equal(ew_text_stream_add(&stream, "\xf0\x9f", 2, out), 0);
    assert_int_equal(ew_text_stream_add(&stream, "b", 1, out), 4); /* no character begins so: decided at once */
    assert_memory_equal(out, R "b", 4);
    assert_int_equal(ew_text_stream_add(&stream, "\xed", 1, out), 0);
    assert_int_equal(ew_text_stream_add(&stream, "\xa0", 1, out), 6);
    assert_int_equal(ew_text_stream_end(&stream, out), 0);
}

/* Whatever the bytes and the cuts, the joined output is that of the whole. */
static void cuts_do_not_change_the_text(void **state) {
    (void)state;
    static const uint8_t bytes[] = {'a', 0x80, 0xbf, 0xc2, 0xe0, 0xa0, 0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f, 0xff};
    srand(3);
    for (int round = 0; round < 3000; round++) {
        char in[32], whole[EW_TEXT_STREAM_ROOM(32)], cut[EW_TEXT_STREAM_ROOM(32)];
        for (size_t i = 0; i < sizeof in; i++) in[i] = (char)bytes[(size_t)rand() % sizeof bytes];
        const size_t n_whole = stream_in_pieces(in, sizeof in, sizeof in, whole);
        const size_t n_cut = stream_in_pieces(in, sizeof in, 1 + (size_t)rand() % 5, cut);
        assert_int_equal(n_whole, n_cut);
        assert_memory_equal(whole, cut, n_whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_bytes_become_replacement_characters),
        cmocka_unit_test(nothing_waits_longer_than_needed),
        cmocka_unit_test(cuts_do_not_change_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
