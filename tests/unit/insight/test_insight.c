/* Answers and caveats over studies made of a few numbers, each answer reasoned out beside it. */
#include "insight/advice.h"
#include "insight/insight.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000LL
enum { MOST = 64 };

/* A study that is filled run by run; gap and TTFT say everything else. */
struct made {
    struct ew_stored_study study;
    struct ew_model_record models[8];
    struct ew_config_record configs[16];
    struct ew_trial_record trials[MOST];
    struct ew_phase_record phases[MOST][2];
    int64_t stamps[MOST][3];
    struct ew_invocation_record invocations[2];
};

static void begin(struct made *m) {
    *m = (struct made){0};
    m->study = (struct ew_stored_study){.models = m->models,
                                        .configs = m->configs,
                                        .trials = m->trials,
                                        .invocations = m->invocations,
                                        .n_invocations = 1};
    m->invocations[0] = (struct ew_invocation_record){.id = 1, .machine_id = 1, .energy_none = "no meter here"};
}

static void add_model(struct made *m, const char *name, const char *type, bool synthetic, int64_t n_params,
                      int64_t bytes) {
    size_t i = m->study.n_models++;
    m->models[i] = (struct ew_model_record){.id = (int64_t)i + 1,
                                            .name = name,
                                            .file_type = type,
                                            .synthetic = synthetic,
                                            .n_params = n_params,
                                            .file_bytes = bytes,
                                            .weights_bytes = EW_MISSING};
}

static void add_config(struct made *m, int64_t model, int64_t threads) {
    size_t i = m->study.n_configs++;
    m->configs[i] = (struct ew_config_record){.id = (int64_t)i + 1,
                                              .model_id = model,
                                              .prefill_threads = threads,
                                              .decode_threads = threads,
                                              .prompt_tokens = 100,
                                              .generate_tokens = 50};
}

static struct ew_trial_record *add_run(struct made *m, double tokens_per_s, double ttft_s, int64_t peak) {
    size_t i = m->study.n_trials++;
    int64_t gap = (int64_t)(1e9 / tokens_per_s), prefill = (int64_t)(ttft_s * 1e9);
    m->phases[i][0] = (struct ew_phase_record){.name = "prefill", .begin_ns = 0, .end_ns = prefill, .n_tokens = 100};
    for (int k = 0; k < 3; k++) m->stamps[i][k] = k * gap;
    m->trials[i] = (struct ew_trial_record){.id = (int64_t)i + 1,
                                            .config_id = (int64_t)m->study.n_configs,
                                            .invocation_id = 1,
                                            .status = EW_TRIAL_OK,
                                            .ttft_ns = prefill,
                                            .peak_rss_bytes = peak,
                                            .phases = m->phases[i],
                                            .n_phases = 1,
                                            .stamps_ns = m->stamps[i],
                                            .n_stamps = 3,
                                            .last_stamp_ns = 2 * gap};
    return &m->trials[i];
}

static void add_runs(struct made *m, int n, double tokens_per_s, double ttft_s, int64_t peak) {
    for (int i = 0; i < n; i++) add_run(m, tokens_per_s * (1 + 0.01 * (i - n / 2)), ttft_s, peak);
}

static struct ew_insight *build(const struct made *m) {
    struct ew_insight *insight = NULL;
    struct ew_error err = {0};
    if (ew_insight_build(&m->study, NULL, &insight, &err) != EW_OK) fail_msg("%s", err.message);
    return insight;
}

static const struct ew_answer *answer(const struct ew_insight *insight, enum ew_answer_kind kind) {
    for (size_t i = 0; i < insight->n_answers; i++)
        if (insight->answers[i].kind == kind) return &insight->answers[i];
    return NULL;
}

static const char *caveat(const struct ew_insight *insight, enum ew_caveat_kind kind) {
    for (size_t i = 0; i < insight->n_caveats; i++)
        if (insight->caveats[i].kind == kind) return insight->caveats[i].text;
    return NULL;
}

static void expect_in(const char *text, const char *part) {
    if (text && strstr(text, part)) return;
    fail_msg("`%s` is not in: %s", part, text ? text : "(nothing)");
}

/* Chat wants the most parameters that keep the pace: "large" is too slow, "medium" keeps it in both types; Q8_0 has
 * more bits, and two threads are faster than one. Q4_0 is clearly faster, which the reason says. */
static void chat_takes_the_largest_that_keeps_pace(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    add_model(&m, "small", "Q8_0", false, 100, 106);
    add_model(&m, "medium", "Q4_0", true, 1000, 562);
    add_model(&m, "medium", "Q8_0", true, 1000, 1062);
    add_model(&m, "large", "Q4_0", true, 5000, 2812);
    add_config(&m, 1, 2), add_runs(&m, 5, 200, 0.1, 1000);
    add_config(&m, 2, 2), add_runs(&m, 5, 40, 0.8, 5000);
    add_config(&m, 3, 1), add_runs(&m, 5, 12, 1.9, 9000);
    add_config(&m, 3, 2), add_runs(&m, 5, 20, 1.0, 9100);
    add_config(&m, 4, 2), add_runs(&m, 5, 8, 3.0, 30000);
    struct ew_insight *insight = build(&m);
    const struct ew_answer *chat = answer(insight, EW_ANSWER_CHAT);
    assert_non_null(chat);
    assert_string_equal(chat->config->label, "medium Q8_0 · 2 threads");
    expect_in(chat->text, "Its weights here were random");
    expect_in(chat->reason, "Quality was not measured");
    expect_in(chat->reason, "With 1 thread it writes 12.0 tokens/s.");
    expect_in(chat->reason, "If speed matters more: Q4_0 with 2 threads writes 40.0 tokens/s");
    /* batch: least 100/prefill + 50/decode of each model, largest first: large 3 + 6.25 s, medium Q4_0 0.8 + 1.25 s */
    const struct ew_answer *batch = answer(insight, EW_ANSWER_BATCH);
    expect_in(batch->text, "large (synthetic) in Q4_0");
    expect_in(batch->text, "medium (synthetic) in Q4_0 with 2 threads reads 125 and writes 40.0 tokens/s.");
    expect_in(batch->text, "small in Q8_0");
    assert_float_equal(ew_advice_request_s(batch->config), 9.25, 0.01);
    assert_string_equal(answer(insight, EW_ANSWER_MEMORY)->config->label, "small Q8_0 · 2 threads");
    assert_null(answer(insight, EW_ANSWER_UNFIT));
    assert_null(answer(insight, EW_ANSWER_ENERGY));
    expect_in(caveat(insight, EW_CAVEAT_SYNTHETIC), "medium, large: random weights in the shape of the real models.");
    expect_in(caveat(insight, EW_CAVEAT_NO_ENERGY), "There is no energy figure: no meter here.");
    assert_null(caveat(insight, EW_CAVEAT_FEW));
    ew_insight_close(&insight);
}

static void slow_machines_get_told(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    add_model(&m, "only", "Q4_0", false, 1000, 562);
    add_config(&m, 1, 1), add_runs(&m, 3, 6, 30, 5000);
    struct ew_insight *insight = build(&m);
    expect_in(answer(insight, EW_ANSWER_CHAT)->text, "With patience, run only in Q4_0 with 1 thread:");
    expect_in(caveat(insight, EW_CAVEAT_FEW), "1 of 1 configurations have fewer than five runs");
    ew_insight_close(&insight);
    begin(&m);
    add_model(&m, "only", "Q4_0", false, 1000, 562);
    add_config(&m, 1, 1), add_runs(&m, 3, 0.5, 30, 5000);
    insight = build(&m);
    expect_in(answer(insight, EW_ANSWER_CHAT)->text, "Nothing here is pleasant. The nearest is only in Q4_0");
    ew_insight_close(&insight);
}

static void failures_are_results(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    add_model(&m, "big", "Q8_0", true, 1000, 1062);
    add_model(&m, "big", "Q4_0", true, 1000, 562);
    add_config(&m, 1, 1);
    struct ew_trial_record *oom = add_run(&m, 1, 1, EW_MISSING);
    oom->status = EW_TRIAL_OOM;
    oom->ledger = (struct ew_ledger_record){.present = true, .total = 9LL << 30};
    add_config(&m, 1, 2);
    add_run(&m, 1, 1, EW_MISSING)->status = EW_TRIAL_OOM;
    add_config(&m, 2, 1);
    add_run(&m, 1, 1, EW_MISSING)->status = EW_TRIAL_CRASHED;
    add_run(&m, 20, 1, 5000);
    add_run(&m, 20, 1, 5000)->swap_peak_bytes = 4096;
    add_run(&m, 20, 1, 5000)->status = EW_TRIAL_PLANNED;
    struct ew_insight *insight = build(&m);
    assert_string_equal(answer(insight, EW_ANSWER_UNFIT)->text, "Does not fit: big in Q8_0 (it would need 9.0 GiB).");
    expect_in(caveat(insight, EW_CAVEAT_FAILED), "3 of 5 runs failed: 2 ran out of memory, 1 crashed.");
    expect_in(caveat(insight, EW_CAVEAT_UNFINISHED), "1 of 6 runs are still to be done");
    expect_in(caveat(insight, EW_CAVEAT_FLAGGED), "In 1 run memory was swapped");
    assert_int_equal(insight->configs[0].n_ok, 2); /* Q4_0 first: fewer bits */
    assert_int_equal(insight->configs[0].n_failed, 1);
    assert_int_equal(insight->configs[0].n_left, 1);
    ew_insight_close(&insight);
}

/* Front over (decode, memory): b beats a; c is slower and smaller. Of its own model, a is beaten by nobody. */
static void fronts_and_figures(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    add_model(&m, "a", "Q4_0", false, 100, 56);
    add_model(&m, "b", "Q4_0", false, 100, 56);
    add_config(&m, 1, 1);
    add_run(&m, 10, 1, 1000)->ledger = (struct ew_ledger_record){.present = true, .total = 1100};
    add_run(&m, 20, 1, 1000), add_run(&m, 50, 1, 1000);
    add_config(&m, 2, 1), add_runs(&m, 1, 30, 1, 900);
    add_config(&m, 2, 2), add_runs(&m, 1, 25, 1, 800);
    struct ew_insight *insight = build(&m);
    assert_float_equal(insight->configs[0].figure[EW_MEASURE_DECODE].value, 20, 1e-6);
    assert_float_equal(insight->configs[0].figure[EW_MEASURE_DECODE].low, 10, 1e-6);
    assert_float_equal(insight->configs[0].figure[EW_MEASURE_DECODE].high, 50, 1e-6);
    assert_true(insight->configs[0].figure[EW_MEASURE_DECODE].is_range);
    assert_float_equal(insight->configs[0].memory_error_percent, 10, 1e-9);
    assert_true(isnan(insight->configs[1].memory_error_percent));
    assert_true(isnan(insight->configs[1].figure[EW_MEASURE_DECODE].low)); /* one run has no interval */
    assert_false(insight->configs[0].front);
    assert_true(insight->configs[0].front_of_model);
    assert_true(insight->configs[1].front && insight->configs[2].front);
    ew_insight_close(&insight);
}

static void labels_say_what_differs(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    add_model(&m, "a", "Q4_0", false, 100, 56);
    add_config(&m, 1, 1);
    add_config(&m, 1, 1);
    m.configs[1].depth = 2048;
    m.configs[1].decode_threads = 3;
    m.configs[0].layout = "mapped";
    m.configs[1].layout = "packed";
    struct ew_insight *insight = build(&m);
    assert_string_equal(insight->configs[0].label, "a Q4_0 · 1 thread · depth 0 · mapped");
    assert_string_equal(insight->configs[1].label, "a Q4_0 · 1/3 threads · depth 2048 · packed");
    assert_int_equal(insight->n_answers, 0);
    ew_insight_close(&insight);
}

static void what_points_nowhere_is_refused(void **state) {
    (void)state;
    struct made m;
    struct ew_insight *insight = NULL;
    struct ew_error err = {0};
    begin(&m);
    add_model(&m, "a", "Q4_0", false, 100, 56);
    add_config(&m, 1, 1);
    add_run(&m, 1, 1, 1)->config_id = 99;
    assert_int_equal(ew_insight_build(&m.study, NULL, &insight, &err), EW_ERR_FORMAT);
    expect_in(err.message, "no configuration 99");
    m.configs[0].model_id = 77;
    assert_int_equal(ew_insight_build(&m.study, NULL, &insight, &err), EW_ERR_FORMAT);
    expect_in(err.message, "no model 77");
    assert_null(insight);
    begin(&m); /* nothing at all */
    insight = build(&m);
    assert_int_equal(insight->n_answers, 0);
    ew_insight_close(&insight);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(chat_takes_the_largest_that_keeps_pace),
                                       cmocka_unit_test(slow_machines_get_told),
                                       cmocka_unit_test(failures_are_results),
                                       cmocka_unit_test(fronts_and_figures),
                                       cmocka_unit_test(labels_say_what_differs),
                                       cmocka_unit_test(what_points_nowhere_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
