/* Whole trials against tests/fixtures/fake-engine.py, which goes wrong in every way on request. */
#include "base/clock.h"
#include "meter/driver.h"
#include "meter/fake_meter.h"
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

static struct ew_trial_result *run_under(struct ew_study_meters *used, const char *behaviour, double timeout_s) {
    const char *const engine[] = {"python3", engine_path, behaviour, NULL};
    const struct ew_trial_setup setup = {.engine = engine,
                                         .spec = {.model = "m",
                                                  .context = 32,
                                                  .prompt_tokens = 16,
                                                  .generate_tokens = 5,
                                                  .sample_prompt = "Once",
                                                  .sample_tokens = 4},
                                         .timeout_s = timeout_s,
                                         .meters = used};
    struct ew_trial_result *result = NULL;
    struct ew_error err = {0};
    if (ew_trial_run(&setup, &result, &err) != EW_OK) fail_msg("%s: %s", behaviour, err.message);
    return result;
}

static struct ew_trial_result *run(const char *behaviour, double timeout_s) {
    return run_under(&meters, behaviour, timeout_s);
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

/* ---- meters that have gone before the trial ---- */

enum { GAUGES = 20 };

static double wavering(void *context, int64_t time_ns, size_t channel) {
    (void)context;
    (void)channel;
    return 5 + 0.001 * (double)(time_ns / 1000000 % 7);
}

static enum ew_status add_fake(struct ew_meter_list *list, const char *name, enum ew_meter_quantity quantity,
                               struct ew_error *err) {
    const struct ew_meter_channel channel = {.name = "all", .in_total = true};
    struct ew_fake_script script = {.value = wavering,
                                    .info = {.quantity = quantity,
                                             .kind = quantity == EW_METER_ENERGY ? EW_METER_POWER : EW_METER_GAUGE,
                                             .boundary = EW_BOUNDARY_BOARD_DC,
                                             .period_s = 0.01,
                                             .grade_ceiling = EW_GRADE_C,
                                             .n_channels = 1,
                                             .channels = &channel}};
    struct ew_meter *meter = NULL;
    snprintf(script.info.name, sizeof script.info.name, "%s", name);
    enum ew_status status = ew_meter_open_fake(NULL, &script, &meter, err);
    return status == EW_OK ? ew_meter_list_add(list, meter, err) : status;
}

static enum ew_status add_fakes(const struct ew_meter_config *config, struct ew_meter_list *list,
                                struct ew_error *err) {
    (void)config;
    enum ew_status status = add_fake(list, "fake-watts", EW_METER_ENERGY, err);
    for (int i = 0; i < GAUGES && status == EW_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "fake-heat-%d", i);
        status = add_fake(list, name, EW_METER_TEMPERATURE, err);
    }
    return status;
}

/* The series of a meter, by the row that the test gave it; NULL where the trial went without. */
static const struct ew_series_record *series_of(const struct ew_trial_record *r, int64_t id) {
    for (size_t i = 0; i < r->n_series; i++)
        if (r->series[i].meter_id == id) return &r->series[i];
    return NULL;
}

static void expect_left_out(struct ew_study_meters *used, const char *note, const char *lost, int64_t gone_id) {
    struct ew_trial_result *result = run_under(used, "good", 20);
    const struct ew_trial_record *r = ew_trial_result_record(result);
    const struct ew_trial_conditions *c = &r->conditions;
    if (r->status != EW_TRIAL_OK) fail_msg("%s", r->reason);
    if (!note != !c->notes || (note && strcmp(c->notes, note) != 0))
        fail_msg("notes: %s", c->notes ? c->notes : "none");
    if (!lost != !c->meter_lost || (lost && strcmp(c->meter_lost, lost) != 0))
        fail_msg("lost: %s", c->meter_lost ? c->meter_lost : "nothing");
    for (size_t i = 0; i < used->n_used; i++) {
        bool gone = used->used_id[i] == gone_id || (used->used[i] == used->energy && lost);
        const struct ew_series_record *series = series_of(r, used->used_id[i]);
        if (gone == (series != NULL)) fail_msg("meter %s", ew_meter_info(used->used[i])->name);
        assert_true(gone || series->n >= 1);
    }
    assert_int_equal(c->spent_j > 0, lost == NULL);
    ew_trial_result_close(&result);
}

/* Regression: one gauge that had gone took the energy meter with it, or all of them. */
static void meters_that_have_gone_are_left_out_and_named(void **state) {
    (void)state;
    struct ew_study_meters used = {0};
    struct ew_error err = {0};
    const struct ew_meter_config config = {.root = "/nonexistent", .found = add_fakes};
    if (ew_study_meters_open(&config, "fake-watts", &used, &err) != EW_OK) fail_msg("%s", err.message);
    assert_true(used.n_used >= GAUGES + 1); /* regression: sixteen were used and the rest dropped without a word */
    for (size_t i = 0; i < used.n_used; i++) used.used_id[i] = 100 + (int64_t)i;
    expect_left_out(&used, NULL, NULL, -1);

    ew_meter_flag(ew_meter_list_find(used.list, "fake-heat-3"), EW_METER_GONE, "unplugged");
    size_t at = 0;
    while (used.used[at] != ew_meter_list_find(used.list, "fake-heat-3")) at++;
    expect_left_out(&used, "without meter fake-heat-3: unplugged", NULL, used.used_id[at]);

    const struct ew_rest_limits limits = {.min_s = 0.1, .max_s = 0.1};
    struct ew_baseline_record baseline = {0};
    struct ew_series_record *series = NULL;
    size_t n = 0;
    assert_int_equal(ew_study_meters_rest(&used, &limits, NULL, &baseline, &series, &n, &err), EW_OK);
    assert_int_equal(n, used.n_used - 1);
    ew_series_free(&series, n);

    ew_meter_flag(used.energy, EW_METER_NOT_NOW, "a charger is plugged in");
    expect_left_out(&used, "without meter fake-heat-3: unplugged", "meter fake-watts: a charger is plugged in",
                    used.used_id[at]);
    assert_int_equal(ew_study_meters_rest(&used, &limits, NULL, &baseline, &series, &n, &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "a charger is plugged in"));
    ew_study_meters_close(&used);
    assert_int_equal(used.n_used, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_trial),
        cmocka_unit_test(memory_is_seen_from_outside),
        cmocka_unit_test(ways_to_fail),
        cmocka_unit_test(time_limits),
        cmocka_unit_test(a_missing_program),
        cmocka_unit_test(stopping),
        cmocka_unit_test(meters_that_have_gone_are_left_out_and_named),
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
