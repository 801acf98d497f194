/* The machine's limits: whether they are there and of this world, never how large they are; and the roofline over them,
 * whose arithmetic is checked against figures worked out by hand. */
#include "engine/machine_limits.h"

#include "kernel/limit_loops.h"
#include "machine/cpu_features.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int calls;
static void count_calls(void *context, double fraction, const char *what) {
    (void)context;
    assert_true(fraction > 0 && fraction <= 1);
    assert_non_null(what);
    calls++;
}

static struct ew_machine *open_machine(void) {
    struct ew_machine *machine = NULL;
    assert_int_equal(ew_machine_open("", &machine, NULL), EW_OK);
    return machine;
}

static void limits_are_of_this_world(void **state) {
    (void)state;
    struct ew_machine *machine = open_machine();
    struct ew_machine_limits l;
    struct ew_limits_request request = {.budget_s = 0.2, .progress = count_calls};
    assert_int_equal(ew_machine_limits_measure(machine, &request, &l, NULL), EW_OK);
    assert_true(calls >= 2);
    assert_true(l.threads >= 1 && l.n_reads >= 1);
    assert_int_equal(l.reads[0].threads, 1);
    assert_int_equal(l.reads[l.n_reads - 1].threads, l.threads);
    double best = 0;
    for (size_t i = 0; i < l.n_reads; i++) {
        assert_true(l.reads[i].bytes_per_s > 1e6 && l.reads[i].bytes_per_s < 1e14);
        best = fmax(best, l.reads[i].bytes_per_s);
        if (i > 0) assert_true(l.reads[i].threads > l.reads[i - 1].threads);
    }
    assert_true(l.read_bytes_per_s == best);
    assert_true(l.int8_ops_per_s > 1e6 && l.int8_ops_per_s < 1e16);
    assert_true(l.f32_ops_per_s > 1e6 && l.f32_ops_per_s < 1e16);
    assert_true(l.half_ops_per_s > 1e6 && l.half_ops_per_s < 1e16);
    assert_true(strlen(l.int8_with) > 0 && strlen(l.f32_with) > 0);
    assert_true(l.buffer_bytes >= 8 << 20 && l.buffer_bytes <= (size_t)1 << 30);
    assert_true(l.n_kinds >= 1);
    for (size_t i = 0; i < l.n_kinds; i++) assert_true(l.kinds[i].int8_ops_per_s > 1e6);
    ew_machine_close(&machine);
}

static void plain_c_has_limits_too(void **state) {
    (void)state;
    for (int peak = 0; peak < EW_PEAKS; peak++) {
        assert_true(ew_limit_peak((enum ew_peak)peak, EW_CPU_MASK_NONE, 10) > 0);
        assert_true(ew_limit_peak((enum ew_peak)peak, 0, 0) == 0);
        assert_non_null(ew_limit_peak_name((enum ew_peak)peak, 0));
    }
    /* A wider instruction does more operations in a turn, and the table is ordered by that. */
    for (size_t i = 1; i < ew_limit_n_loops; i++)
        if (ew_limit_loops[i].peak == ew_limit_loops[i - 1].peak)
            assert_true(ew_limit_loops[i].ops <= ew_limit_loops[i - 1].ops);
}

/* Every variant that this processor has reads to the end and not beyond it: the next page may not be read. */
static void every_loop_runs_here(void **state) {
    (void)state;
    for (size_t i = 0; i < ew_limit_n_loops; i++)
        if ((ew_cpu_features() & ew_limit_loops[i].needs) == ew_limit_loops[i].needs) ew_limit_loops[i].run(3);
    char *data = aligned_alloc(256, 1 << 16);
    assert_non_null(data);
    memset(data, 1, 1 << 16);
    for (size_t i = 0; i < ew_limit_n_readers; i++)
        if ((ew_cpu_features() & ew_limit_readers[i].needs) == ew_limit_readers[i].needs)
            ew_limit_readers[i].read(data, data + (1 << 16));
    ew_limit_read(data, 255, 0); /* less than a step: nothing to do */
    ew_limit_read(data, 1 << 16, 0);
    free(data);
}

static void can_be_stopped(void **state) {
    (void)state;
    struct ew_machine *machine = open_machine();
    struct ew_machine_limits l;
    volatile int stop = 1;
    struct ew_limits_request request = {.budget_s = 0.2, .stop = &stop};
    assert_int_equal(ew_machine_limits_measure(machine, &request, &l, NULL), EW_ERR_CANCELLED);
    ew_machine_close(&machine);
}

static void assert_close(double a, double b) {
    if (!(fabs(a - b) <= 1e-9 * fabs(b))) fail_msg("%g is not %g", a, b);
}

/* 10 GB/s, 1000, 200 and 100 Gop/s. */
static const struct ew_machine_limits round_limits = {
    .read_bytes_per_s = 10e9, .int8_ops_per_s = 1000e9, .half_ops_per_s = 200e9, .f32_ops_per_s = 100e9};

static void least_time_is_the_larger_of_both(void **state) {
    (void)state;
    struct ew_model_work reading = {.bytes = 1e9, .int8_ops = 2e9, .float_ops = 1e9};
    assert_close(ew_machine_limits_least_s(&round_limits, &reading), 0.1);
    struct ew_model_work computing = {.bytes = 1e9, .int8_ops = 500e9, .half_ops = 60e9, .float_ops = 20e9};
    assert_close(ew_machine_limits_least_s(&round_limits, &computing), 0.5 + 0.3 + 0.2);
    struct ew_machine_limits unknown = {.read_bytes_per_s = 10e9};
    assert_true(isnan(ew_machine_limits_least_s(&unknown, &reading)));
}

static struct ew_model *open_box(void) {
    char path[512];
    const char *source = getenv("EW_SOURCE_DIR");
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/models/edgewise-tales-6m-f16.gguf", source);
    struct ew_model *model = NULL;
    assert_int_equal(ew_model_open(path, &model, NULL), EW_OK);
    return model;
}

/* The model in the box has float weights only, and a token reads nearly all of them: not the rows of the embedding. */
static void work_of_the_box(void **state) {
    (void)state;
    struct ew_model *model = open_box();
    struct ew_model_info info = ew_model_info(model);
    const struct ew_work_request one_token = {.n_tokens = 1}, eight_tokens = {.n_tokens = 8};
    struct ew_model_work one = ew_model_work_of(model, &one_token), eight = ew_model_work_of(model, &eight_tokens);
    assert_true(one.int8_ops == 0);
    double parameters = (double)info.weights_bytes / 2; /* 2 bytes each */
    assert_true(one.float_ops > parameters && one.float_ops < 2.2 * parameters);
    assert_true(one.bytes > 0.5 * (double)info.weights_bytes && one.bytes < 1.1 * (double)info.weights_bytes);
    assert_true(eight.float_ops > 4 * one.float_ops && eight.float_ops < 8.5 * one.float_ops);
    /* More than 16 tokens meet F16 weights as 16-bit integers where there are kernels for that. */
    const struct ew_work_request tokens_16 = {.n_tokens = 16}, tokens_32 = {.n_tokens = 32};
    struct ew_model_work sixteen = ew_model_work_of(model, &tokens_16), many = ew_model_work_of(model, &tokens_32);
    assert_true(sixteen.half_ops == 0 && many.half_ops > 1.5 * sixteen.float_ops);
    assert_true(many.float_ops < sixteen.float_ops);
    const struct ew_work_request tokens = {.n_tokens = 64}, at_32 = {.n_tokens = 1, .depth = 32};
    double decode = ew_machine_limits_decode_rate(&round_limits, model, &tokens);
    struct ew_model_work middle = ew_model_work_of(model, &at_32);
    assert_close(decode, 1 / fmax(middle.bytes / 10e9, middle.float_ops / 100e9));
    double whole = ew_machine_limits_prefill_rate(&round_limits, model, &eight_tokens, 0);
    double split = ew_machine_limits_prefill_rate(&round_limits, model, &eight_tokens, 2);
    assert_close(whole, 8 / ew_machine_limits_least_s(&round_limits, &eight));
    assert_true(split < whole); /* the head and the weights are paid four times */
    ew_model_close(&model);
}

/* The box has 6 layers of 2 KV heads of 64, for keys and for values. F16 takes 2 bytes a value; a block of 32 in Q8_0
 * takes 34 (GGUF specification). A token at depth 99 reads 100 positions and writes one. */
static void work_knows_types_of_the_cache(void **state) {
    (void)state;
    struct ew_model *model = open_box();
    struct ew_work_request request = {.n_tokens = 1, .depth = 99};
    double f16 = ew_model_work_of(model, &request).bytes;
    request.kv_v = EW_KV_Q8_0;
    double half = ew_model_work_of(model, &request).bytes;
    request.kv_k = EW_KV_Q8_0;
    double q8_0 = ew_model_work_of(model, &request).bytes;
    request = (struct ew_work_request){.n_tokens = 1};
    double empty = ew_model_work_of(model, &request).bytes;
    assert_close(f16 - half, half - q8_0); /* keys and values are of one width in this model */
    const double values = 6 * 2 * 64 * 2;
    assert_close(f16 - empty, 99 * values * 2);
    assert_close(f16 - q8_0, 101 * values * (2 - 34.0 / 32));
    ew_model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_of_this_world),
        cmocka_unit_test(plain_c_has_limits_too),
        cmocka_unit_test(every_loop_runs_here),
        cmocka_unit_test(can_be_stopped),
        cmocka_unit_test(least_time_is_the_larger_of_both),
        cmocka_unit_test(work_of_the_box),
        cmocka_unit_test(work_knows_types_of_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
