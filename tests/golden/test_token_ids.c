/* Token ids equal those that llama.cpp gave for the same files: whole vocabularies (.inp/.out), cut ones
 * (conformance/vocab-*.json), and the prompts recorded with two trained models. Then text comes back from BPE ids. */
#include "golden_file.h"
#include "token/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_IDS = 4096, MAX_PATH = 4096 };

static const char *env_or(const char *name, const char *fallback) {
    const char *value = getenv(name);
    return value ? value : fallback;
}

struct vocabulary {
    struct ew_gguf *gguf;
    struct ew_tokenizer *tokenizer;
};

/* false when the file is not there. */
static bool open_vocabulary(const char *path, struct vocabulary *v) {
    struct ew_error err;
    *v = (struct vocabulary){0};
    enum ew_status status = ew_gguf_open(path, &v->gguf, &err);
    if (status == EW_ERR_NOT_FOUND) return false;
    if (!status) status = ew_tokenizer_open(v->gguf, &v->tokenizer, &err);
    if (status) fail_msg("%s", err.message);
    return true;
}

static void close_vocabulary(struct vocabulary *v) {
    ew_tokenizer_close(&v->tokenizer);
    ew_gguf_close(&v->gguf);
}

static void check_ids(const struct vocabulary *v, const char *text, size_t size, unsigned flags, const int32_t *ids,
                      size_t n) {
    static int32_t got[MAX_IDS];
    size_t n_got;
    struct ew_error err;
    if (ew_tokenizer_encode(v->tokenizer, text, size, flags, got, MAX_IDS, &n_got, &err))
        fail_msg("%s: %s", ew_gguf_path(v->gguf), err.message);
    bool same = n_got == n;
    for (size_t i = 0; same && i < n; i++) same = got[i] == ids[i];
    if (!same) fail_msg("%s: `%.*s`: %zu ids, expected %zu", ew_gguf_path(v->gguf), (int)size, text, n_got, n);
}

/* ---- whole vocabularies: texts separated by a marker line, one line of ids each ---- */

/* BPE only: ids back to the same bytes. */
static void check_round_trip(const struct vocabulary *v, const char *text, size_t size) {
    static int32_t ids[MAX_IDS];
    static char back[65536];
    size_t n, n_back = 0;
    struct ew_error err;
    if (ew_tokenizer_encode(v->tokenizer, text, size, 0, ids, MAX_IDS, &n, &err)) fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++)
        n_back += ew_tokenizer_token_bytes(v->tokenizer, ids[i], true, back + n_back, sizeof back - n_back);
    assert_int_equal(n_back, size);
    assert_memory_equal(back, text, size);
}

static size_t check_vocabulary(const char *name, const char *vectors, bool bpe) {
    static const char marker[] = "\n__ggml_vocab_test__\n";
    char path[MAX_PATH];
    struct vocabulary v;
    size_t n_texts = 0, size;
    snprintf(path, sizeof path, "%s/data/vocab/ggml-vocab-%s.gguf", env_or("EW_SHARED_DIR", "../shared"), name);
    if (!open_vocabulary(path, &v)) return 0;
    snprintf(path, sizeof path, "%s/data/vocab/ggml-vocab-%s.gguf.inp", env_or("EW_SHARED_DIR", "../shared"), vectors);
    char *texts = golden_read(path, &size);
    strcpy(path + strlen(path) - 4, ".out");
    char *lines = golden_read(path, &size);
    assert_true(texts && lines);
    const char *line = lines;
    for (const char *text = texts; text; n_texts++) {
        const char *end = strstr(text, marker);
        const size_t n_bytes = end ? (size_t)(end - text) : strlen(text);
        int32_t ids[MAX_IDS];
        size_t n = 0;
        const char *line_end = line + strcspn(line, "\n");
        for (char *at; line < line_end; line = at) {
            const long id = strtol(line, &at, 10);
            if (at > line_end || at == line) break;
            ids[n++] = (int32_t)id;
        }
        line = line_end + (*line_end == '\n');
        check_ids(&v, text, n_bytes, 0, ids, n);
        if (bpe) check_round_trip(&v, text, n_bytes);
        text = end ? end + strlen(marker) : NULL;
    }
    assert_int_equal(*line, 0);
    free(texts);
    free(lines);
    close_vocabulary(&v);
    return n_texts;
}

static void whole_vocabularies(void **state) {
    (void)state;
    static const struct {
        const char *name, *vectors;
        bool bpe;
    } all[] = {
        {"llama-spm", "llama-spm", false}, {"phi-3", "phi-3", false},
        {"llama-bpe", "llama-bpe", true},  {"gpt-2", "gpt-2", true},
        {"qwen2", "qwen2", true},          {"qwen2", "deepseek-r1-qwen", true}, /* the same but for special tokens */
        {"starcoder", "starcoder", true},  {"deepseek-coder", "deepseek-coder", true}};
    size_t n_texts = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const size_t n = check_vocabulary(all[i].name, all[i].vectors, all[i].bpe);
        if (n == 0) {
            print_message("skipped: %s is not in ../shared/data/vocab\n", all[i].name);
            skip();
        }
        n_texts += n;
    }
    print_message("%zu texts\n", n_texts);
}

/* ---- texts out of JSON ---- */

static unsigned hex4(const char *p) {
    char digits[5] = {p[0], p[1], p[2], p[3], 0};
    return (unsigned)strtoul(digits, NULL, 16);
}

/* The text behind the next "key": "…" and where to go on; NULL when there is none. Free it. */
static char *next_text(const char **json, const char *key, size_t *size) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *p = strstr(*json, quoted);
    if (!p) return NULL;
    p = strchr(p + strlen(quoted), '"') + 1;
    char *text = malloc(strlen(p) + 1);
    assert_non_null(text);
    size_t n = 0;
    for (; *p != '"'; p++) {
        if (*p != '\\') {
            text[n++] = *p;
            continue;
        }
        static const char from[] = "ntr\"\\/", to[] = "\n\t\r\"\\/";
        const char *escape = strchr(from, *++p);
        if (escape) {
            text[n++] = to[escape - from];
        } else {
            assert_int_equal(*p, 'u'); /* only ASCII is escaped so in these files */
            assert_true(hex4(p + 1) < 0x80);
            text[n++] = (char)hex4(p + 1);
            p += 4;
        }
    }
    text[n] = 0;
    *size = n;
    *json = p;
    return text;
}

/* Checks every text/ids pair of a JSON file; flags of a case: all, less ADD_SPECIAL after "add_bos": false. */
static size_t check_json(const char *json_path, const char *gguf_path, const char *text_key, const char *ids_key,
                         unsigned flags) {
    struct vocabulary v;
    size_t n_cases = 0, size;
    char *json = golden_read(json_path, &size);
    if (!json || !open_vocabulary(gguf_path, &v)) {
        free(json);
        return 0;
    }
    const char *cursor = json;
    for (char *text; (text = next_text(&cursor, text_key, &size)); n_cases++) {
        char ids_mark[64];
        snprintf(ids_mark, sizeof ids_mark, "\"%s\":", ids_key);
        const char *no_bos = strstr(cursor, "\"add_bos\": false"), *ids_at = strstr(cursor, ids_mark);
        if (!ids_at) { /* a later section of the file */
            free(text);
            break;
        }
        int32_t ids[MAX_IDS];
        const unsigned off = no_bos && no_bos < ids_at ? (unsigned)EW_TOKENIZE_ADD_SPECIAL : 0u;
        const char *list = ids_at;
        const char *bracket = strchr(ids_at, '[') + 1;
        while (*bracket == ' ' || *bracket == '\n') bracket++;
        const size_t n = *bracket == ']' ? 0 : golden_ints(&list, ids_key, ids, MAX_IDS);
        check_ids(&v, text, size, flags & ~off, ids, n);
        free(text);
        cursor = bracket;
    }
    free(json);
    close_vocabulary(&v);
    return n_cases;
}

static void cut_vocabularies(void **state) {
    (void)state;
    static const char *const all[][2] = {{"spm", "llama"},           {"llama-bpe", "llama3"}, {"gpt-2", "gpt2"},
                                         {"gpt-neox", "gptneox"},    {"qwen2", "qwen2"},      {"refact", "granite"},
                                         {"starcoder", "starcoder2"}};
    const char *shared = env_or("EW_SHARED_DIR", "../shared");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char json[MAX_PATH], gguf[MAX_PATH];
        snprintf(json, sizeof json, "%s/conformance/vocab-%s.json", shared, all[i][0]);
        snprintf(gguf, sizeof gguf, "%s/conformance/%s-64-f32.gguf", shared, all[i][1]);
        const size_t n = check_json(json, gguf, "text", "ids", EW_TOKENIZE_ADD_SPECIAL | EW_TOKENIZE_PARSE_SPECIAL);
        if (n == 0) {
            print_message("skipped: %s is not there\n", json);
            skip();
        }
        assert_int_equal(n, 9);
    }
}

static void trained_models(void **state) {
    (void)state;
    char json[MAX_PATH], gguf[MAX_PATH];
    const char *source = env_or("EW_SOURCE_DIR", "."), *shared = env_or("EW_SHARED_DIR", "../shared");
    snprintf(json, sizeof json, "%s/models/expected.json", source);
    snprintf(gguf, sizeof gguf, "%s/models/edgewise-tales-6m-f16.gguf", source);
    assert_int_equal(check_json(json, gguf, "prompt", "prompt_tokens", EW_TOKENIZE_ADD_SPECIAL), 3);

    snprintf(json, sizeof json, "%s/data/models/TinyStories-656K/expected.json", shared);
    snprintf(gguf, sizeof gguf, "%s/data/models/TinyStories-656K/TinyStories-656K-Q8_0.gguf", shared);
    const size_t n = check_json(json, gguf, "text", "ids", EW_TOKENIZE_ADD_SPECIAL);
    if (n == 0) {
        print_message("skipped: %s is not there\n", json);
        skip();
    }
    assert_int_equal(n, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_vocabularies),
        cmocka_unit_test(cut_vocabularies),
        cmocka_unit_test(trained_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
