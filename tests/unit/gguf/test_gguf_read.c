/* The reader on files that tests/fuzz/make_gguf_corpus.py made from the specification: sound ones give the values that
 * script put in, damaged ones are refused with a message that names what is wrong. */
#include "gguf/gguf_read.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *corpus_path(const char *name, char buf[4096]) {
    snprintf(buf, 4096, "%s/tests/fuzz/corpus/gguf/%s.gguf", getenv("EW_SOURCE_DIR"), name);
    return buf;
}

static struct ew_gguf *open_sound(const char *name) {
    char path[4096];
    struct ew_gguf *gguf = NULL;
    struct ew_error err;
    if (ew_gguf_open(corpus_path(name, path), &gguf, &err) != EW_OK) fail_msg("%s", err.message);
    return gguf;
}

static const struct {
    const char *name;
    enum ew_status status;
    const char *message; /* part of it */
} damages[] = {
    {"damaged-empty", EW_ERR_FORMAT, "is empty"},
    {"damaged-magic", EW_ERR_FORMAT, "not a GGUF file"},
    {"damaged-version-1", EW_ERR_UNSUPPORTED, "version 1 is not known (2 and 3 are)"},
    {"damaged-version-4", EW_ERR_UNSUPPORTED, "version 4 is not known (2 and 3 are)"},
    {"damaged-big-endian", EW_ERR_UNSUPPORTED, "big-endian"},
    {"damaged-cut-in-header", EW_ERR_FORMAT, "the header ends beyond the file"},
    {"damaged-cut-in-keys", EW_ERR_FORMAT, "cut or damaged"},
    {"damaged-cut-in-table", EW_ERR_FORMAT, "the tensor table ends beyond the file"},
    {"damaged-cut-in-data", EW_ERR_FORMAT, "tensor t.q4_k: 288 bytes at offset 96 end beyond the file"},
    {"damaged-key-count-huge", EW_ERR_FORMAT, "1152921504606846976 metadata pairs"},
    {"damaged-tensor-count-huge", EW_ERR_FORMAT, "1152921504606846976 tensors"},
    {"damaged-key-empty", EW_ERR_FORMAT, "metadata key 1 of 1 is empty"},
    {"damaged-key-zero-byte", EW_ERR_FORMAT, "key a\\x00b: contains a zero byte"},
    {"damaged-key-length-huge", EW_ERR_FORMAT, "metadata key 1 of 1 ends beyond the file"},
    {"damaged-key-twice", EW_ERR_FORMAT, "key general.architecture: appears twice"},
    {"damaged-value-type", EW_ERR_FORMAT, "key a: value type 13 is not known"},
    {"damaged-value-bool", EW_ERR_FORMAT, "key a: a truth value is neither 0 nor 1"},
    {"damaged-string-length-huge", EW_ERR_FORMAT, "key a: its value ends beyond the file"},
    {"damaged-array-length-huge", EW_ERR_FORMAT, "key a: its value ends beyond the file"},
    {"damaged-array-of-strings-long", EW_ERR_FORMAT, "key a: its value ends beyond the file"},
    {"damaged-array-nested", EW_ERR_UNSUPPORTED, "key a: is an array of arrays"},
    {"damaged-alignment-24", EW_ERR_FORMAT, "general.alignment: 24 is not a power of two"},
    {"damaged-alignment-0", EW_ERR_FORMAT, "general.alignment: 0 is not a power of two"},
    {"damaged-alignment-string", EW_ERR_FORMAT, "general.alignment: is string, should be an integer"},
    {"damaged-tensor-name-empty", EW_ERR_FORMAT, "the name of tensor 1 of 1 has 0 bytes"},
    {"damaged-tensor-name-long", EW_ERR_FORMAT, "the name of tensor 1 of 1 has 65 bytes"},
    {"damaged-tensor-name-escapes", EW_ERR_UNSUPPORTED, "tensor \\x1b[2Jblk.0: type 47"},
    {"damaged-tensor-twice", EW_ERR_FORMAT, "tensor t: appears twice"},
    {"damaged-dims-0", EW_ERR_FORMAT, "tensor t: 0 dimensions"},
    {"damaged-dims-5", EW_ERR_FORMAT, "tensor t: 5 dimensions"},
    {"damaged-dims-huge", EW_ERR_FORMAT, "tensor t: 2147483648 dimensions"},
    {"damaged-dim-zero", EW_ERR_FORMAT, "tensor t: dimension 2 is 0"},
    {"damaged-shape-overflow", EW_ERR_FORMAT, "tensor t: 4294967296 × 4294967296"},
    {"damaged-shape-overflow-to-small", EW_ERR_FORMAT, "is larger than any file"},
    {"damaged-type-47", EW_ERR_UNSUPPORTED, "tensor blk.3.attn_q.weight: type 47 is not known (0–39 are)"},
    {"damaged-type-retired", EW_ERR_UNSUPPORTED, "tensor t: type 31 has been retired"},
    {"damaged-row-not-whole-blocks", EW_ERR_FORMAT, "row length 250 is not a multiple of 256 (Q4_K)"},
    {"damaged-offset-unaligned", EW_ERR_FORMAT, "offset 8 is not a multiple of the alignment, 32"},
    {"damaged-offset-beyond", EW_ERR_FORMAT, "tensor t: 16 bytes at offset 9223372036854775808 end beyond the file"},
    {"damaged-tensor-ends-beyond", EW_ERR_FORMAT, "tensor t: 512 bytes at offset 32 end beyond the file"},
    {"damaged-tensors-overlap", EW_ERR_FORMAT, "tensor u: its data overlaps that of t"},
};

static void damaged_files_are_refused_with_the_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char path[4096];
        struct ew_gguf *gguf = NULL;
        struct ew_error err = {0};
        enum ew_status status = ew_gguf_open(corpus_path(damages[i].name, path), &gguf, &err);
        if (status != damages[i].status || !strstr(err.message, damages[i].message) || !strstr(err.message, path))
            fail_msg("%s: status %s, message `%s`", damages[i].name, ew_status_name(status), err.message);
        assert_null(gguf);
        assert_int_equal(err.status, status);
    }
}

static void sound_file_gives_its_values(void **state) {
    (void)state;
    struct ew_gguf *gguf = open_sound("sound-v3");
    uint64_t u64;
    double f64;
    bool boolean;
    struct ew_gguf_string string;
    assert_int_equal(ew_gguf_version(gguf), 3);
    assert_int_equal(ew_gguf_n_kv(gguf), 14);
    assert_int_equal(ew_gguf_get_string(gguf, "general.architecture", &string, NULL), EW_OK);
    assert_int_equal(string.size, 5);
    assert_memory_equal(string.data, "llama", 5);
    assert_int_equal(ew_gguf_get_u64(gguf, "a.u8", &u64, NULL), EW_OK);
    assert_true(u64 == 200);
    assert_int_equal(ew_gguf_get_u64(gguf, "a.u16", &u64, NULL), EW_OK);
    assert_true(u64 == 60000);
    assert_int_equal(ew_gguf_get_u64(gguf, "a.u32", &u64, NULL), EW_OK);
    assert_true(u64 == 4000000000);
    assert_int_equal(ew_gguf_get_u64(gguf, "a.u64", &u64, NULL), EW_OK);
    assert_true(u64 == (1ull << 63) + 1);
    assert_int_equal(ew_gguf_get_f64(gguf, "a.f32", &f64, NULL), EW_OK);
    assert_true(f64 == 0.5);
    assert_int_equal(ew_gguf_get_f64(gguf, "a.f64", &f64, NULL), EW_OK);
    assert_true(f64 == 1e-300);
    assert_int_equal(ew_gguf_get_bool(gguf, "a.bool", &boolean, NULL), EW_OK);
    assert_true(boolean);
    ew_gguf_close(&gguf);
    assert_null(gguf);
}

static void wrong_kinds_are_named(void **state) {
    (void)state;
    struct ew_gguf *gguf = open_sound("sound-v3");
    struct ew_error err;
    uint64_t u64 = 7;
    double f64;
    bool boolean;
    const struct ew_gguf_kv *array;
    static const char *const negative[] = {"a.i8", "a.i16", "a.i32", "a.i64"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ew_gguf_get_u64(gguf, negative[i], &u64, &err), EW_ERR_FORMAT);
        assert_non_null(strstr(err.message, "is below 0"));
    }
    assert_non_null(strstr(err.message, "-1099511627776"));
    assert_int_equal(ew_gguf_get_u64(gguf, "a.f32", &u64, &err), EW_ERR_FORMAT);
    assert_int_equal(ew_gguf_get_u64(gguf, "a.numbers", &u64, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "is an array of i32, should be an integer"));
    assert_int_equal(ew_gguf_get_u64(gguf, "a.none", &u64, &err), EW_ERR_NOT_FOUND);
    assert_true(u64 == 7);
    assert_int_equal(ew_gguf_get_f64(gguf, "a.u8", &f64, &err), EW_ERR_FORMAT);
    assert_int_equal(ew_gguf_get_bool(gguf, "a.u8", &boolean, &err), EW_ERR_FORMAT);
    assert_int_equal(ew_gguf_get_array(gguf, "a.numbers", EW_GGUF_STRING, &array, &err), EW_ERR_FORMAT);
    ew_gguf_close(&gguf);
}

static void arrays_are_walked(void **state) {
    (void)state;
    struct ew_gguf *gguf = open_sound("sound-v3");
    static const char *const expected[] = {"one", "", "drei ä"};
    const struct ew_gguf_kv *kv;
    struct ew_gguf_string string;
    size_t n = 0;
    assert_int_equal(ew_gguf_get_array(gguf, "a.strings", EW_GGUF_STRING, &kv, NULL), EW_OK);
    for (const uint8_t *cursor = kv->data; ew_gguf_next_string(kv, &cursor, &string); n++) {
        assert_int_equal(string.size, strlen(expected[n]));
        assert_memory_equal(string.data, expected[n], string.size);
    }
    assert_int_equal(n, 3);
    assert_int_equal(ew_gguf_get_array(gguf, "a.numbers", EW_GGUF_I32, &kv, NULL), EW_OK);
    assert_memory_equal(kv->data, ((int32_t[]){1, -2, 3}), 12);
    ew_gguf_close(&gguf);
}

static void tensors_lie_where_the_file_says(void **state) {
    (void)state;
    struct ew_gguf *gguf = open_sound("sound-v3");
    const struct ew_gguf_tensor *t = ew_gguf_find_tensor(gguf, "t.f32");
    assert_int_equal(ew_gguf_n_tensors(gguf), 3);
    assert_true(t->ne[0] == 4 && t->ne[1] == 2 && t->ne[2] == 1 && t->ne[3] == 1 && t->size_bytes == 32);
    for (uint8_t i = 0; i < 32; i++) assert_int_equal(t->data[i], i);
    t = ew_gguf_find_tensor(gguf, "t.q4_k");
    assert_true(t->size_bytes == 288 && t->n_dims == 3);
    assert_ptr_equal(t->data + 288, ew_gguf_map(gguf)->data + ew_gguf_map(gguf)->size);
    assert_null(ew_gguf_find_tensor(gguf, "t.q4"));
    assert_null(ew_gguf_tensor_at(gguf, 3));
    ew_gguf_close(&gguf);
    gguf = open_sound("sound-v2-aligned-64");
    assert_int_equal(ew_gguf_header_bytes(gguf) % 64, 0);
    assert_int_equal(ew_gguf_find_tensor(gguf, "t")->size_bytes, 32);
    ew_gguf_close(&gguf);
}

static void damaged_files_show_what_comes_before_the_fault(void **state) {
    (void)state;
    char path[4096];
    struct ew_gguf *gguf = NULL;
    struct ew_error fault, err = {0};
    assert_int_equal(ew_gguf_open_damaged(corpus_path("damaged-type-47", path), &gguf, &fault, &err), EW_OK);
    assert_int_equal(fault.status, EW_ERR_UNSUPPORTED);
    assert_int_equal(ew_gguf_n_kv(gguf), 14);
    assert_int_equal(ew_gguf_n_tensors(gguf), 1);
    assert_int_equal(ew_gguf_tensor_at(gguf, 0)->type, 47);
    assert_null(ew_gguf_tensor_at(gguf, 0)->data);
    assert_null(ew_gguf_find_kv(gguf, "general.architecture"));
    ew_gguf_close(&gguf);
    assert_int_equal(ew_gguf_open_damaged(corpus_path("damaged-magic", path), &gguf, &fault, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "not a GGUF file"));
    assert_int_equal(ew_gguf_open_damaged("/nonexistent.gguf", &gguf, &fault, &err), EW_ERR_NOT_FOUND);
}

static void strings_print_without_control_characters(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *printed;
    } cases[] = {
        {"plain", "plain"},
        {"drei ä € 😀", "drei ä € 😀"},
        {"\x1b[2J\n", "\\x1b[2J\\x0a"},
        {"\xff\xc3", "\\xff\\xc3"},          /* not UTF-8 */
        {"\xc0\xaf", "\\xc0\\xaf"},          /* overlong */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* a surrogate */
        {"\xc2\x9b", "\\xc2\\x9b"},          /* C1 control sequence introducer */
        {"0123456789012345678901234567890123456789", "0123456789012345678901234567…"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char buf[32];
        struct ew_gguf_string s = {.data = cases[i].bytes, .size = strlen(cases[i].bytes)};
        assert_string_equal(ew_gguf_print_string(s, buf, sizeof buf), cases[i].printed);
    }
}

/* Block sizes from the specification's structs, per 256 elements. */
static void type_sizes_are_those_of_the_specification(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t id;
        size_t bytes_of_256;
    } types[] = {
        {"F32", 0, 1024},   {"F16", 1, 512},     {"Q4_0", 2, 144},  {"Q4_1", 3, 160},    {"Q5_0", 6, 176},
        {"Q5_1", 7, 192},   {"Q8_0", 8, 272},    {"Q8_1", 9, 288},  {"Q2_K", 10, 84},    {"Q3_K", 11, 110},
        {"Q4_K", 12, 144},  {"Q5_K", 13, 176},   {"Q6_K", 14, 210}, {"Q8_K", 15, 292},   {"IQ2_XXS", 16, 66},
        {"IQ2_XS", 17, 74}, {"IQ3_XXS", 18, 98}, {"IQ1_S", 19, 50}, {"IQ4_NL", 20, 144}, {"IQ3_S", 21, 110},
        {"IQ2_S", 22, 82},  {"IQ4_XS", 23, 136}, {"I8", 24, 256},   {"I16", 25, 512},    {"I32", 26, 1024},
        {"I64", 27, 2048},  {"F64", 28, 2048},   {"IQ1_M", 29, 56}, {"BF16", 30, 512},   {"TQ1_0", 34, 54},
        {"TQ2_0", 35, 66},  {"MXFP4", 39, 136},
    };
    size_t known = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        enum ew_type type;
        assert_true(ew_type_by_name(types[i].name, &type));
        assert_int_equal(type, types[i].id);
        assert_int_equal(ew_type_row_bytes(types[i].id, 256), types[i].bytes_of_256);
    }
    for (uint32_t id = 0; id < 64; id++) known += ew_type_traits(id) != NULL;
    assert_int_equal(known, sizeof types / sizeof *types);
    assert_int_equal(ew_type_row_bytes(12, 255), 0);
    assert_int_equal(ew_type_row_bytes(28, SIZE_MAX / 4), 0);
    assert_int_equal(ew_type_row_bytes(47, 256), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_files_are_refused_with_the_reason),
        cmocka_unit_test(sound_file_gives_its_values),
        cmocka_unit_test(wrong_kinds_are_named),
        cmocka_unit_test(arrays_are_walked),
        cmocka_unit_test(tensors_lie_where_the_file_says),
        cmocka_unit_test(damaged_files_show_what_comes_before_the_fault),
        cmocka_unit_test(strings_print_without_control_characters),
        cmocka_unit_test(type_sizes_are_those_of_the_specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
