/* Flags over runs with values chosen so that each rule of docs/statistics.md says yes or no by hand. */
#include "insight/insight.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CONFIGS = 3, RUNS = 8 };

struct made {
    struct ew_stored_study study;
    struct ew_model_record model;
    struct ew_config_record configs[CONFIGS];
    struct ew_trial_record trials[CONFIGS * RUNS];
    struct ew_phase_record phases[CONFIGS * RUNS];
    int64_t stamps[CONFIGS * RUNS][2];
    struct ew_invocation_record invocation;
};

/* Decode speeds of each run, tokens/s; runs are interleaved in blocks. */
static struct ew_insight *build(struct made *m, const double speed[CONFIGS][RUNS]) {
    struct ew_insight *insight = NULL;
    struct ew_error err = {0};
    *m = (struct made){.model = {.id = 1,
                                 .name = "model",
                                 .file_type = "Q4_0",
                                 .n_params = 100,
                                 .file_bytes = 60,
                                 .weights_bytes = EW_MISSING},
                       .invocation = {.id = 1, .machine_id = 1, .energy_none = "none"}};
    m->study = (struct ew_stored_study){.models = &m->model,
                                        .n_models = 1,
                                        .configs = m->configs,
                                        .n_configs = CONFIGS,
                                        .trials = m->trials,
                                        .n_trials = CONFIGS * RUNS,
                                        .invocations = &m->invocation,
                                        .n_invocations = 1};
    for (size_t c = 0; c < CONFIGS; c++) {
        m->configs[c] =
            (struct ew_config_record){.id = (int64_t)c + 1, .model_id = 1, .decode_threads = (int64_t)c + 1};
        for (size_t r = 0; r < RUNS; r++) {
            size_t i = c * RUNS + r;
            int64_t gap = (int64_t)(1e9 / speed[c][r]);
            m->stamps[i][1] = gap;
            m->phases[i] = (struct ew_phase_record){.name = "decode", .end_ns = gap, .n_tokens = 1};
            m->trials[i] = (struct ew_trial_record){
                .id = (int64_t)i + 1,
                .config_id = (int64_t)c + 1,
                .invocation_id = 1,
                .repeat = (int64_t)r,
                .position = (int64_t)(r * CONFIGS + c),
                .status = EW_TRIAL_OK,
                .ttft_ns = EW_MISSING,
                .swap_peak_bytes = c == 2 && r < 2 ? 4096 : 0,
                .conditions = {.throttled = c == 2 && r == 1, .meter_lost = c == 2 && r == 7 ? "gone" : NULL},
                .phases = &m->phases[i],
                .n_phases = 1,
                .stamps_ns = m->stamps[i],
                .n_stamps = 2,
                .last_stamp_ns = gap};
        }
    }
    if (ew_insight_build(&m->study, NULL, &insight, &err) != EW_OK) fail_msg("%s", err.message);
    return insight;
}

static const struct ew_insight_flag *flag(const struct ew_insight *insight, size_t config, enum ew_flag_kind kind) {
    const struct ew_insight_config *c = &insight->configs[config];
    for (size_t i = 0; i < c->n_flags; i++)
        if (c->flags[i].kind == kind) return &c->flags[i];
    return NULL;
}

static const char *caveat(const struct ew_insight *insight, enum ew_caveat_kind kind) {
    for (size_t i = 0; i < insight->n_caveats; i++)
        if (insight->caveats[i].kind == kind) return insight->caveats[i].text;
    return NULL;
}

static struct made made;

/* First: one run at half the speed. Second: 2 % less each time, never up, so Mann-Kendall's p is 2 / 8!. Third: noise
 * around 50, and two runs that swapped. */
static void each_flag_where_it_belongs(void **state) {
    (void)state;
    static const double speed[CONFIGS][RUNS] = {{100, 101, 99, 100.5, 50, 99.5, 100.2, 100.8},
                                                {100, 98, 96, 94, 92, 90, 88, 86},
                                                {50, 50.3, 49.8, 50.1, 49.9, 50.2, 49.7, 50.05}};
    struct ew_insight *insight = build(&made, speed);
    const struct ew_insight_flag *apart = flag(insight, 0, EW_FLAG_OUTLIER), *drift = flag(insight, 1, EW_FLAG_DRIFT);
    assert_non_null(apart);
    assert_string_equal(apart->text, "decode: 1 of 8 runs stands apart from the others; kept in every figure");
    assert_null(flag(insight, 0, EW_FLAG_DRIFT));
    for (size_t i = 0; i < insight->n_runs; i++)
        assert_int_equal(insight->runs[i].outlier, i == 4 ? 1u << EW_MEASURE_DECODE : 0);
    /* The outlier stays: the median of eight is between 100 and 100.2 with it. */
    assert_float_equal(insight->configs[0].figure[EW_MEASURE_DECODE].value, 100.1, 1e-6);
    assert_int_equal(insight->configs[0].figure[EW_MEASURE_DECODE].n, RUNS);
    assert_non_null(drift);
    assert_float_equal(drift->size, -14.0 / 93, 1e-3); /* slope -2 over a span of 7, median 93 */
    assert_non_null(strstr(drift->text, "decode fell by 15.1 % while the study ran"));
    assert_null(flag(insight, 2, EW_FLAG_DRIFT));
    assert_null(flag(insight, 2, EW_FLAG_OUTLIER));
    assert_float_equal(flag(insight, 2, EW_FLAG_SWAPPED)->size, 2, 0);
    assert_null(flag(insight, 0, EW_FLAG_SWAPPED));
    assert_string_equal(flag(insight, 2, EW_FLAG_THROTTLED)->text,
                        "the machine slowed itself down (throttled) in 1 of 8 runs");
    assert_float_equal(flag(insight, 2, EW_FLAG_METER_LOST)->size, 1, 0);
    assert_int_equal(insight->configs[2].n_flagged,
                     3); /* runs, each once: two swapped, one of them throttled; one lost */
    assert_non_null(strstr(caveat(insight, EW_CAVEAT_FLAGGED), "In 1 run the machine slowed itself down"));
    ew_insight_close(&insight);
}

/* Repetition 6 is 5 % slower in all three configurations: a block, not a matter of any one of them. */
static void a_slow_block_is_named(void **state) {
    (void)state;
    double speed[CONFIGS][RUNS];
    static const double noise[RUNS] = {0.2, -0.3, 0.1, 0.3, -0.2, 0, -0.1, 0.15};
    for (int c = 0; c < CONFIGS; c++)
        for (int r = 0; r < RUNS; r++)
            speed[c][r] = 50 * (c + 1) * (1 + 0.01 * noise[(r * (c + 1) + c) % RUNS]) * (r == 5 ? 0.95 : 1);
    struct ew_insight *insight = build(&made, speed);
    assert_true(insight->block.differs);
    assert_int_equal(insight->block.block, 5);
    assert_float_equal(insight->block.largest, -0.05, 0.005);
    const char *text = caveat(insight, EW_CAVEAT_DRIFT);
    assert_non_null(text);
    assert_non_null(strstr(text, "All runs of repetition 6 were 5."));
    assert_non_null(strstr(text, "slower in decode"));
    ew_insight_close(&insight);
}

static void steady_runs_have_no_flag(void **state) {
    (void)state;
    static const double speed[CONFIGS][RUNS] = {{100, 101, 99, 100.5, 99.4, 99.5, 100.2, 100.8},
                                                {80, 79.5, 80.3, 80.1, 79.8, 80.4, 79.6, 80.2},
                                                {50, 50.3, 49.8, 50.1, 49.9, 50.2, 49.7, 50.05}};
    struct ew_insight *insight = build(&made, speed);
    assert_false(insight->block.differs);
    assert_null(caveat(insight, EW_CAVEAT_DRIFT));
    assert_int_equal(insight->configs[0].n_flags, 0);
    assert_int_equal(insight->configs[1].n_flags, 0);
    ew_insight_close(&insight);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_flag_where_it_belongs),
        cmocka_unit_test(a_slow_block_is_named),
        cmocka_unit_test(steady_runs_have_no_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
