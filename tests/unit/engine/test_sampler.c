/* The sampler against small hand-computed distributions. */
#include "edgewise/session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 6 };
/* Softmax at temperature 1: 0.5, 0.25, 0.125, 0.0625, 0.0375, 0.025 */
static const double probability[N] = {0.0625, 0.5, 0.025, 0.25, 0.0375, 0.125};

static void logits_of(float *out) {
    for (int i = 0; i < N; i++) out[i] = (float)log(probability[i]);
}

static struct ew_sampler *open_sampler(struct ew_sampler_params p) {
    struct ew_sampler *s = NULL;
    struct ew_error err;
    if (ew_sampler_open(&p, N, &s, &err) != EW_OK) fail_msg("%s", err.message);
    return s;
}

/* Draws often and returns how often each id came. */
static void draw(struct ew_sampler_params p, int draws, int counts[N]) {
    float logits[N];
    logits_of(logits);
    struct ew_sampler *s = open_sampler(p);
    for (int i = 0; i < N; i++) counts[i] = 0;
    for (int i = 0; i < draws; i++) counts[ew_sampler_sample(s, logits)]++;
    ew_sampler_close(&s);
}

/* |count - n p| within five standard deviations of the binomial. */
static void assert_share(int count, int n, double p) {
    double sd = sqrt(n * p * (1 - p));
    if (fabs(count - n * p) > 5 * sd + 1e-9) fail_msg("%d of %d draws, expected %.1f ± %.1f", count, n, n * p, sd);
}

static void test_greedy_takes_largest(void **state) {
    (void)state;
    float logits[N];
    logits_of(logits);
    struct ew_sampler *s = open_sampler(ew_sampler_default_params());
    for (int i = 0; i < 3; i++) assert_int_equal(ew_sampler_sample(s, logits), 1);
    ew_sampler_close(&s);
}

static void test_temperature_one_follows_softmax(void **state) {
    (void)state;
    struct ew_sampler_params p = ew_sampler_default_params();
    p.temperature = 1;
    p.seed = 3;
    int counts[N], n = 20000;
    draw(p, n, counts);
    for (int i = 0; i < N; i++) assert_share(counts[i], n, probability[i]);
}

static void test_low_temperature_squares_probabilities(void **state) {
    (void)state;
    struct ew_sampler_params p = ew_sampler_default_params();
    p.temperature = 0.5f;
    int counts[N], n = 20000;
    double sum = 0;
    for (int i = 0; i < N; i++) sum += probability[i] * probability[i];
    draw(p, n, counts);
    for (int i = 0; i < N; i++) assert_share(counts[i], n, probability[i] * probability[i] / sum);
}

static void test_top_k_keeps_k_largest(void **state) {
    (void)state;
    for (uint32_t k = 1; k <= N; k++) {
        struct ew_sampler_params p = ew_sampler_default_params();
        p.temperature = 1;
        p.top_k = k;
        int counts[N], n = 4000;
        draw(p, n, counts);
        static const int order[N] = {1, 3, 5, 0, 4, 2};
        double sum = 0;
        for (uint32_t i = 0; i < k; i++) sum += probability[order[i]];
        for (uint32_t i = 0; i < N; i++) {
            if (i < k)
                assert_share(counts[order[i]], n, probability[order[i]] / sum);
            else
                assert_int_equal(counts[order[i]], 0);
        }
    }
}

static void test_top_p_keeps_shortest_head(void **state) {
    (void)state;
    struct ew_sampler_params p = ew_sampler_default_params();
    p.temperature = 1;
    p.top_p = 0.7f; /* 0.5 is too little, 0.5 + 0.25 reaches it */
    int counts[N], n = 6000;
    draw(p, n, counts);
    assert_share(counts[1], n, 2.0 / 3);
    assert_share(counts[3], n, 1.0 / 3);
    assert_int_equal(counts[1] + counts[3], n);
}

static void test_min_p_cuts_below_share_of_best(void **state) {
    (void)state;
    struct ew_sampler_params p = ew_sampler_default_params();
    p.temperature = 1;
    p.min_p = 0.2f; /* 0.5 × 0.2 = 0.1: 0.5, 0.25 and 0.125 stay */
    int counts[N], n = 6000;
    draw(p, n, counts);
    assert_share(counts[1], n, 0.5 / 0.875);
    assert_int_equal(counts[1] + counts[3] + counts[5], n);
}

static void test_same_seed_same_tokens(void **state) {
    (void)state;
    struct ew_sampler_params p = ew_sampler_default_params();
    p.temperature = 1;
    p.seed = 42;
    float logits[N];
    logits_of(logits);
    struct ew_sampler *a = open_sampler(p), *b = open_sampler(p);
    p.seed = 43;
    struct ew_sampler *c = open_sampler(p);
    int differences = 0;
    for (int i = 0; i < 200; i++) {
        int32_t id = ew_sampler_sample(a, logits);
        assert_int_equal(id, ew_sampler_sample(b, logits));
        differences += id != ew_sampler_sample(c, logits);
    }
    assert_true(differences > 50);
    ew_sampler_close(&a);
    ew_sampler_close(&b);
    ew_sampler_close(&c);
}

static void test_repeat_penalty_divides_and_multiplies(void **state) {
    (void)state;
    struct ew_sampler_params p = ew_sampler_default_params();
    p.repeat_penalty = 2;
    p.repeat_last = 2;
    const float logits[N] = {3, 2, 1.6f, -1, -1, -1};
    struct ew_sampler *s = open_sampler(p);
    assert_int_equal(ew_sampler_sample(s, logits), 0); /* nothing recent */
    assert_int_equal(ew_sampler_sample(s, logits), 1); /* 3 / 2 < 2 */
    assert_int_equal(ew_sampler_sample(s, logits), 2); /* 1.5 and 1 < 1.6 */
    assert_int_equal(ew_sampler_sample(s, logits), 0); /* only the last two count: 0 is free again */
    ew_sampler_close(&s);
    const float negative[N] = {-1, -1.5f, -9, -9, -9, -9};
    s = open_sampler(p);
    ew_sampler_accept(s, 0);
    assert_int_equal(ew_sampler_sample(s, negative), 1); /* -2 < -1.5 */
    ew_sampler_close(&s);
}

static void test_bad_parameters_are_named(void **state) {
    (void)state;
    struct ew_sampler *s = NULL;
    struct ew_error err;
    struct ew_sampler_params p = ew_sampler_default_params();
    p.top_p = 1.5f;
    assert_int_equal(ew_sampler_open(&p, N, &s, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "top-p: 1.5 is outside 0 (exclusive)–1");
    p = ew_sampler_default_params();
    p.temperature = (float)NAN;
    assert_int_equal(ew_sampler_open(&p, N, &s, &err), EW_ERR_ARGUMENT);
    assert_null(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy_takes_largest),
        cmocka_unit_test(test_temperature_one_follows_softmax),
        cmocka_unit_test(test_low_temperature_squares_probabilities),
        cmocka_unit_test(test_top_k_keeps_k_largest),
        cmocka_unit_test(test_top_p_keeps_shortest_head),
        cmocka_unit_test(test_min_p_cuts_below_share_of_best),
        cmocka_unit_test(test_same_seed_same_tokens),
        cmocka_unit_test(test_repeat_penalty_divides_and_multiplies),
        cmocka_unit_test(test_bad_parameters_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
