/* Plans as data: buffers that live together never overlap; memory and work add up to sums done by hand. */
#include "plan/cost.h"
#include "plan/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* One layer, width 64, 4 heads of 16 over 2 KV heads, feed-forward 96, vocabulary 128; all matrices F32. */
enum { W = 64, Q = 64, KV = 32, FF = 96, V = 128, HD = 16 };

static struct ew_gguf_tensor matrix(uint64_t n_in, uint64_t n_out) {
    return (struct ew_gguf_tensor){
        .n_dims = 2, .ne = {n_in, n_out, 1, 1}, .type = EW_TYPE_F32, .size_bytes = n_in * n_out * sizeof(float)};
}

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
    struct ew_plan p = {.shape = {.n_layer = 1,
                                  .n_embd = W,
                                  .n_head = 4,
                                  .n_head_kv = 2,
                                  .head_dim = HD,
                                  .n_ff = FF,
                                  .n_vocab = V,
                                  .n_rot = HD}};
    const uint32_t width[EW_BUF_COUNT] = {W, W, Q, KV, KV, Q, FF, FF, HD, V};
    memcpy(p.width, width, sizeof width);
    append(&p, EW_OP_EMBED, 0, EW_BUF_X, &t_embed);
    append(&p, EW_OP_NORM, EW_BUF_X, EW_BUF_NORMED, &t_norm);
    struct ew_op *qkv = append(&p, EW_OP_MATMUL, EW_BUF_NORMED, EW_BUF_Q, &t_q);
    also(qkv, EW_BUF_K, &t_kv);
    also(qkv, EW_BUF_V, &t_kv);
    append(&p, EW_OP_ROPE, 0, 0, NULL);
    append(&p, EW_OP_CACHE, 0, 0, NULL);
    append(&p, EW_OP_ATTENTION, 0, 0, NULL);
    append(&p, EW_OP_MATMUL, EW_BUF_ATTN, EW_BUF_X, &t_o);
    append(&p, EW_OP_NORM, EW_BUF_X, EW_BUF_NORMED, &t_norm);
    also(append(&p, EW_OP_MATMUL, EW_BUF_NORMED, EW_BUF_GATE, &t_up), EW_BUF_UP, &t_up);
    append(&p, EW_OP_GATE, 0, 0, NULL);
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
    struct ew_plan_cost c = ew_plan_sum_cost(&p, 3, 5);
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
    struct ew_plan_request r = {.n_ctx = 100, .n_batch = 10, .max_threads = 2, .layout = EW_WEIGHTS_MAPPED};
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
        cmocka_unit_test(test_memory_by_hand),
        cmocka_unit_test(test_impossible_context_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
