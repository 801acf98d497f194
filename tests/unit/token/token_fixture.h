/* GGUF files with nothing but a tokenizer, built byte by byte in memory, and two tiny vocabularies whose results can be
 * worked out by hand. Independent of src/gguf's writer. */
#ifndef EW_TESTS_TOKEN_FIXTURE_H
#define EW_TESTS_TOKEN_FIXTURE_H

#include "token/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    uint8_t *data;
    size_t size, capacity;
    uint64_t n_kv;
};

static inline void put_bytes(struct fixture *f, const void *data, size_t n) {
    if (f->size + n > f->capacity) {
        f->capacity = (f->capacity + n) * 2;
        f->data = realloc(f->data, f->capacity);
        assert_non_null(f->data);
    }
    if (n) memcpy(f->data + f->size, data, n);
    f->size += n;
}
static inline void put_u32(struct fixture *f, uint32_t v) { put_bytes(f, &v, sizeof v); }
static inline void put_u64(struct fixture *f, uint64_t v) { put_bytes(f, &v, sizeof v); }
static inline void put_text(struct fixture *f, const char *text, size_t n) {
    put_u64(f, n);
    put_bytes(f, text, n);
}

/* Header: magic, version 3, no tensors, a place for the number of keys. */
static inline void fixture_begin(struct fixture *f) {
    *f = (struct fixture){0};
    put_bytes(f, "GGUF", 4);
    put_u32(f, 3);
    put_u64(f, 0);
    put_u64(f, 0);
}
static inline void put_key(struct fixture *f, const char *key, uint32_t type) {
    put_text(f, key, strlen(key));
    put_u32(f, type);
    f->n_kv++;
    memcpy(f->data + 16, &f->n_kv, sizeof f->n_kv);
}
static inline void put_kv_string(struct fixture *f, const char *key, const char *value) {
    put_key(f, key, EW_GGUF_STRING);
    put_text(f, value, strlen(value));
}
static inline void put_kv_u32(struct fixture *f, const char *key, uint32_t value) {
    put_key(f, key, EW_GGUF_U32);
    put_u32(f, value);
}
static inline void put_kv_bool(struct fixture *f, const char *key, bool value) {
    const uint8_t byte = value;
    put_key(f, key, EW_GGUF_BOOL);
    put_bytes(f, &byte, 1);
}
/* The elements follow. */
static inline void put_kv_array(struct fixture *f, const char *key, uint32_t type, uint64_t n) {
    put_key(f, key, EW_GGUF_ARRAY);
    put_u32(f, type);
    put_u64(f, n);
}

struct fixture_token {
    const char *text;
    uint32_t type;
    float score;
};

/* SentencePiece: 0-2 special, 3-258 bytes, then these. */
enum { SPM_FIRST = 259 };
static const struct fixture_token spm_tokens[] = {
    {"\xe2\x96\x81", 1, -4}, /* 259: a space */
    {"a", 1, -5},            /* 260 */
    {"b", 1, -6},            /* 261 */
    {"ab", 1, -1},           /* 262 */
    {"\xe2\x96\x81"
     "ab",
     1, -3},                  /* 263 */
    {"ba", 1, -0.5f},         /* 264 */
    {"aa", 1, -7},            /* 265 */
    {"<tool>", 4, 0},         /* 266 */
    {"<tool>x", 4, 0},        /* 267 */
    {"<", 1, -8},             /* 268 */
    {"s", 1, -9},             /* 269 */
    {">", 1, -10},            /* 270 */
    {"s>", 1, -2},            /* 271: one merge away from spelling <s> */
    {"<|im_end|>", 1, 0},     /* 272: a name that ends generation, with the wrong type */
    {"dead", 5, 0},           /* 273: unused */
    {"<|fim_middle|>", 3, 0}, /* 274 */
    {"<PAD>", 1, -90},        /* 275: a plain token with a special name */
};
enum { N_SPM = SPM_FIRST + sizeof spm_tokens / sizeof *spm_tokens };

static inline struct fixture_token spm_token(uint32_t id, char name[8]) {
    static const struct fixture_token first[3] = {{"<unk>", 2, 0}, {"<s>", 3, 0}, {"</s>", 3, 0}};
    if (id < 3) return first[id];
    if (id >= SPM_FIRST) return spm_tokens[id - SPM_FIRST];
    snprintf(name, 8, "<0x%02X>", (unsigned)(id - 3) & 0xff);
    return (struct fixture_token){name, 6, 0};
}

static inline void build_spm(struct fixture *f) {
    char name[8];
    fixture_begin(f);
    put_kv_string(f, "tokenizer.ggml.model", "llama");
    put_kv_array(f, "tokenizer.ggml.tokens", EW_GGUF_STRING, N_SPM);
    for (uint32_t id = 0; id < N_SPM; id++) {
        const char *text = spm_token(id, name).text;
        put_text(f, text, strlen(text));
    }
    put_kv_array(f, "tokenizer.ggml.scores", EW_GGUF_F32, N_SPM);
    for (uint32_t id = 0; id < N_SPM; id++) {
        const float score = spm_token(id, name).score;
        put_bytes(f, &score, sizeof score);
    }
    put_kv_array(f, "tokenizer.ggml.token_type", EW_GGUF_I32, N_SPM);
    for (uint32_t id = 0; id < N_SPM; id++) put_u32(f, spm_token(id, name).type);
}

/* Byte-level BPE: the id of a byte is its value; then these. U+0120 stands for a space. */
static const struct fixture_token bpe_tokens[] = {
    {"ab", 1, 0}, /* 256 */
    {"\xc4\xa0"
     "a",
     1, 0}, /* 257 */
    {"\xc4\xa0"
     "ab",
     1, 0},                  /* 258 */
    {"abc", 1, 0},           /* 259 */
    {"<|endoftext|>", 3, 0}, /* 260 */
    {"<u>", 4, 0},           /* 261 */
    {"hello", 1, 0},         /* 262: no merge leads here */
    {"aa", 1, 0},            /* 263 */
    {"aaaa", 1, 0},          /* 264 */
    {"</s>", 1, 0},          /* 265: HTML, as in Qwen 2 */
};
enum { N_BPE = 256 + sizeof bpe_tokens / sizeof *bpe_tokens };
static const char *const bpe_merges[] = {"a b", "\xc4\xa0 ab", "\xc4\xa0 a", "ab c", "a a", "aa aa", "q zz", "a b"};
enum { N_MERGES = sizeof bpe_merges / sizeof *bpe_merges };

/* The letter of a byte in GPT-2's alphabet, worked out as its authors do: bytes that do not print take U+0100 on. */
static inline size_t byte_letter(unsigned byte, char out[3]) {
    unsigned letter = byte, next = 0x100;
    for (unsigned b = 0; b <= byte; b++) {
        const bool prints = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
        letter = prints ? b : next++;
    }
    if (letter < 0x80) {
        out[0] = (char)letter;
        return 1;
    }
    out[0] = (char)(0xc0 | letter >> 6);
    out[1] = (char)(0x80 | (letter & 0x3f));
    return 2;
}

/* missing: the byte that has no token, or -1. */
static inline void build_bpe_with(struct fixture *f, const char *pre, int missing) {
    fixture_begin(f);
    put_kv_string(f, "tokenizer.ggml.model", "gpt2");
    if (pre) put_kv_string(f, "tokenizer.ggml.pre", pre);
    put_kv_array(f, "tokenizer.ggml.tokens", EW_GGUF_STRING, N_BPE);
    for (uint32_t id = 0; id < N_BPE; id++) {
        char letter[3];
        if ((int)id == missing)
            put_text(f, "none", 4);
        else if (id < 256)
            put_text(f, letter, byte_letter(id, letter));
        else
            put_text(f, bpe_tokens[id - 256].text, strlen(bpe_tokens[id - 256].text));
    }
    put_kv_array(f, "tokenizer.ggml.token_type", EW_GGUF_I32, N_BPE);
    for (uint32_t id = 0; id < N_BPE; id++) put_u32(f, id < 256 ? 1 : bpe_tokens[id - 256].type);
    put_kv_array(f, "tokenizer.ggml.merges", EW_GGUF_STRING, N_MERGES);
    for (size_t i = 0; i < N_MERGES; i++) put_text(f, bpe_merges[i], strlen(bpe_merges[i]));
    put_kv_u32(f, "tokenizer.ggml.bos_token_id", 260);
    put_kv_u32(f, "tokenizer.ggml.eos_token_id", 260);
}

static inline void build_bpe(struct fixture *f, const char *pre) { build_bpe_with(f, pre, -1); }
static inline void build_bpe_without(struct fixture *f, int byte) { build_bpe_with(f, "gpt-2", byte); }

/* ---- opened fixtures ---- */

struct opened {
    struct fixture fixture;
    struct ew_gguf *gguf;
    struct ew_tokenizer *tokenizer;
    struct ew_error err;
};

/* Opens what was built into o->fixture. */
static inline enum ew_status try_open(struct opened *o) {
    o->gguf = NULL;
    o->tokenizer = NULL;
    enum ew_status status = ew_gguf_open_memory("made-up.gguf", o->fixture.data, o->fixture.size, &o->gguf, &o->err);
    return status ? status : ew_tokenizer_open(o->gguf, &o->tokenizer, &o->err);
}
static inline void open_built(struct opened *o) {
    if (try_open(o)) fail_msg("%s", o->err.message);
}
static inline void close_opened(struct opened *o) {
    ew_tokenizer_close(&o->tokenizer);
    ew_gguf_close(&o->gguf);
    free(o->fixture.data);
    o->fixture = (struct fixture){0};
}

#endif
