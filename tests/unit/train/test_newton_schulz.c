/* Newton and Schulz's iteration: on a diagonal matrix it is the same polynomial of each singular value, which is
 * computed here in double; rotating a matrix rotates the result. Then the rules of descent and the schedule, step by
 * step by hand. */
#include "train/newton_schulz.h"

#include "train/optimizer.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 3, LONG = 5 };

/* X ← a X + b X Xᵀ X + c X Xᵀ X Xᵀ X of a number. Coefficients from the publication. */
static double iterate(double s) {
    for (int i = 0; i < 5; i++) s = 3.4445 * s - 4.7750 * s * s * s + 2.0315 * s * s * s * s * s;
    return s;
}

static void check_diagonal(size_t rows, size_t columns) {
    static const double values[SIDE] = {4, -1, 0.5};
    const double length = sqrt(16 + 1 + 0.25);
    float x[SIDE * LONG] = {0};
    float *scratch = calloc(ew_newton_schulz_scratch(rows, columns), sizeof *scratch);
    for (size_t i = 0; i < SIDE; i++) x[i * columns + i] = (float)values[i];
    ew_newton_schulz(rows, columns, x, scratch);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const double expected = i == j && i < SIDE ? iterate(values[i] / length) : 0;
            assert_true(fabs((double)x[i * columns + j] - expected) <= 1e-5);
        }
    free(scratch);
}

static void test_diagonal(void **state) {
    (void)state;
    check_diagonal(SIDE, SIDE);
    check_diagonal(SIDE, LONG);
    check_diagonal(LONG, SIDE);
}

/* [3 0; 0 1] turned by 30°: the result is the turned diagonal. */
static void test_turned(void **state) {
    (void)state;
    const double c = sqrt(0.75), s = 0.5, length = sqrt(10), a = iterate(3 / length), b = iterate(1 / length);
    float x[4] = {(float)(3 * c), (float)-s, (float)(3 * s), (float)c}, scratch[16];
    const double expected[4] = {a * c, -b * s, a * s, b * c};
    assert_true(ew_newton_schulz_scratch(2, 2) <= 16);
    ew_newton_schulz(2, 2, x, scratch);
    for (int i = 0; i < 4; i++) assert_true(fabs((double)x[i] - expected[i]) <= 1e-5);
}

/* ---- descent ---- */

static const struct ew_net_shape shape = {.n_layer = 1,
                                          .n_embd = 2,
                                          .n_head = 1,
                                          .n_head_kv = 1,
                                          .n_ff = 2,
                                          .n_vocab = 2,
                                          .n_ctx = 4,
                                          .norm_eps = 1e-5f,
                                          .rope_base = 10000};

struct step_job {
    struct ew_optimizer *optimizer;
    float *params;
    const float *gradients;
    float shrink, schedule;
};

static void step_member(const struct ew_pool_member *me, void *context) {
    const struct step_job *job = context;
    ew_optimizer_step(job->optimizer, me, job->params, job->gradients, job->shrink, job->schedule);
}

static void two_steps(bool muon, uint32_t threads, float *params, float *gradients) {
    struct ew_optimizer optimizer;
    struct ew_optimizer_params p = {.muon = muon,
                                    .rate = 0.1f,
                                    .muon_rate = 0.05f,
                                    .beta1 = 0.9f,
                                    .beta2 = 0.95f,
                                    .epsilon = 1e-8f,
                                    .momentum = 0.5f,
                                    .decay = 0.2f};
    struct ew_thread_pool *pool = NULL;
    assert_int_equal(ew_thread_pool_open(threads, NULL, 0, &pool, NULL), EW_OK);
    assert_int_equal(ew_optimizer_open(&optimizer, &shape, &p, threads, NULL), EW_OK);
    for (size_t i = 0; i < ew_net_n_params(&shape); i++) {
        params[i] = 1;
        gradients[i] = i % 2 ? -3 : 2;
    }
    struct step_job job = {&optimizer, params, gradients, 0.5f, 1};
    ew_thread_pool_run(pool, threads, step_member, &job);
    job.schedule = 0.5f;
    for (size_t i = 0; i < ew_net_n_params(&shape); i++) gradients[i] = i % 2 ? -3 : 4;
    ew_thread_pool_run(pool, threads, step_member, &job);
    assert_int_equal(optimizer.step, 2);
    ew_optimizer_close(&optimizer);
    ew_thread_pool_close(&pool);
}

/* Gradients 1, then 2 (shrunk by a half), rates 0.1 and 0.05, decay 0.2:
 *   step 1: m̂ = 1, v̂ = 1: w = 1 · (1 - 0.02) - 0.1 = 0.88
 *   step 2: m = 0.9 · 0.1 + 0.1 · 2 = 0.29, m̂ = 0.29 / 0.19; v = 0.95 · 0.05 + 0.05 · 4 = 0.2475, v̂ = 0.2475 / 0.0975;
 *           w = 0.88 · 0.99 - 0.05 · 1.526316 / 1.593255 = 0.823301
 * A norm does not decay: 0.9, then 0.9 - 0.047899 = 0.852101. */
static void test_adamw_by_hand(void **state) {
    (void)state;
    float *params = calloc(ew_net_n_params(&shape), sizeof(float)),
          *gradients = calloc(ew_net_n_params(&shape), sizeof(float));
    const size_t norm = ew_net_layer(&shape, 0).attn_norm;
    two_steps(false, 1, params, gradients);
    assert_true(fabs((double)params[0] - 0.823301) <= 2e-6);
    assert_int_equal(norm % 2, 0);
    assert_true(fabs((double)params[norm] - 0.852101) <= 2e-6);
    free(params);
    free(gradients);
}

/* attn_q is [1 -1.5; 1 -1.5] after shrinking, then [2 -1.5; 2 -1.5]: of rank 1, with the one singular value σ; a step's
 * direction is u vᵀ of it times the number that σ/σ = 1 goes to. Momentum 0.5: m = g₁, direction g₁ + 0.5 m = 1.5 g₁;
 * then m = g₂ + 0.5 g₁, direction g₂ + 0.5 m = 1.5 g₂ + 0.25 g₁. */
static void test_muon_by_hand(void **state) {
    (void)state;
    float *params = calloc(ew_net_n_params(&shape), sizeof(float)),
          *gradients = calloc(ew_net_n_params(&shape), sizeof(float));
    const size_t q = ew_net_layer(&shape, 0).qkv;
    static const double row[2][2] = {{1.5, -2.25}, {1.5 * 2 + 0.25, -1.5 * 1.5 - 0.25 * 1.5}};
    static const double rate[2] = {0.05, 0.025};
    assert_int_equal(q % 2, 0);
    two_steps(true, 1, params, gradients);
    for (int j = 0; j < 2; j++) {
        double w = 1;
        for (int i = 0; i < 2; i++) {
            const double length = sqrt(2 * (row[i][0] * row[i][0] + row[i][1] * row[i][1]));
            w = w * (1 - rate[i] * 0.2) - rate[i] * 0.2 * sqrt(2) * iterate(1) * row[i][j] / length;
        }
        assert_true(fabs((double)params[q + j] - w) <= 1e-5);
    }
    assert_true(fabs((double)params[0] - 0.823301) <= 2e-6); /* the embedding goes by AdamW */
    free(params);
    free(gradients);
}

static void test_threads_do_not_matter(void **state) {
    (void)state;
    const size_t n = ew_net_n_params(&shape);
    float *one = calloc(n, sizeof(float)), *three = calloc(n, sizeof(float)), *gradients = calloc(n, sizeof(float));
    two_steps(true, 1, one, gradients);
    two_steps(true, 3, three, gradients);
    assert_memory_equal(one, three, n * sizeof(float));
    free(one);
    free(three);
    free(gradients);
}

/* 100 steps, 10 of warm-up, the last 40 decay. */
static void test_schedule(void **state) {
    (void)state;
    static const struct {
        uint64_t step;
        double rate;
    } cases[] = {{0, 0.1}, {4, 0.5}, {9, 1}, {10, 1}, {60, 1}, {70, 0.75}, {99, 0.025}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(fabs((double)ew_schedule_at(cases[i].step, 100, 10, 0.4) - cases[i].rate) <= 1e-6);
    assert_true(fabs((double)ew_schedule_at(99, 100, 0, 0) - 1) <= 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diagonal),
        cmocka_unit_test(test_turned),
        cmocka_unit_test(test_adamw_by_hand),
        cmocka_unit_test(test_muon_by_hand),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
