/* Gradients against differences of the loss, tensor by tensor; the loss itself against arithmetic by hand. That the
 * forward pass is a Llama: test_export_gguf.c. */
#include "train/network.h"

#include "base/seeded_random.h"
#include "train/fast_exp.h"
#include "train/network_parts.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two heads of queries for one of keys, a context of more than a block of attention, widths that are no power of two.
 */
static const struct ew_net_shape shape = {.n_layer = 2,
                                          .n_embd = 12,
                                          .n_head = 2,
                                          .n_head_kv = 1,
                                          .n_ff = 20,
                                          .n_vocab = 31,
                                          .n_ctx = EW_ATTENTION_BLOCK + 5,
                                          .norm_eps = 1e-5f,
                                          .rope_base = 10000};
enum { N_SEQUENCES = 2 };

struct fixture {
    struct ew_net_work *work;
    float *params, *gradients, *moved, *losses;
    uint16_t *ids, *next;
    size_t n_params, n_tokens;
};

static int open_fixture(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    uint64_t seed = 7;
    f->n_params = ew_net_n_params(&shape);
    f->n_tokens = (size_t)N_SEQUENCES * shape.n_ctx;
    f->params = calloc(f->n_params, sizeof(float));
    f->gradients = calloc(f->n_params, sizeof(float));
    f->moved = calloc(f->n_params, sizeof(float));
    f->losses = calloc(f->n_tokens, sizeof(float));
    f->ids = calloc(f->n_tokens, sizeof *f->ids);
    f->next = calloc(f->n_tokens, sizeof *f->next);
    ew_net_init(&shape, 3, f->params);
    /* Ten times the usual deviation, norms apart from 1: so that every path matters. */
    for (size_t i = 0; i < ew_net_n_tensors(&shape); i++) {
        const struct ew_net_tensor t = ew_net_tensor_at(&shape, i);
        for (size_t j = 0; j < t.rows * t.columns; j++)
            f->params[t.offset + j] = t.kind == EW_NET_NORM ? 0.75f + (float)ew_random_below(&seed, 512) / 1024
                                                            : 10 * f->params[t.offset + j];
    }
    for (size_t i = 0; i < f->n_tokens; i++) {
        f->ids[i] = (uint16_t)ew_random_below(&seed, shape.n_vocab);
        f->next[i] = (uint16_t)ew_random_below(&seed, shape.n_vocab);
    }
    *state = f;
    return ew_net_work_open(&shape, N_SEQUENCES, true, &f->work, NULL);
}

static int close_fixture(void **state) {
    struct fixture *f = *state;
    ew_net_work_close(&f->work);
    free(f->params);
    free(f->gradients);
    free(f->moved);
    free(f->losses);
    free(f->ids);
    free(f->next);
    free(f);
    return 0;
}

static double loss_of(struct fixture *f, const float *params) {
    double sum = 0;
    ew_net_losses(f->work, params, f->ids, f->next, N_SEQUENCES, f->losses);
    for (size_t i = 0; i < f->n_tokens; i++) sum += (double)f->losses[i];
    return sum / (double)f->n_tokens;
}

/* The slope of the loss along `direction` within a tensor: (-L(2h) + 8 L(h) - 8 L(-h) + L(-2h)) / 12h, whose error is
 * of h⁴. direction has length 1. */
static double slope(struct fixture *f, const struct ew_net_tensor *t, const float *direction, double h) {
    static const double at[4] = {2, 1, -1, -2}, weight[4] = {-1, 8, -8, 1};
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        memcpy(f->moved, f->params, f->n_params * sizeof(float));
        for (size_t i = 0; i < t->rows * t->columns; i++)
            f->moved[t->offset + i] += (float)(at[k] * h * (double)direction[i]);
        sum += weight[k] * loss_of(f, f->moved);
    }
    return sum / (12 * h);
}

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void scale_to_one(float *direction, size_t n) {
    const double length = sqrt(dot(direction, direction, n));
    for (size_t i = 0; i < n; i++) direction[i] = (float)((double)direction[i] / length);
}

/* Along the gradient the slope is its length; along the gradient with every other sign turned, it is what the product
 * says: a wrong gradient passes neither. Losses of float32 are right to about 1e-6 in the mean, divided by h = 0.02. */
static void check_tensor(struct fixture *f, const struct ew_net_tensor *t) {
    const size_t n = t->rows * t->columns;
    const float *gradient = f->gradients + t->offset;
    float *direction = calloc(n, sizeof *direction);
    const double length = sqrt(dot(gradient, gradient, n));
    for (int turned = 0; turned < 3; turned++) {
        for (size_t i = 0; i < n; i++)
            direction[i] = turned == 1 && i % 2 ? -gradient[i] : turned == 2 && i % 3 ? 0 : gradient[i];
        scale_to_one(direction, n);
        const double measured = slope(f, t, direction, 0.02), expected = dot(gradient, direction, n);
        if (!(fabs(measured - expected) <= 2e-3 * length + 2e-5))
            fail_msg("%s: slope %g, by differences %g (gradient's length %g)", t->name, expected, measured, length);
    }
    assert_true(length > 1e-3);
    free(direction);
}

static void test_every_tensor(void **state) {
    struct fixture *f = *state;
    memset(f->gradients, 0, f->n_params * sizeof(float));
    const double sum =
        ew_net_gradients(f->work, f->params, f->ids, f->next, N_SEQUENCES, 1 / (float)f->n_tokens, f->gradients);
    assert_true(fabs(sum / (double)f->n_tokens - loss_of(f, f->params)) <= 1e-6);
    for (size_t i = 0; i < ew_net_n_tensors(&shape); i++) {
        const struct ew_net_tensor t = ew_net_tensor_at(&shape, i);
        check_tensor(f, &t);
    }
}

/* Sequences do not see each other, and gradients of parts add up to that of the whole. */
static void test_parts_add_up(void **state) {
    struct fixture *f = *state;
    float *parts = f->moved;
    memset(f->gradients, 0, f->n_params * sizeof(float));
    memset(parts, 0, f->n_params * sizeof(float));
    ew_net_gradients(f->work, f->params, f->ids, f->next, N_SEQUENCES, 1, f->gradients);
    for (size_t i = 0; i < N_SEQUENCES; i++)
        ew_net_gradients(f->work, f->params, f->ids + i * shape.n_ctx, f->next + i * shape.n_ctx, 1, 1, parts);
    const double length = sqrt(dot(f->gradients, f->gradients, f->n_params));
    for (size_t i = 0; i < f->n_params; i++)
        assert_true(fabs((double)f->gradients[i] - (double)parts[i]) <= 1e-5 * length);
}

/* A token's loss does not depend on what comes after it. */
static void test_causal(void **state) {
    struct fixture *f = *state;
    loss_of(f, f->params);
    float *before = calloc(f->n_tokens, sizeof *before);
    memcpy(before, f->losses, f->n_tokens * sizeof *before);
    const size_t changed = shape.n_ctx - 3;
    f->ids[changed] = (uint16_t)((f->ids[changed] + 1) % shape.n_vocab);
    loss_of(f, f->params);
    assert_memory_equal(before, f->losses, changed * sizeof *before);
    assert_memory_equal(before + shape.n_ctx, f->losses + shape.n_ctx, shape.n_ctx * sizeof *before);
    assert_true(before[changed] < f->losses[changed] || before[changed] > f->losses[changed]);
    free(before);
}

/* Logits 0, ln 2, ln 5 of p 1/8, 2/8, 5/8. */
static void test_cross_entropy_by_hand(void **state) {
    (void)state;
    float logits[3] = {0, (float)log(2), (float)log(5)};
    assert_true(fabs(ew_cross_entropy(3, logits, 1, 2) - log(4)) <= 1e-6);
    static const double expected[3] = {2 * 0.125, 2 * (0.25 - 1), 2 * 0.625};
    for (int i = 0; i < 3; i++) assert_true(fabs((double)logits[i] - expected[i]) <= 1e-6);
}

/* Against the C library's, over all that losses and gates come to. */
static void test_exp(void **state) {
    (void)state;
    for (double x = -86; x < 86; x += 0.00731) {
        const double exact = exp((double)(float)x);
        if (!(fabs((double)ew_fast_exp((float)x) - exact) <= 2e-7 * exact))
            fail_msg("e^%.9g: %.9g, not %.9g", x, (double)ew_fast_exp((float)x), exact);
    }
    assert_true(ew_fast_exp(0) >= 1 && ew_fast_exp(0) <= 1);
    assert_true(ew_fast_exp(-1000) < 1e-37f && ew_fast_exp(-1000) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_tensor, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_parts_add_up, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_causal, open_fixture, close_fixture),
        cmocka_unit_test(test_cross_entropy_by_hand),
        cmocka_unit_test(test_exp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
