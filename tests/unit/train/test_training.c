/* A training learns what can be learned, goes on after a kill as if there had been none, and sees each window once a
 * pass. */
#include "train/checkpoint_file.h"

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

enum { N_IDS = 700, PERIOD = 11, N_STEPS = 80 };

static char folder[] = "/tmp/edgewise-training-XXXXXX", path[64];
static uint16_t ids[N_IDS];
static const struct ew_corpus corpus = {ids, N_IDS};

static struct ew_training_params params_of(bool muon) {
    struct ew_training_params p = {.shape = {.n_layer = 1,
                                             .n_embd = 16,
                                             .n_head = 2,
                                             .n_head_kv = 1,
                                             .n_ff = 32,
                                             .n_vocab = PERIOD + 1,
                                             .n_ctx = 16,
                                             .norm_eps = 1e-5f,
                                             .rope_base = 10000},
                                   .optimizer = ew_optimizer_default_params(),
                                   .batch = 4,
                                   .at_once = 2,
                                   .threads = 2,
                                   .n_steps = N_STEPS,
                                   .warmup = 4,
                                   .decay = 0.5,
                                   .clip = 1,
                                   .seed = 5,
                                   .bos = PERIOD};
    p.optimizer.muon = muon;
    p.optimizer.rate = 0.03f;
    p.optimizer.muon_rate = 0.03f;
    return p;
}

/* Token i of the text is i · i mod 11: each is known from the two before it. */
static int make_text(void **state) {
    (void)state;
    for (int i = 0; i < N_IDS; i++) ids[i] = (uint16_t)(i * i % PERIOD);
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/checkpoint.bin", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails when a part of a file was left */
}

static void open_training(struct ew_training *t, const struct ew_training_params *p) {
    struct ew_error err = {0};
    if (ew_training_open(t, p, &corpus, &err) != EW_OK) fail_msg("%s", err.message);
}

static double make_steps(struct ew_training *t, uint64_t end) {
    double loss = 0, length = 0;
    struct ew_error err = {0};
    while (t->optimizer.step < end)
        if (ew_training_step(t, &loss, &length, &err) != EW_OK) fail_msg("%s", err.message);
    return loss;
}

static void check_learns(bool muon) {
    const struct ew_training_params p = params_of(muon);
    struct ew_training t;
    struct ew_training_score before, after;
    uint8_t bytes[PERIOD + 1];
    double loss = 0, length = 0;
    memset(bytes, 2, sizeof bytes);
    open_training(&t, &p);
    assert_int_equal(ew_training_evaluate(&t, &corpus, bytes, 1, &before, NULL), EW_OK);
    assert_int_equal(ew_training_step(&t, &loss, &length, NULL), EW_OK);
    assert_true(fabs(loss - log(PERIOD + 1)) <= 0.1); /* knows nothing: all tokens are equally likely */
    assert_true(fabs(before.nll - log(PERIOD + 1)) <= 0.1);
    make_steps(&t, N_STEPS);
    assert_int_equal(ew_training_evaluate(&t, &corpus, bytes, 1, &after, NULL), EW_OK);
    if (!(after.nll < 0.5)) fail_msg("%s: %g nats after %d steps", muon ? "Muon" : "AdamW", after.nll, N_STEPS);
    /* 700 / 16 windows, 7 tokens of each are scored (8 … 15 but the last), 2 bytes each. */
    assert_int_equal(after.n_tokens, 43 * 7);
    assert_int_equal(after.n_bytes, 2 * 43 * 7);
    assert_true(fabs(after.bits_per_byte - after.nll / (2 * log(2))) <= 1e-9);
    ew_training_close(&t);
}

static void test_muon_learns(void **state) {
    (void)state;
    check_learns(true);
}

static void test_adamw_learns(void **state) {
    (void)state;
    check_learns(false);
}

static void test_goes_on_as_if_never_killed(void **state) {
    (void)state;
    const struct ew_training_params p = params_of(true);
    struct ew_training straight, killed, resumed;
    const size_t bytes = ew_net_n_params(&p.shape) * sizeof(float);
    open_training(&straight, &p);
    open_training(&killed, &p);
    make_steps(&straight, 15);
    make_steps(&killed, 9);
    assert_int_equal(ew_train_save(&killed, path, NULL), EW_OK);
    ew_training_close(&killed);
    open_training(&resumed, &p);
    assert_int_equal(ew_train_resume(&resumed, path, NULL), EW_OK);
    assert_int_equal(resumed.optimizer.step, 9);
    make_steps(&resumed, 15);
    assert_memory_equal(straight.weights, resumed.weights, bytes);
    assert_memory_equal(straight.optimizer.first, resumed.optimizer.first, bytes);
    ew_training_close(&straight);
    ew_training_close(&resumed);
}

static void change_byte(long at) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_END), 0);
    const int byte = fgetc(f);
    assert_int_equal(fseek(f, at, SEEK_END), 0);
    fputc(byte ^ 1, f);
    assert_int_equal(fclose(f), 0);
}

static void test_refuses_other_checkpoints(void **state) {
    (void)state;
    struct ew_training_params p = params_of(true);
    struct ew_training t;
    struct ew_error err = {0};
    open_training(&t, &p);
    make_steps(&t, 2);
    assert_int_equal(ew_train_save(&t, path, NULL), EW_OK);
    change_byte(-100);
    assert_int_equal(ew_train_resume(&t, path, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "checksum"));
    change_byte(-100);
    assert_int_equal(ew_train_resume(&t, path, NULL), EW_OK);
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(ew_train_resume(&t, path, NULL), EW_ERR_FORMAT);
    assert_int_equal(ew_train_save(&t, path, NULL), EW_OK);
    ew_training_close(&t);
    p.seed = 6;
    open_training(&t, &p);
    assert_int_equal(ew_train_resume(&t, path, NULL), EW_ERR_ARGUMENT);
    assert_int_equal(t.optimizer.step, 0);
    assert_int_equal(ew_train_resume(&t, "/nonexistent/checkpoint", NULL), EW_ERR_NOT_FOUND);
    ew_training_close(&t);
}

static void test_windows(void **state) {
    (void)state;
    enum { N_CTX = 10, WINDOWS = 6 }; /* of 78 ids: 7 side by side less one for the shift */
    struct ew_window_order order, late;
    bool seen[3][WINDOWS] = {{false}};
    size_t begins[3 * WINDOWS];
    bool differ = false;
    assert_int_equal(ew_window_order_open(&order, 1, 78, N_CTX, NULL), EW_OK);
    assert_int_equal(order.n_windows, WINDOWS);
    for (uint64_t i = 0; i < 3 * WINDOWS; i++) {
        begins[i] = ew_window_order_at(&order, i);
        assert_true(begins[i] + N_CTX < 78); /* the token after the window is there, too */
        seen[i / WINDOWS][(begins[i] - order.shift) / N_CTX] = true;
        differ |= i >= WINDOWS && begins[i] != begins[i - WINDOWS];
    }
    for (int i = 0; i < 3 * WINDOWS; i++) assert_true(seen[i / WINDOWS][i % WINDOWS]);
    assert_true(differ);
    assert_int_equal(ew_window_order_open(&late, 1, 78, N_CTX, NULL), EW_OK);
    assert_int_equal(ew_window_order_at(&late, 2 * WINDOWS + 1), begins[2 * WINDOWS + 1]);
    assert_int_equal(ew_window_order_at(&late, 1), begins[1]);
    ew_window_order_close(&order);
    ew_window_order_close(&late);
    assert_int_equal(ew_window_order_open(&order, 1, 19, N_CTX, NULL), EW_ERR_ARGUMENT);
}

static void test_refuses_numbers(void **state) {
    (void)state;
    struct ew_training t;
    struct ew_error err = {0};
    struct ew_training_params p = params_of(true);
    p.shape.n_head = 3;
    assert_int_equal(ew_training_open(&t, &p, &corpus, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "3 heads"));
    p = params_of(true);
    p.batch = 0;
    assert_int_equal(ew_training_open(&t, &p, &corpus, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "batch"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_muon_learns),
        cmocka_unit_test(test_adamw_learns),
        cmocka_unit_test(test_goes_on_as_if_never_killed),
        cmocka_unit_test(test_refuses_other_checkpoints),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refuses_numbers),
    };
    return cmocka_run_group_tests(tests, make_text, remove_folder);
}
