/* Files to plans: what is refused and how it is said, rotary scalings against their formulas, and that the factors of
 * long contexts are taken by the context that a session has. Whole models are held against exact logits in
 * tests/golden/test_logits.c. */
#include "edgewise/session.h"
#include "gguf/gguf_write.h"
#include "model/model_inside.h"
#include "model/rope_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { W = 64, HEAD_DIM = 32, FF = 96, VOCAB = 128, CONTEXT = 256 };

static char path[512];

static int name_file(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/edgewise-architecture-%ld.gguf", tmp ? tmp : "/tmp", (long)getpid());
    return 0;
}

static int remove_file(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

/* ---- a small model, one thing changed ---- */

struct file {
    struct ew_gguf_writer *writer;
    const char *arch;
    struct {
        char name[64];
        uint64_t ne[2];
    } tensors[64];
    size_t n;
};

static void put_u32(struct file *f, const char *suffix, uint32_t value) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", f->arch, suffix);
    ew_gguf_put_u32(f->writer, key, value);
}

static void add(struct file *f, const char *name, uint64_t n_in, uint64_t n_out) {
    snprintf(f->tensors[f->n].name, sizeof f->tensors[f->n].name, "%s", name);
    f->tensors[f->n].ne[0] = n_in;
    f->tensors[f->n++].ne[1] = n_out;
}

/* Metadata and tensors of one layer with two heads over one, fused or not. */
static struct file begin(const char *arch, uint32_t width, bool fused) {
    struct file f = {.arch = arch};
    assert_int_equal(ew_gguf_writer_open(&f.writer, NULL), EW_OK);
    ew_gguf_put_string(f.writer, "general.architecture", arch);
    put_u32(&f, "vocab_size", VOCAB);
    put_u32(&f, "block_count", 1);
    put_u32(&f, "context_length", CONTEXT);
    put_u32(&f, "embedding_length", width);
    put_u32(&f, "feed_forward_length", FF);
    put_u32(&f, "attention.head_count", 2);
    put_u32(&f, "attention.key_length", HEAD_DIM);
    add(&f, "token_embd.weight", width, VOCAB);
    add(&f, "output_norm.weight", width, 0);
    add(&f, "blk.0.attn_norm.weight", width, 0);
    add(&f, "blk.0.ffn_norm.weight", width, 0);
    if (fused) {
        add(&f, "blk.0.attn_qkv.weight", width, 4 * HEAD_DIM);
        add(&f, "blk.0.ffn_up.weight", width, 2 * FF);
    } else {
        add(&f, "blk.0.attn_q.weight", width, 2 * HEAD_DIM);
        add(&f, "blk.0.attn_k.weight", width, HEAD_DIM);
        add(&f, "blk.0.attn_v.weight", width, HEAD_DIM);
        add(&f, "blk.0.ffn_gate.weight", width, FF);
        add(&f, "blk.0.ffn_up.weight", width, FF);
    }
    add(&f, "blk.0.attn_output.weight", 2 * HEAD_DIM, width);
    add(&f, "blk.0.ffn_down.weight", FF, width);
    return f;
}

/* Values in -0.5 … 0.5 that depend on the tensor's name; factors of rotation are whole numbers that grow. */
static void write_values(struct file *f, size_t i) {
    const uint64_t *ne = f->tensors[i].ne, n = ne[0] * (ne[1] ? ne[1] : 1);
    const char *name = f->tensors[i].name;
    uint32_t seed = 1;
    for (const char *p = name; *p; p++) seed = seed * 31 + (uint8_t)*p;
    uint32_t step = strstr(name, "long") ? 3 : 1;
    for (uint64_t k = 0; k < n; k++) {
        seed = seed * 1664525 + 1013904223;
        float value = (float)(seed >> 8) / 0x1p24f - 0.5f;
        if (strstr(name, "rope_")) value = (float)(1 + k * step);
        assert_int_equal(ew_gguf_writer_write(f->writer, &value, sizeof value, NULL), EW_OK);
    }
}

static void finish(struct file *f) {
    struct ew_error err = {0};
    for (size_t i = 0; i < f->n; i++) {
        uint32_t n_dims = f->tensors[i].ne[1] ? 2 : 1;
        if (ew_gguf_writer_add_tensor(f->writer, f->tensors[i].name, EW_TYPE_F32, n_dims, f->tensors[i].ne, &err) !=
            EW_OK)
            fail_msg("%s", err.message);
    }
    if (ew_gguf_writer_begin(f->writer, path, &err) != EW_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < f->n; i++) write_values(f, i);
    if (ew_gguf_writer_finish(f->writer, &err) != EW_OK) fail_msg("%s", err.message);
    ew_gguf_writer_close(&f->writer);
}

/* The file is refused with this status, and the message holds these words. */
static void assert_refused(struct file f, enum ew_status status, const char *words) {
    struct ew_model *model = NULL;
    struct ew_error err = {0};
    finish(&f);
    assert_int_equal(ew_model_open(path, &model, &err), status);
    if (!strstr(err.message, words)) fail_msg("`%s` does not say `%s`", err.message, words);
}

/* ---- refusals ---- */

static void what_the_architecture_does_not_know_is_refused(void **state) {
    (void)state;
    struct file f = begin("llama", W, false);
    put_u32(&f, "attention.head_count_kv", 1);
    add(&f, "blk.0.attn_sub_norm.weight", W, 0);
    assert_refused(f, EW_ERR_UNSUPPORTED,
                   "tensor blk.0.attn_sub_norm.weight: not known in models of architecture llama");
    assert_refused(begin("mamba", W, false), EW_ERR_UNSUPPORTED, "`mamba` cannot be run yet (llama, qwen2,");
}

static void tables_that_follow_from_metadata_are_no_surprise(void **state) {
    (void)state;
    struct file f = begin("llama", W, false);
    put_u32(&f, "attention.head_count_kv", 1);
    add(&f, "blk.0.attn_rot_embd.weight", HEAD_DIM / 2, 0);
    finish(&f);
    struct ew_model *model = NULL;
    assert_int_equal(ew_model_open(path, &model, NULL), EW_OK);
    ew_model_close(&model);
}

static void shapes_that_cannot_run_are_refused(void **state) {
    (void)state;
    struct file f = begin("llama", 80, false);
    put_u32(&f, "attention.head_count_kv", 1);
    assert_refused(f, EW_ERR_SHAPE, "rows of 80 values; matrices need a multiple of 32");
    f = begin("llama", W, false);
    put_u32(&f, "attention.head_count_kv", 2);
    assert_refused(f, EW_ERR_SHAPE, "tensor blk.0.attn_k.weight: 64 × 32 × 1, expected 64 × 64 × 1");
    f = begin("llama", W, false);
    put_u32(&f, "attention.head_count_kv", 1);
    put_u32(&f, "attention.value_length", 16);
    assert_refused(f, EW_ERR_UNSUPPORTED, "llama.attention.value_length: 16");
}

static void lists_for_layers_are_checked(void **state) {
    (void)state;
    const uint32_t none[] = {0}, uneven[] = {3}, huge[] = {1u << 30};
    const uint8_t bytes[] = {1};
    struct file f = begin("llama", W, false);
    ew_gguf_put_array(f.writer, "llama.attention.head_count_kv", EW_GGUF_U32, none, 0);
    assert_refused(f, EW_ERR_FORMAT, "0 of u32, expected integers of 32 bits for 1 layers");
    f = begin("llama", W, false);
    ew_gguf_put_array(f.writer, "llama.attention.head_count_kv", EW_GGUF_U8, bytes, 1);
    assert_refused(f, EW_ERR_FORMAT, "1 of u8");
    f = begin("llama", W, false);
    ew_gguf_put_array(f.writer, "llama.attention.head_count_kv", EW_GGUF_U32, none, 1);
    assert_refused(f, EW_ERR_FORMAT, "0 in all layers");
    f = begin("llama", W, false);
    ew_gguf_put_array(f.writer, "llama.attention.head_count_kv", EW_GGUF_U32, uneven, 1);
    assert_refused(f, EW_ERR_FORMAT, "layer 0: 2 attention heads do not divide among 3 KV heads");
    f = begin("llama", W, false);
    ew_gguf_put_array(f.writer, "llama.attention.head_count_kv", EW_GGUF_U32, huge, 1);
    assert_refused(f, EW_ERR_FORMAT, "layer 0: 1073741824 is outside 0–4096");
}

static void experts_are_counted(void **state) {
    (void)state;
    struct file f = begin("llama", W, false);
    put_u32(&f, "attention.head_count_kv", 1);
    put_u32(&f, "expert_count", 4);
    put_u32(&f, "expert_used_count", 5);
    assert_refused(f, EW_ERR_FORMAT, "llama.expert_used_count: 5 is outside 1–4");
}

/* ---- rotary scalings ---- */

/* Qwen2.5 with its documented YaRN settings: factor 4 over 32768 positions, base 10^6, 128 values. Pairs up to 23 turn
 * more than 32 times within the original context, pairs from 40 on less than once. */
static void yarn_blends_between_fast_and_slow_pairs(void **state) {
    (void)state;
    static const struct {
        uint32_t pair;
        double frequency;
    } expected[] = {{0, 1.0},
                    {23, 0.006978305848598663},
                    {24, 0.005375321490790102},
                    {30, 0.001064360981247002},
                    {39, 6.490394320837029e-05},
                    {40, 4.445698525097307e-05},
                    {63, 3.102344401879299e-07}};
    struct ew_config c = {.n_rot = 128,
                          .rope_base = 1e6,
                          .rope_scaling = EW_ROPE_SCALING_YARN,
                          .rope_factor = 4,
                          .rope_original = 32768,
                          .rope_fast = 32,
                          .rope_slow = 1};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(fabs(ew_rope_yarn(&c, expected[i].pair) / expected[i].frequency - 1) < 1e-12);
    assert_true(fabs(ew_rope_magnitude(&c) - 1.138629436111989) < 1e-12);
}

static struct ew_model *open_file(struct file *f) {
    struct ew_model *model = NULL;
    struct ew_error err = {0};
    finish(f);
    if (ew_model_open(path, &model, &err) != EW_OK) fail_msg("%s", err.message);
    return model;
}

/* Phi-3.5's config.json: trained for 131072 positions from 4096, attention factor 1.1902380714238083. Files that do not
 * say it get it from these two. */
static void long_contexts_have_their_magnitude(void **state) {
    (void)state;
    struct file f = begin("phi3", W, true);
    put_u32(&f, "attention.head_count_kv", 1);
    put_u32(&f, "rope.scaling.original_context_length", CONTEXT / 32);
    add(&f, "rope_factors_short.weight", HEAD_DIM / 2, 0);
    add(&f, "rope_factors_long.weight", HEAD_DIM / 2, 0);
    struct ew_model *model = open_file(&f);
    const struct ew_rope *rope = &model->plan.ropes[0];
    assert_int_equal(rope->n_ctx_short, 8);
    assert_true(fabs(rope->magnitude - sqrt(1 + log(32) / log(8))) < 1e-12);
    /* The factors divide: 1, 2, 3 … and 1, 4, 7 … */
    for (uint32_t i = 0; i < HEAD_DIM / 2; i++) {
        double plain = pow(10000, -2.0 * i / HEAD_DIM);
        assert_true(fabs(rope->frequency[i] * (1 + i) / plain - 1) < 1e-12);
        assert_true(fabs(rope->long_frequency[i] * (1 + 3 * i) / plain - 1) < 1e-12);
    }
    ew_model_close(&model);
}

/* Logits of the last of some tokens. */
static void run(struct ew_model *model, uint32_t n_ctx, float logits[VOCAB]) {
    static const int32_t ids[] = {3, 99, 14, 15, 92, 65};
    struct ew_session_params params = {.n_ctx = n_ctx, .threads_prefill = 1, .threads_decode = 1};
    struct ew_session *session = NULL;
    struct ew_error err = {0};
    if (ew_session_open(model, &params, &session, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_session_prefill(session, ids, 6, NULL), EW_OK);
    memcpy(logits, ew_session_logits(session), VOCAB * sizeof *logits);
    ew_session_close(&session);
    ew_model_close(&model);
}

/* The same model with divisors that hold always, rope_freqs, shows which set a session has taken: it is the context's
 * size, not the position, that decides. */
static void the_context_chooses_between_rotary_factors(void **state) {
    (void)state;
    float small[VOCAB], large[VOCAB], as_short[VOCAB];
    for (int i = 0; i < 3; i++) {
        struct file f = begin("phi3", W, true);
        put_u32(&f, "attention.head_count_kv", 1);
        if (i < 2) {
            put_u32(&f, "rope.scaling.original_context_length", 64);
            ew_gguf_put_f32(f.writer, "phi3.rope.scaling.attn_factor", 1);
            add(&f, "rope_factors_short.weight", HEAD_DIM / 2, 0);
            add(&f, "rope_factors_long.weight", HEAD_DIM / 2, 0);
        } else {
            add(&f, "rope_freqs.weight", HEAD_DIM / 2, 0);
        }
        run(open_file(&f), i == 1 ? 65 : 64, i == 0 ? small : i == 1 ? large : as_short);
    }
    assert_memory_equal(small, as_short, sizeof small);
    assert_memory_not_equal(large, as_short, sizeof small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_architecture_does_not_know_is_refused),
        cmocka_unit_test(tables_that_follow_from_metadata_are_no_surprise),
        cmocka_unit_test(shapes_that_cannot_run_are_refused),
        cmocka_unit_test(lists_for_layers_are_checked),
        cmocka_unit_test(experts_are_counted),
        cmocka_unit_test(yarn_blends_between_fast_and_slow_pairs),
        cmocka_unit_test(long_contexts_have_their_magnitude),
        cmocka_unit_test(the_context_chooses_between_rotary_factors),
    };
    return cmocka_run_group_tests(tests, name_file, remove_file);
}
