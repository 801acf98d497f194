/* Plans as data: buffers that live together never overlap; memory and work add up to sums done by hand. */
#include "machine/cpu_features.h"
#include "plan/cost.h"
#include "plan/explain.h"
#include "plan/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One layer, width 64, 4 heads of 16 over 2 KV heads, feed-forward 96, vocabulary 128; all matrices F32. */
static const struct ew_kv_types f16 = {EW_TYPE_F16, EW_TYPE_F16};

enum { W = 64, Q = 64, KV = 32, FF = 96, V = 128, HD = 16 };

static struct ew_gguf_tensor experts(uint64_t n_in, uint64_t n_out, uint64_t n_expert) {
    return (struct ew_gguf_tensor){.n_dims = n_expert > 1 ? 3 : 2,
                                   .ne = {n_in, n_out, n_expert, 1},
                                   .type = EW_TYPE_F32,
                                   .size_bytes = n_in * n_out * n_expert * sizeof(float)};
}

static struct ew_gguf_tensor matrix(uint64_t n_in, uint64_t n_out) { return experts(n_in, n_out, 1); }

static struct ew_gguf_tensor t_embed, t_norm, t_q, t_kv, t_o, t_up, t_down;

static struct ew_op *append(struct ew_plan *p, enum ew_op_kind kind, enum ew_buffer src, enum ew_buffer dst,
                            const struct ew_gguf_tensor *w) {
    struct ew_op *op = ew_plan_append(p, kind, 0);
    assert_non_null(op);
    op->src = src;
    op->dst[0] = dst;
    op->weights[0] = w;
    op->n_weights = w ? 1 : 0;
    op->accumulate = dst == EW_BUF_X && kind == EW_OP_MATMUL;
    op->n_head = 4;
    op->n_head_kv = 2;
    op->head_dim = HD;
    return op;
}

static void also(struct ew_op *op, enum ew_buffer dst, const struct ew_gguf_tensor *w) {
    op->dst[op->n_weights] = dst;
    op->weights[op->n_weights++] = w;
}

static struct ew_plan one_layer(void) {
    t_embed = matrix(W, V);
    t_norm = matrix(W, 1);
    t_q = matrix(W, Q);
    t_kv = matrix(W, KV);
    t_o = matrix(Q, W);
    t_up = matrix(W, FF);
    t_down = matrix(FF, W);
    struct ew_plan p = {.n_vocab = V};
    const uint32_t width[EW_BUF_COUNT] = {
        [EW_BUF_X] = W,    [EW_BUF_NORMED] = W, [EW_BUF_Q] = Q,   [EW_BUF_K] = KV,    [EW_BUF_V] = KV,
        [EW_BUF_ATTN] = Q, [EW_BUF_GATE] = FF,  [EW_BUF_UP] = FF, [EW_BUF_ROPE] = HD, [EW_BUF_LOGITS] = V,
    };
    memcpy(p.width, width, sizeof width);
    append(&p, EW_OP_EMBED, 0, EW_BUF_X, &t_embed);
    append(&p, EW_OP_NORM, EW_BUF_X, EW_BUF_NORMED, &t_norm);
    struct ew_op *qkv = append(&p, EW_OP_MATMUL, EW_BUF_NORMED, EW_BUF_Q, &t_q);
    also(qkv, EW_BUF_K, &t_kv);
    also(qkv, EW_BUF_V, &t_kv);
    append(&p, EW_OP_ROPE, EW_BUF_ROPE, 0, NULL);
    append(&p, EW_OP_CACHE, 0, 0, NULL);
    append(&p, EW_OP_ATTENTION, 0, EW_BUF_ATTN, NULL);
    append(&p, EW_OP_MATMUL, EW_BUF_ATTN, EW_BUF_X, &t_o);
    append(&p, EW_OP_NORM, EW_BUF_X, EW_BUF_NORMED, &t_norm);
    also(append(&p, EW_OP_MATMUL, EW_BUF_NORMED, EW_BUF_GATE, &t_up), EW_BUF_UP, &t_up);
    append(&p, EW_OP_GATE, EW_BUF_UP, EW_BUF_GATE, NULL);
    append(&p, EW_OP_MATMUL, EW_BUF_GATE, EW_BUF_X, &t_down);
    also(append(&p, EW_OP_HEAD, EW_BUF_X, EW_BUF_LOGITS, &t_norm), EW_BUF_LOGITS, &t_embed);
    return p;
}

static void assert_apart(const struct ew_plan *p, const size_t *at, enum ew_buffer a, enum ew_buffer b) {
    if (at[a] < at[b] + p->width[b] && at[b] < at[a] + p->width[a])
        fail_msg("%s and %s overlap", ew_buffer_name(a), ew_buffer_name(b));
}

static void test_living_buffers_stay_apart(void **state) {
    (void)state;
    struct ew_plan p = one_layer();
    size_t at[EW_BUF_COUNT] = {0}, total = ew_plan_place_buffers(&p, at);
    /* What is alive together in this layer, read off the equations. */
    static const enum ew_buffer together[][2] = {
        {EW_BUF_X, EW_BUF_NORMED},  {EW_BUF_X, EW_BUF_Q},      {EW_BUF_X, EW_BUF_K},     {EW_BUF_X, EW_BUF_V},
        {EW_BUF_X, EW_BUF_ATTN},    {EW_BUF_X, EW_BUF_GATE},   {EW_BUF_X, EW_BUF_UP},    {EW_BUF_NORMED, EW_BUF_Q},
        {EW_BUF_NORMED, EW_BUF_K},  {EW_BUF_NORMED, EW_BUF_V}, {EW_BUF_Q, EW_BUF_K},     {EW_BUF_Q, EW_BUF_V},
        {EW_BUF_K, EW_BUF_V},       {EW_BUF_Q, EW_BUF_ATTN},   {EW_BUF_GATE, EW_BUF_UP}, {EW_BUF_NORMED, EW_BUF_GATE},
        {EW_BUF_NORMED, EW_BUF_UP}, {EW_BUF_ROPE, EW_BUF_X},   {EW_BUF_ROPE, EW_BUF_Q},  {EW_BUF_ROPE, EW_BUF_NORMED},
    };
    for (size_t i = 0; i < sizeof together / sizeof *together; i++)
        assert_apart(&p, at, together[i][0], together[i][1]);
    /* Most alive at once: X, NORMED, GATE and UP. The rest is dead by then (ROPE too, after the only layer) and shares.
     */
    assert_int_equal(total, W + W + FF + FF);
    ew_plan_free(&p);
}

static void test_cost_by_hand(void **state) {
    (void)state;
    struct ew_plan p = one_layer();
    double weights = W * Q + 2 * W * KV + Q * W + 2 * W * FF + FF * W;
    struct ew_plan_cost c = ew_plan_sum_cost(&p, f16, 3, 5);
    assert_true(c.weight_bytes == 4.0 * (weights + W * V));
    assert_true(c.matmul_ops == 2.0 * (3 * weights + W * V)); /* the head runs for one token */
    assert_true(c.float_matmul_ops == c.matmul_ops);          /* all of them F32 */
    double pairs = 6 + 7 + 8;                                 /* positions that tokens 5, 6 and 7 see */
    assert_true(c.attention_ops == 4.0 * pairs * 4 * HD);
    double row = 2 * 2 * HD * 2; /* K and V of two heads, 2 bytes each */
    assert_true(c.kv_bytes == 3 * row + 8 * row);
    ew_plan_free(&p);
}

static void test_memory_by_hand(void **state) {
    (void)state;
    struct ew_plan p = one_layer();
    struct ew_kernels kernels;
    ew_kernels_init(&kernels, 0);
    struct ew_plan_request r = {.n_ctx = 100, .n_batch = 10, .max_threads = 2, .layout = EW_WEIGHTS_MAPPED, .kv = f16};
    struct ew_plan_memory m;
    struct ew_error err;
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, &err), EW_OK);
    assert_int_equal(m.weights_mapped_bytes, 4 * (W * Q + 2 * W * KV + Q * W + 3 * W * FF + W * V));
    assert_int_equal(m.weights_packed_bytes, 0);
    assert_int_equal(m.kv_bytes, 2 * 2 * 128 * HD * 2); /* 100 positions round up to 128 */
    assert_int_equal(m.buffers_bytes, (W + W + FF + FF) * 10 * 4);
    assert_int_equal(m.logits_bytes, V * 4);
    assert_int_equal(m.vectors_bytes, 3 * W * 4);
    ew_plan_free(&p);
}

/* Keys in blocks of 32 values and 34 bytes, values in halves: the ledger counts what the blocks take, and heads that
 * do not divide into them are refused. */
static void test_cache_of_blocks(void **state) {
    (void)state;
    struct ew_plan p = {0};
    struct ew_op *cache = append(&p, EW_OP_CACHE, 0, 0, NULL);
    cache->head_dim = 64;
    struct ew_kernels kernels;
    ew_kernels_init(&kernels, 0);
    struct ew_plan_request r = {.n_ctx = 100, .n_batch = 10, .max_threads = 1, .kv = {EW_TYPE_Q8_0, EW_TYPE_F16}};
    struct ew_plan_memory m;
    struct ew_error err;
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, &err), EW_OK);
    assert_int_equal(m.kv_bytes, 2 * 128 * (2 * 34) + 2 * 128 * (64 * 2)); /* 2 heads, 100 positions round up to 128 */
    assert_true(ew_plan_sum_cost(&p, r.kv, 3, 0).kv_bytes == 3.0 * 2 * (2 * 34 + 64 * 2));
    p.ops[0].head_dim = 80;
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, &err), EW_ERR_UNSUPPORTED);
    assert_string_equal(err.message,
                        "KV cache: layer 0: heads of 80 values do not divide into blocks of 32; keys cannot "
                        "be Q8_0");
    r.kv = (struct ew_kv_types){EW_TYPE_F32, EW_TYPE_Q8_0};
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "values cannot be Q8_0"));
    ew_plan_free(&p);
}

/* Attention within 4 positions: what lies before the window is neither read nor computed. */
static void test_cost_of_a_window(void **state) {
    (void)state;
    struct ew_plan p = {0};
    append(&p, EW_OP_CACHE, 0, 0, NULL);
    append(&p, EW_OP_ATTENTION, 0, EW_BUF_ATTN, NULL)->window = 4;
    double row = 2 * 2 * HD * 2;
    struct ew_plan_cost early = ew_plan_sum_cost(&p, f16, 3, 2), late = ew_plan_sum_cost(&p, f16, 3, 100);
    assert_true(early.attention_ops == 4.0 * (3 + 4 + 4) * 4 * HD); /* tokens 2, 3 and 4 see 3, 4 and 4 positions */
    assert_true(early.kv_bytes == 3 * row + 5 * row);
    assert_true(late.attention_ops == 4.0 * (4 + 4 + 4) * 4 * HD);
    assert_true(late.kv_bytes == 3 * row + 6 * row); /* the window of the first to the last token itself */
    ew_plan_free(&p);
}

/* 8 experts, 2 chosen: one token reads 2 of them; two tokens 8 (1 - (3/4)²) = 3.5 on average. */
static void test_experts_by_hand(void **state) {
    (void)state;
    struct ew_gguf_tensor t = experts(W, FF, 8);
    struct ew_plan p = {0};
    struct ew_op *route = append(&p, EW_OP_ROUTE, EW_BUF_ROUTE, 0, NULL);
    route->n_expert = 8;
    route->n_used = 2;
    struct ew_op *op = append(&p, EW_OP_EXPERTS, EW_BUF_NORMED, EW_BUF_GATE, &t);
    op->n_expert = 8;
    op->n_used = 2;
    struct ew_plan_cost one = ew_plan_sum_cost(&p, f16, 1, 0), two = ew_plan_sum_cost(&p, f16, 2, 0);
    assert_true(one.weight_bytes == 2.0 * W * FF * 4);
    assert_true(two.weight_bytes == 3.5 * W * FF * 4);
    assert_true(two.matmul_ops == 2.0 * W * FF * 2 * 2);
    struct ew_kernels kernels;
    ew_kernels_init(&kernels, 0);
    struct ew_plan_request r = {.n_ctx = 10, .n_batch = 10, .max_threads = 1, .layout = EW_WEIGHTS_MAPPED};
    struct ew_plan_memory m;
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, NULL), EW_OK);
    assert_int_equal(m.weights_mapped_bytes, 8 * W * FF * 4);
    /* Expert, weight, slot and token of 20 choices and 9 bounds of slots are 356 bytes, in whole lines of 64. */
    assert_int_equal(m.routing_bytes, 384);
    ew_plan_free(&p);
}

/* Half-precision weights may meet many tokens in another kind than few; each kind has memory for the most it ever sees,
 * and where experts choose, few tokens may lie behind many others. */
static void test_prepared_input_of_half_weights(void **state) {
    (void)state;
    struct ew_gguf_tensor plain = matrix(W, FF), expert = experts(W, FF, 8);
    plain.type = expert.type = EW_TYPE_F16;
    struct ew_plan one = {0}, mixed = {0};
    append(&one, EW_OP_MATMUL, EW_BUF_NORMED, EW_BUF_GATE, &plain);
    struct ew_op *op = append(&mixed, EW_OP_EXPERTS, EW_BUF_NORMED, EW_BUF_GATE, &expert);
    op->n_expert = 8;
    op->n_used = 2;
    const uint64_t features[] = {0, ew_cpu_features()};
    for (int i = 0; i < 2; i++) {
        struct ew_kernels k;
        ew_kernels_init(&k, features[i]);
        const struct ew_weight w = {.type = EW_TYPE_F16, .layout = EW_LAYOUT_ROWS, .n_in = W, .n_out = FF};
        bool words = ew_matmul_act_kind(&k, &w, 17) == EW_ACT_Q16;
        struct ew_plan_request r = {.n_ctx = 10, .n_batch = 100, .max_threads = 1, .layout = EW_WEIGHTS_MAPPED};
        struct ew_plan_memory m;
        /* 64 columns are one record: of 256 floats, or of 512 words and 16 scales. */
        const size_t floats = 256 * 4, integers = 512 * 2 + 16 * 4;
        assert_int_equal(ew_plan_sum_memory(&one, &k, &r, &m, NULL), EW_OK);
        assert_int_equal(m.act_bytes[EW_ACT_F32], (words ? 16 : 100) * floats);
        assert_int_equal(m.act_bytes[EW_ACT_Q16], words ? 100 * integers : 0);
        assert_int_equal(m.act_bytes[EW_ACT_Q8], 0);
        assert_int_equal(ew_plan_sum_memory(&mixed, &k, &r, &m, NULL), EW_OK);
        assert_int_equal(m.act_bytes[EW_ACT_F32], 200 * floats);
        assert_int_equal(m.act_bytes[EW_ACT_Q16], words ? 200 * integers : 0);
        r.n_batch = 8;
        assert_int_equal(ew_plan_sum_memory(&mixed, &k, &r, &m, NULL), EW_OK);
        assert_int_equal(m.act_bytes[EW_ACT_Q16], 0); /* 16 choices are few even if one expert gets them all */
    }
    ew_plan_free(&one);
    ew_plan_free(&mixed);
}

/* A convolution over 3 positions remembers 2 rows, whatever the context. */
static void test_state_of_a_convolution(void **state) {
    (void)state;
    struct ew_gguf_tensor t = matrix(3, W);
    struct ew_plan p = {0};
    append(&p, EW_OP_CONV, EW_BUF_CONV, EW_BUF_ATTN, &t)->width = W;
    struct ew_kernels kernels;
    ew_kernels_init(&kernels, 0);
    struct ew_plan_request r = {.n_ctx = 1000, .n_batch = 10, .max_threads = 1, .layout = EW_WEIGHTS_MAPPED};
    struct ew_plan_memory m;
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, NULL), EW_OK);
    assert_int_equal(m.state_bytes, 2 * W * 4);
    assert_int_equal(m.kv_bytes, 0);
    assert_int_equal(m.vectors_bytes, 3 * W * 4);
    ew_plan_free(&p);
}

/* The parts of a fused matrix are matrices in its bytes, those of its bias vectors. */
static void test_views_of_fused_weights(void **state) {
    (void)state;
    static const float bytes[4 * 6] = {0};
    struct ew_gguf_tensor fused = matrix(4, 6), bias = matrix(6, 1);
    fused.data = bias.data = (const uint8_t *)bytes;
    fused.offset = 1000;
    bias.n_dims = 1;
    struct ew_plan p = {0};
    const struct ew_gguf_tensor *part = ew_plan_view_rows(&p, &fused, 2, 3), *end = ew_plan_view_rows(&p, &bias, 5, 1);
    assert_int_equal(part->ne[0], 4);
    assert_int_equal(part->ne[1], 3);
    assert_ptr_equal(part->data, (const uint8_t *)bytes + 2 * 4 * 4);
    assert_int_equal(part->offset, 1000 + 2 * 4 * 4);
    assert_int_equal(part->size_bytes, 3 * 4 * 4);
    assert_int_equal(end->ne[0], 1);
    assert_int_equal(end->size_bytes, 4);
    assert_ptr_equal(end->data, (const uint8_t *)bytes + 5 * 4);
    ew_plan_free(&p);
}

/* Learned positions end; what lies beyond has no embedding. */
static void test_context_beyond_learned_positions_is_refused(void **state) {
    (void)state;
    struct ew_plan p = one_layer();
    p.n_positions = 64;
    struct ew_kernels kernels;
    ew_kernels_init(&kernels, 0);
    struct ew_plan_request r = {.n_ctx = 64, .n_batch = 1, .max_threads = 1};
    struct ew_plan_memory m;
    struct ew_error err;
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, &err), EW_OK);
    r.n_ctx = 65;
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, &err), EW_ERR_LIMIT);
    assert_string_equal(err.message, "context of 65 tokens: the model has embeddings of 64 positions only");
    ew_plan_free(&p);
}

/* Layers that do the same are told once, wherever they stand. */
static void test_explained_for_people(void **state) {
    (void)state;
    struct ew_plan p = {0};
    t_norm = matrix(W, 1);
    t_down = matrix(FF, W);
    t_norm.name = (struct ew_gguf_string){"blk.7.attn_norm.weight", 22};
    t_down.name = (struct ew_gguf_string){"blk.7.ffn_down.weight", 21};
    for (int32_t layer = 0; layer < 4; layer++) {
        struct ew_op *op = append(&p, EW_OP_NORM, EW_BUF_X, EW_BUF_NORMED, &t_norm);
        op->layer = layer;
        op->norm = layer == 2 ? EW_NORM_LAYER : EW_NORM_RMS;
        append(&p, EW_OP_MATMUL, EW_BUF_GATE, EW_BUF_X, &t_down)->layer = layer;
    }
    char *text = ew_plan_explain(&p);
    assert_string_equal(text, "layers 0–1 3\n"
                              "  normed   = rms norm x, attn_norm.weight\n"
                              "  x        += ffn_down.weight [64 × 96] F32 · gate\n"
                              "layers 2\n"
                              "  normed   = layer norm x, attn_norm.weight\n"
                              "  x        += ffn_down.weight [64 × 96] F32 · gate\n"
                              "then\n");
    free(text);
    ew_plan_free(&p);
}

static void test_impossible_context_is_refused(void **state) {
    (void)state;
    struct ew_plan p = one_layer();
    struct ew_kernels kernels;
    ew_kernels_init(&kernels, 0);
    struct ew_plan_request r = {.n_ctx = UINT32_MAX, .n_batch = 1, .max_threads = 1};
    struct ew_plan_memory m;
    struct ew_error err;
    assert_int_equal(ew_plan_sum_memory(&p, &kernels, &r, &m, &err), EW_ERR_LIMIT);
    ew_plan_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_living_buffers_stay_apart),
        cmocka_unit_test(test_cost_by_hand),
        cmocka_unit_test(test_cache_of_blocks),
        cmocka_unit_test(test_cost_of_a_window),
        cmocka_unit_test(test_memory_by_hand),
        cmocka_unit_test(test_experts_by_hand),
        cmocka_unit_test(test_prepared_input_of_half_weights),
        cmocka_unit_test(test_state_of_a_convolution),
        cmocka_unit_test(test_views_of_fused_weights),
        cmocka_unit_test(test_context_beyond_learned_positions_is_refused),
        cmocka_unit_test(test_explained_for_people),
        cmocka_unit_test(test_impossible_context_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
