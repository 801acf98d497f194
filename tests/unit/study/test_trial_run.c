/* Whole trials against tests/fixtures/fake-engine.py, which goes wrong in every way on request. */
#include "base/clock.h"
#include "study/trial_run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char engine_path[4096];
static struct ew_study_meters meters;

static struct ew_trial_result *run(const char *behaviour, double timeout_s) {
    const char *const engine[] = {"python3", engine_path, behaviour, NULL};
    const struct ew_trial_setup setup = {.engine = engine,
                                         .spec = {.model = "m",
                                                  .context = 32,
                                                  .prompt_tokens = 16,
                                                  .generate_tokens = 5,
                                                  .sample_prompt = "Once",
                                                  .sample_tokens = 4},
                                         .timeout_s = timeout_s,
                                         .meters = &meters};
    struct ew_trial_result *result = NULL;
    struct ew_error err = {0};
    if (ew_trial_run(&setup, &result, &err) != EW_OK) fail_msg("%s: %s", behaviour, err.message);
    return result;
}

static void expect(const char *behaviour, double timeout_s, enum ew_trial_status status, const char *word) {
    struct ew_trial_result *result = run(behaviour, timeout_s);
    const struct ew_trial_record *r = ew_trial_result_record(result);
    if (r->status != status || (status == EW_TRIAL_OK) != (r->reason == NULL) ||
        (r->reason && !strstr(r->reason, word)))
        fail_msg("%s: %s: %s", behaviour, ew_trial_status_name(r->status), r->reason ? r->reason : "no reason");
    ew_trial_result_close(&result);
    assert_null(result);
}

static void a_good_trial(void **state) {
    (void)state;
    struct ew_trial_result *result = run("good", 20);
    const struct ew_trial_record *r = ew_trial_result_record(result);
    if (r->status != EW_TRIAL_OK) fail_msg("%s", r->reason);
    assert_string_equal(r->engine, "fake");
    assert_string_equal(r->kernels, "gemm_fake");
    assert_string_equal(r->sample_text, " there was a test.");
    assert_int_equal(r->n_stamps, 5);
    assert_int_equal(r->n_phases, 3);
    assert_int_equal(r->exit_code, 0);
    assert_int_equal(r->signal, EW_MISSING);
    assert_true(r->begin_ns < r->phases[0].begin_ns && r->last_stamp_ns < r->end_ns);
    assert_true(r->ledger.present && r->ledger.total == 20 << 20);
    assert_true(r->user_cpu_ns > 0 && r->max_rss_bytes > 1 << 20);
    assert_true(r->peak_rss_bytes >= 20 << 20); /* the child's own word, where samples saw less */
    assert_true(r->n_series >= 7);
    bool has_rss = false;
    for (size_t i = 0; i < r->n_series; i++) {
        if (strcmp(r->series[i].channel, "rss") != 0) continue;
        has_rss = true;
        assert_true(r->series[i].n >= 1 && r->series[i].value[0] > 1 << 20);
        assert_string_equal(r->series[i].unit, "bytes");
    }
    assert_true(has_rss);
    assert_null(r->stderr_tail);
    ew_trial_result_close(&result);
}

static void memory_is_seen_from_outside(void **state) {
    (void)state;
    struct ew_trial_result *result = run("grow", 20);
    const struct ew_trial_record *r = ew_trial_result_record(result);
    if (r->status != EW_TRIAL_OK) fail_msg("%s", r->reason);
    assert_true(r->peak_rss_bytes > 64 << 20); /* it took 64 MiB and the interpreter */
    assert_true(r->peak_rss_bytes < 256 << 20);
    const struct ew_phase_record *prefill = &r->phases[1], *load = &r->phases[0];
    assert_true(prefill->peak_rss_bytes > 40 << 20);
    assert_true(load->peak_rss_bytes == EW_MISSING || load->peak_rss_bytes < prefill->peak_rss_bytes);
    ew_trial_result_close(&result);
}

static void ways_to_fail(void **state) {
    (void)state;
    expect("crash", 20, EW_TRIAL_CRASHED, "signal 11), in phase prefill");
    expect("kill", 20, EW_TRIAL_CRASHED, "signal 9), in phase prefill");
    expect("abort-memory", 20, EW_TRIAL_OOM, "failed to allocate: out of memory");
    expect("memory", 20, EW_TRIAL_OOM, "needs 9 GiB, 7 are free");
    expect("error", 20, EW_TRIAL_FAILED, "tensor 3: type 47 is not known");
    expect("exit", 20, EW_TRIAL_FAILED, "exit status 3 before done, in phase prefill: cannot go on");
    expect("silent", 20, EW_TRIAL_FAILED, "before hello");
    expect("garbage", 20, EW_TRIAL_FAILED, "no JSON object: loading model...");
    expect("partial", 20, EW_TRIAL_FAILED, "last line is not complete");
    expect("no-hello", 20, EW_TRIAL_FAILED, "came before hello");
    expect("long-line", 20, EW_TRIAL_FAILED, "a line of more than");
    expect("no-done", 20, EW_TRIAL_FAILED, "before done");
    expect("stderr", 20, EW_TRIAL_OK, "");
    expect("ignore-spec", 20, EW_TRIAL_OK, "");
}

static void time_limits(void **state) {
    (void)state;
    int64_t begin = ew_clock_now_ns();
    expect("hang", 5, EW_TRIAL_TIMEOUT, "not done after 5 s, in phase decode");
    expect("hang-closed", 5, EW_TRIAL_TIMEOUT, "not done after 5 s");
    assert_true(ew_clock_seconds(ew_clock_now_ns() - begin) < 60);
}

static void a_missing_program(void **state) {
    (void)state;
    const char *const engine[] = {"/no/such/engine", NULL};
    const struct ew_trial_setup setup = {.engine = engine, .spec = {.model = "m", .prompt_tokens = 1}, .timeout_s = 5};
    struct ew_trial_result *result = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_trial_run(&setup, &result, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/no/such/engine"));
    assert_null(result);
}

static volatile int stop;
static void stop_it(void *context, const char *phase) {
    (void)context;
    if (phase && strcmp(phase, "decode") == 0) stop = 1;
}

static void stopping(void **state) {
    (void)state;
    const char *const engine[] = {"python3", engine_path, "hang", NULL};
    const struct ew_trial_setup setup = {
        .engine = engine,
        .spec = {.model = "m", .context = 32, .prompt_tokens = 16, .generate_tokens = 5},
        .timeout_s = 60,
        .stop = &stop,
        .tick = stop_it};
    struct ew_trial_result *result = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_trial_run(&setup, &result, &err), EW_ERR_CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_trial), cmocka_unit_test(memory_is_seen_from_outside), cmocka_unit_test(ways_to_fail),
        cmocka_unit_test(time_limits),  cmocka_unit_test(a_missing_program),           cmocka_unit_test(stopping),
    };
    const char *source = getenv("EW_SOURCE_DIR");
    if (!source || system("python3 -c '' >/dev/null 2>&1") != 0) {
        puts("skipped: needs python3 and EW_SOURCE_DIR");
        return 77;
    }
    snprintf(engine_path, sizeof engine_path, "%s/tests/fixtures/fake-engine.py", source);
    signal(SIGPIPE, SIG_IGN);
    struct ew_error err = {0};
    if (ew_study_meters_open(NULL, "none", &meters, &err) != EW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ew_study_meters_close(&meters);
    return failed;
}
