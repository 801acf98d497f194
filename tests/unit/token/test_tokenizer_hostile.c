/* Metadata that contradicts itself, random damage, random text: clear errors, nothing out of bounds (run it under
 * ASan and UBSan), and every byte comes back. */
#include "token_fixture.h"

#include <time.h>

/* A GPT-2 file with four tokens; the caller adds what is wrong with it. */
static void build_small(struct fixture *f, const char *model, const char *third) {
    fixture_begin(f);
    put_kv_string(f, "tokenizer.ggml.model", model);
    put_kv_array(f, "tokenizer.ggml.tokens", EW_GGUF_STRING, 4);
    put_text(f, "a", 1);
    put_text(f, "b", 1);
    put_text(f, third, strlen(third));
    put_text(f, "", 0);
}

static void put_merges(struct fixture *f, const char *merge) {
    put_kv_array(f, "tokenizer.ggml.merges", EW_GGUF_STRING, 1);
    put_text(f, merge, strlen(merge));
}

static void expect_error(struct opened *o, enum ew_status status, const char *part) {
    assert_int_equal(try_open(o), status);
    assert_null(o->tokenizer);
    if (!strstr(o->err.message, part)) fail_msg("`%s` does not say `%s`", o->err.message, part);
    close_opened(o);
}

static void wrong_metadata_is_named(void **state) {
    (void)state;
    struct opened o;
    fixture_begin(&o.fixture);
    put_kv_string(&o.fixture, "general.name", "nothing");
    expect_error(&o, EW_ERR_NOT_FOUND, "has no tokenizer");
    build_small(&o.fixture, "bert", "ab");
    expect_error(&o, EW_ERR_UNSUPPORTED, "tokenizer `bert` (tokenizer.ggml.model) is not supported");
    fixture_begin(&o.fixture);
    put_kv_string(&o.fixture, "tokenizer.ggml.model", "llama");
    expect_error(&o, EW_ERR_FORMAT, "tokenizer.ggml.tokens is missing");
    fixture_begin(&o.fixture);
    put_kv_string(&o.fixture, "tokenizer.ggml.model", "llama");
    put_kv_array(&o.fixture, "tokenizer.ggml.tokens", EW_GGUF_STRING, 0);
    expect_error(&o, EW_ERR_FORMAT, "0 tokens");
    build_small(&o.fixture, "gpt2", "ab");
    expect_error(&o, EW_ERR_FORMAT, "tokenizer.ggml.merges is missing");
    build_small(&o.fixture, "gpt2", "ab");
    put_merges(&o.fixture, "a b");
    put_kv_string(&o.fixture, "tokenizer.ggml.pre", "gemma4"); /* known, and not of this kind */
    expect_error(&o, EW_ERR_UNSUPPORTED, "`gemma4`");
    build_small(&o.fixture, "gpt2", "ab");
    put_merges(&o.fixture, "ab");
    expect_error(&o, EW_ERR_FORMAT, "tokenizer.ggml.merges[0]");
}

static void wrong_arrays_and_ids_are_named(void **state) {
    (void)state;
    struct opened o;
    build_small(&o.fixture, "llama", "ab");
    put_kv_array(&o.fixture, "tokenizer.ggml.scores", EW_GGUF_F32, 3);
    for (int i = 0; i < 3; i++) put_u32(&o.fixture, 0);
    expect_error(&o, EW_ERR_FORMAT, "tokenizer.ggml.scores: has 3 elements for 4 tokens");
    build_small(&o.fixture, "llama", "ab");
    put_kv_array(&o.fixture, "tokenizer.ggml.token_type", EW_GGUF_I32, 4);
    for (int i = 0; i < 4; i++) put_u32(&o.fixture, i == 2 ? 7 : 1);
    expect_error(&o, EW_ERR_FORMAT, "tokenizer.ggml.token_type[2]: 7");
    build_small(&o.fixture, "llama", "ab");
    put_kv_u32(&o.fixture, "tokenizer.ggml.eos_token_id", 4);
    expect_error(&o, EW_ERR_FORMAT, "tokenizer.ggml.eos_token_id: 4 is outside the vocabulary of 4");
}

static void odd_metadata_is_lived_with(void **state) {
    (void)state;
    struct opened o;
    int32_t ids[8];
    size_t n;
    build_small(&o.fixture, "gpt2", "a"); /* "a" twice: the last one is the token */
    put_merges(&o.fixture, "a zz");       /* names no token: left out */
    put_kv_u32(&o.fixture, "tokenizer.ggml.bos_token_id", UINT32_MAX);
    open_built(&o);
    assert_int_equal(ew_tokenizer_bos(o.tokenizer), -1);
    assert_int_equal(ew_tokenizer_encode(o.tokenizer, "ab", 2, 1, ids, 8, &n, NULL), EW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 1);
    struct ew_error err;
    assert_int_equal(ew_tokenizer_encode(o.tokenizer, "c", 1, 0, ids, 8, &n, &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "0x63"));
    close_opened(&o);

    build_small(&o.fixture, "llama", "\xff\xfe"); /* not UTF-8, no scores, no types, no bytes; 0 is unknown */
    open_built(&o);
    assert_int_equal(ew_tokenizer_encode(o.tokenizer,
                                         "\xff"
                                         "a\xc3\xa9",
                                         4, 0, ids, 8, &n, NULL),
                     EW_OK);
    assert_int_equal(n, 3); /* prefix space and ff, a, one character */
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[2], 0);
    close_opened(&o);
}

/* Encodes some text and decodes every id: nothing may be touched outside. */
static void exercise(const struct ew_tokenizer *tokenizer) {
    static const char text[] = "ab <s><|endoftext|>hello \xff\xc3\xa9 <tool>x abab  \n 123";
    int32_t ids[128];
    char piece[8];
    size_t n;
    (void)ew_tokenizer_encode(tokenizer, text, sizeof text - 1, 3, ids, 128, &n, NULL);
    (void)ew_tokenizer_encode(tokenizer, text, sizeof text - 1, 0, ids, 2, &n, NULL);
    for (uint32_t id = 0; id < ew_tokenizer_n_vocab(tokenizer); id++) {
        (void)ew_tokenizer_token_bytes(tokenizer, (int32_t)id, id & 1, piece, sizeof piece);
        (void)ew_tokenizer_is_end(tokenizer, (int32_t)id);
    }
}

static void random_damage_never_reaches_outside(void **state) {
    (void)state;
    enum { ROUNDS = 1500 };
    srand(7);
    size_t n_opened = 0, n_refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct opened o;
        if (round & 1)
            build_bpe(&o.fixture, "llama-bpe");
        else
            build_spm(&o.fixture);
        for (int hits = 1 + rand() % 3; hits > 0; hits--)
            o.fixture.data[(size_t)rand() % o.fixture.size] ^= (uint8_t)(1u << rand() % 8);
        if (round % 10 == 0) o.fixture.size -= (size_t)rand() % (o.fixture.size / 4);
        /* A block of exactly this size, so that ASan sees the first byte behind it. */
        uint8_t *exact = malloc(o.fixture.size);
        assert_non_null(exact);
        memcpy(exact, o.fixture.data, o.fixture.size);
        free(o.fixture.data);
        o.fixture.data = exact;
        if (try_open(&o) == EW_OK) {
            n_opened++;
            exercise(o.tokenizer);
        } else {
            n_refused++;
            assert_null(o.tokenizer);
            assert_true(o.err.message[0] != 0);
        }
        close_opened(&o);
    }
    print_message("%zu opened, %zu refused\n", n_opened, n_refused);
    assert_true(n_opened > ROUNDS / 20 && n_refused > ROUNDS / 20); /* both ways are tried */
}

static size_t put_char(uint8_t *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(leads[n] | c);
    return n;
}

static void bpe_text_comes_back(void **state) {
    (void)state;
    static const char *const rules[] = {"gpt-2", "llama-bpe", "qwen2", "starcoder", "deepseek-v3", "tekken"};
    srand(11);
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        struct opened o;
        build_bpe(&o.fixture, rules[r]);
        open_built(&o);
        for (int round = 0; round < 200; round++) {
            uint8_t text[600], back[600];
            int32_t ids[600];
            size_t size = 0, n, n_back = 0;
            while (size < 500) {
                const uint32_t limits[] = {0x80, 0x80, 0x3000, 0x110000};
                uint32_t c = (uint32_t)rand() % limits[rand() % 4];
                if (rand() % 4 == 0) c = (uint32_t) "ab c"[rand() % 4];
                if (c >= 0xd800 && c < 0xe000) continue;
                size += put_char(text + size, c);
            }
            assert_int_equal(ew_tokenizer_encode(o.tokenizer, (char *)text, size, 0, ids, 600, &n, NULL), EW_OK);
            for (size_t i = 0; i < n; i++)
                n_back += ew_tokenizer_token_bytes(o.tokenizer, ids[i], true, (char *)back + n_back, 600 - n_back);
            assert_int_equal(n_back, size);
            assert_memory_equal(back, text, size);
        }
        close_opened(&o);
    }
}

/* One word of a million letters: quadratic merging would take hours. */
static void a_long_word_takes_no_quadratic_time(void **state) {
    (void)state;
    enum { SIZE = 1000000 };
    char *text = malloc(SIZE);
    int32_t *ids = malloc(SIZE * sizeof *ids);
    assert_true(text && ids);
    memset(text, 'a', SIZE);
    for (int bpe = 0; bpe < 2; bpe++) {
        struct opened o;
        size_t n;
        if (bpe)
            build_bpe(&o.fixture, "llama-bpe");
        else
            build_spm(&o.fixture);
        open_built(&o);
        const clock_t start = clock();
        assert_int_equal(ew_tokenizer_encode(o.tokenizer, text, SIZE, 0, ids, SIZE, &n, NULL), EW_OK);
        const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        print_message("%s: 1 MB of one letter in %.2f s of CPU\n", bpe ? "BPE" : "SentencePiece", seconds);
        assert_int_equal(n, bpe ? SIZE / 4 : 1 + SIZE / 2); /* aaaa; the space and aa */
        assert_true(seconds < 30);
        close_opened(&o);
    }
    free(text);
    free(ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_metadata_is_named),    cmocka_unit_test(wrong_arrays_and_ids_are_named),
        cmocka_unit_test(odd_metadata_is_lived_with), cmocka_unit_test(random_damage_never_reaches_outside),
        cmocka_unit_test(bpe_text_comes_back),        cmocka_unit_test(a_long_word_takes_no_quadratic_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
