/* Tokenizing with vocabularies small enough to work out by hand: see token_fixture.h for their tokens. */
#include "token_fixture.h"

enum { BOTH = EW_TOKENIZE_ADD_SPECIAL | EW_TOKENIZE_PARSE_SPECIAL, MAX_IDS = 64 };

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

static void expect(const struct opened *o, const char *text, unsigned flags, const int32_t *ids, size_t n) {
    int32_t got[MAX_IDS];
    size_t n_got = 99;
    struct ew_error err;
    if (ew_tokenizer_encode(o->tokenizer, text, strlen(text), flags, got, MAX_IDS, &n_got, &err))
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(n_got, n);
    assert_memory_equal(got, ids, n * sizeof *ids);
}

static void expect_piece(const struct opened *o, int32_t id, bool special, const char *bytes) {
    char buf[32];
    size_t n = ew_tokenizer_token_bytes(o->tokenizer, id, special, buf, sizeof buf);
    assert_int_equal(n, strlen(bytes));
    assert_memory_equal(buf, bytes, n);
}

static void spm_merges_by_score_then_leftmost(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    open_built(&o);
    expect(&o, "ab", 0, IDS(263));            /* a+b, then space+ab */
    expect(&o, "aba", 0, IDS(259, 260, 264)); /* ba scores above ab */
    expect(&o, "abab", 0, IDS(259, 260, 264, 261));
    expect(&o, "ab ab", 0, IDS(263, 263));
    expect(&o, "aaa", 0, IDS(259, 265, 260));      /* two equal pairs: the left one */
    expect(&o, "\xc3\xa9", 0, IDS(259, 198, 172)); /* no token: bytes C3 A9 */
    expect(&o, "\xc3(", 0, IDS(259, 198, 43));     /* no character: bytes too */
    expect(&o, "", BOTH, IDS(1));
    size_t n = 99;
    assert_int_equal(ew_tokenizer_encode(o.tokenizer, NULL, 0, 0, NULL, 0, &n, NULL), EW_OK);
    assert_int_equal(n, 0);
    close_opened(&o);
}

static void spm_finds_special_tokens(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    open_built(&o);
    expect(&o, "a</s>b", EW_TOKENIZE_PARSE_SPECIAL, IDS(259, 260, 2, 259, 261));
    expect(&o, "<s>ab", BOTH, IDS(1, 1, 263));
    expect(&o, "<s>", 0, IDS(259, 268, 271));                /* its letters merge, but never into the control token */
    expect(&o, "a<tool>a", 0, IDS(259, 260, 266, 259, 260)); /* user-defined: always */
    expect(&o, "<tool>xa", 0, IDS(267, 259, 260));           /* the longest */
    expect(&o, "<too", 0, IDS(259, 268, 119, 114, 114));
    expect(&o, "<unk>", EW_TOKENIZE_PARSE_SPECIAL, IDS(0));
    close_opened(&o);
}

static void spm_keys_change_what_is_added(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    put_kv_bool(&o.fixture, "tokenizer.ggml.add_space_prefix", false);
    put_kv_bool(&o.fixture, "tokenizer.ggml.add_bos_token", false);
    put_kv_bool(&o.fixture, "tokenizer.ggml.add_eos_token", true);
    open_built(&o);
    expect(&o, "ab", EW_TOKENIZE_ADD_SPECIAL, IDS(262, 2));
    assert_false(ew_tokenizer_adds_bos(o.tokenizer));
    assert_false(ew_tokenizer_strips_first_space(o.tokenizer));
    close_opened(&o);

    build_spm(&o.fixture);
    open_built(&o);
    assert_true(ew_tokenizer_adds_bos(o.tokenizer));
    assert_true(ew_tokenizer_strips_first_space(o.tokenizer));
    assert_int_equal(ew_tokenizer_bos(o.tokenizer), 1);
    assert_int_equal(ew_tokenizer_eos(o.tokenizer), 2);
    assert_int_equal(ew_tokenizer_n_vocab(o.tokenizer), N_SPM);
    close_opened(&o);
}

static void phi3_strips_blanks_after_special_tokens(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    put_kv_string(&o.fixture, "general.name", "Some Phi-3 mini");
    open_built(&o);
    expect(&o, "</s> \n ab", EW_TOKENIZE_PARSE_SPECIAL, IDS(2, 263));
    expect(&o, "<s> ab", EW_TOKENIZE_PARSE_SPECIAL, IDS(1, 259, 263)); /* but not after <s> */
    close_opened(&o);
}

static void spm_pieces_are_text(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    open_built(&o);
    expect_piece(&o, 263, false, " ab");
    expect_piece(&o, 198, false, "\xc3");
    expect_piece(&o, 1, false, "");
    expect_piece(&o, 1, true, "<s>");
    expect_piece(&o, 266, false, "<tool>");
    expect_piece(&o, 273, false, "");
    expect_piece(&o, -1, true, "");
    expect_piece(&o, N_SPM, true, "");
    char one[1];
    assert_int_equal(ew_tokenizer_token_bytes(o.tokenizer, 263, false, one, 1), 3); /* the size needed */
    assert_int_equal(one[0], ' ');
    assert_int_equal(ew_tokenizer_token_bytes(o.tokenizer, 266, false, NULL, 0), 6);
    close_opened(&o);
}

static void end_tokens_come_from_keys_and_names(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    put_kv_u32(&o.fixture, "tokenizer.ggml.eot_token_id", 270);
    put_kv_u32(&o.fixture, "tokenizer.ggml.eom_token_id", 271);
    open_built(&o);
    const int32_t ends[] = {2, 270, 271, 272}, others[] = {0, 1, 260, -1, N_SPM};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) assert_true(ew_tokenizer_is_end(o.tokenizer, ends[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(ew_tokenizer_is_end(o.tokenizer, others[i]));
    expect_piece(&o, 272, false, ""); /* <|im_end|> is a control token, whatever its type says */
    expect(&o, "<|im_end|>", EW_TOKENIZE_PARSE_SPECIAL, IDS(272));
    close_opened(&o);
}

static void spm_collapses_spaces_where_the_file_says(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    put_kv_bool(&o.fixture, "tokenizer.ggml.remove_extra_whitespaces", true);
    open_built(&o);
    expect(&o, "  ab   ab  ", 0, IDS(263, 263)); /* as SentencePiece: one between, none around, one before */
    expect(&o, "   ", 0, NULL, 0);
    expect(&o, " a<tool>  ab", 0, IDS(259, 260, 266, 263));
    expect(&o, "<tool>  ", 0, IDS(266));
    expect(&o, "  <tool>", 0, IDS(259, 266)); /* not at the end of the text: the prefix stays */
    close_opened(&o);

    build_spm(&o.fixture);
    put_kv_bool(&o.fixture, "tokenizer.ggml.remove_extra_whitespaces", true);
    put_kv_bool(&o.fixture, "tokenizer.ggml.add_space_prefix", false);
    open_built(&o);
    expect(&o, "  ab   ab ", 0, IDS(262, 263));
    close_opened(&o);
}

static void gap_tokens_come_from_keys_and_names(void **state) {
    (void)state;
    struct opened o;
    build_spm(&o.fixture);
    put_kv_u32(&o.fixture, "tokenizer.ggml.prefix_token_id", 266); /* the older name of the key */
    put_kv_u32(&o.fixture, "tokenizer.ggml.fim_suf_token_id", 267);
    put_kv_u32(&o.fixture, "tokenizer.ggml.fim_sep_token_id", 268);
    open_built(&o);
    assert_int_equal(ew_tokenizer_fim(o.tokenizer, EW_FIM_PREFIX), 266);
    assert_int_equal(ew_tokenizer_fim(o.tokenizer, EW_FIM_SUFFIX), 267);
    assert_int_equal(ew_tokenizer_fim(o.tokenizer, EW_FIM_MIDDLE), 274);
    assert_int_equal(ew_tokenizer_fim(o.tokenizer, EW_FIM_PAD), -1); /* <PAD> is plain text here */
    assert_int_equal(ew_tokenizer_fim(o.tokenizer, EW_N_FIM), -1);
    assert_true(ew_tokenizer_is_end(o.tokenizer, 268));
    assert_false(ew_tokenizer_is_end(o.tokenizer, 274));
    assert_false(ew_tokenizer_is_end(o.tokenizer, 275));
    close_opened(&o);
}

static void guesses_are_noted(void **state) {
    (void)state;
    static const struct {
        const char *pre, *note;
    } cases[] = {
        {"gpt-2", ""},
        {NULL, "tokenizer.ggml.pre is missing: text is cut into words as for gpt-2"},
        {"no-such\x1brule",
         "tokenizer.ggml.pre: `no-such\\x1brule` is not known: text is cut into words as for gpt-2, and "
         "some ids may differ from the model's own"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opened o;
        build_bpe(&o.fixture, cases[i].pre);
        open_built(&o);
        assert_string_equal(ew_tokenizer_note(o.tokenizer), cases[i].note);
        expect(&o, "abc ab", 0, IDS(259, 258));
        close_opened(&o);
    }
}

static void bpe_merges_by_rank(void **state) {
    (void)state;
    struct opened o;
    build_bpe(&o.fixture, NULL); /* no pre: GPT-2's words */
    open_built(&o);
    expect(&o, "ab", 0, IDS(256));
    expect(&o, " ab", 0, IDS(258)); /* a+b comes before space+a */
    expect(&o, " a", 0, IDS(257));
    expect(&o, "abc ab", 0, IDS(259, 258));
    expect(&o, "aaaaa", 0, IDS(264, 'a'));
    expect(&o, "hello", 0, IDS('h', 'e', 'l', 'l', 'o'));
    expect(&o, "\xc3\xa9\xff", 0, IDS(0xc3, 0xa9, 0xff));
    expect(&o, "q<u>ab", BOTH, IDS('q', 261, 256)); /* BPE adds no BOS unless asked to */
    expect(&o, "<|endoftext|>", EW_TOKENIZE_PARSE_SPECIAL, IDS(260));
    expect(&o, "</s>", EW_TOKENIZE_PARSE_SPECIAL, IDS('<', '/', 's', '>')); /* no control token here */
    assert_false(ew_tokenizer_is_end(o.tokenizer, 265));
    int32_t got[MAX_IDS];
    size_t n;
    assert_int_equal(ew_tokenizer_encode(o.tokenizer, "<|endoftext|>", 13, 0, got, MAX_IDS, &n, NULL), EW_OK);
    assert_int_equal(n, 13);
    assert_true(ew_tokenizer_is_end(o.tokenizer, 260));
    assert_false(ew_tokenizer_strips_first_space(o.tokenizer));
    close_opened(&o);
}

/* The three bytes of U+FFFD in the fixture's vocabulary are their own ids. */
static void bytes_without_tokens_are_broken_text(void **state) {
    (void)state;
    struct opened o;
    build_bpe_without(&o.fixture, 0xff);
    open_built(&o);
    expect(&o, "ab\xff", 0, IDS(256, 0xef, 0xbf, 0xbd));
    expect(&o, "\xc3\xff\xffz", 0, IDS(0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd, 'z'));
    expect(&o, "\xc3z", 0, IDS(0xc3, 'z')); /* it has a token: it stays what it is */
    close_opened(&o);

    build_bpe_without(&o.fixture, 'z');
    open_built(&o);
    struct ew_error err;
    size_t n;
    assert_int_equal(ew_tokenizer_encode(o.tokenizer, "abz", 3, 0, NULL, 0, &n, &err), EW_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "text: byte 0x7a has no token in this vocabulary");
    close_opened(&o);

    build_bpe_without(&o.fixture, 0xbf); /* not even U+FFFD can be written */
    open_built(&o);
    assert_int_equal(ew_tokenizer_encode(o.tokenizer, "\xbf", 1, 0, NULL, 0, &n, &err), EW_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "text: byte 0xbf has no token in this vocabulary");
    close_opened(&o);
}

static void llama3_takes_whole_words_and_adds_bos(void **state) {
    (void)state;
    struct opened o;
    build_bpe(&o.fixture, "llama-bpe");
    open_built(&o);
    expect(&o, "hello ab", BOTH, IDS(260, 262, 258));
    close_opened(&o);
}

static void bpe_pieces_are_bytes(void **state) {
    (void)state;
    struct opened o;
    build_bpe(&o.fixture, "gpt-2");
    open_built(&o);
    expect_piece(&o, 258, false, " ab");
    expect_piece(&o, 0xad, false, "\xad");
    expect_piece(&o, 260, false, "");
    expect_piece(&o, 260, true, "<|endoftext|>");
    for (int byte = 0; byte < 256; byte++) {
        char buf[4];
        assert_int_equal(ew_tokenizer_token_bytes(o.tokenizer, byte, false, buf, sizeof buf), 1);
        assert_int_equal((uint8_t)buf[0], byte);
    }
    close_opened(&o);
}

static void too_little_room_still_counts(void **state) {
    (void)state;
    struct opened o;
    build_bpe(&o.fixture, "gpt-2");
    open_built(&o);
    int32_t ids[3] = {-7, -7, -7};
    size_t n = 0;
    struct ew_error err;
    assert_int_equal(ew_tokenizer_encode(o.tokenizer, "ab ab ab", 8, 0, ids, 2, &n, &err), EW_ERR_LIMIT);
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], 256);
    assert_int_equal(ids[1], 258);
    assert_int_equal(ids[2], -7);
    assert_int_equal(ew_tokenizer_encode(o.tokenizer, "ab", 2, 64, ids, 2, &n, &err), EW_ERR_ARGUMENT);
    close_opened(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spm_merges_by_score_then_leftmost),
        cmocka_unit_test(spm_finds_special_tokens),
        cmocka_unit_test(spm_keys_change_what_is_added),
        cmocka_unit_test(phi3_strips_blanks_after_special_tokens),
        cmocka_unit_test(spm_pieces_are_text),
        cmocka_unit_test(end_tokens_come_from_keys_and_names),
        cmocka_unit_test(spm_collapses_spaces_where_the_file_says),
        cmocka_unit_test(gap_tokens_come_from_keys_and_names),
        cmocka_unit_test(guesses_are_noted),
        cmocka_unit_test(bpe_merges_by_rank),
        cmocka_unit_test(bytes_without_tokens_are_broken_text),
        cmocka_unit_test(llama3_takes_whole_words_and_adds_bos),
        cmocka_unit_test(bpe_pieces_are_bytes),
        cmocka_unit_test(too_little_room_still_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
