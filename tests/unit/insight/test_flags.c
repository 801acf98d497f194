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

/* What the memory system did, as stored: 256 pages of 4 KiB are 1 MiB, 100 ms are 1 % of 10 s; one less is not. The
 * page cache held the model before some runs of the first configuration, and before none or all of the others. */
static void memory_and_page_cache(void **state) {
    (void)state;
    static const double speed[CONFIGS][RUNS] = {{100, 101, 99, 100.5, 99.4, 99.5, 100.2, 100.8},
                                                {80, 79.5, 80.3, 80.1, 79.8, 80.4, 79.6, 80.2},
                                                {50, 50.3, 49.8, 50.1, 49.9, 50.2, 49.7, 50.05}};
    struct ew_insight *insight = build(&made, speed);
    ew_insight_close(&insight);
    static const char *const stored[RUNS] = {
        "{\"page_bytes\":4096,\"swapped_out_pages\":255,\"window_ns\":10000000000,\"stalled_all_us\":99999}",
        "{\"page_bytes\":4096,\"swapped_in_pages\":256}",
        "{\"window_ns\":10000000000,\"stalled_us\":200000,\"stalled_all_us\":100000}",
        "{\"limit_hits\":3}",
        "{\"page_bytes\":4096,\"reread_pages\":512}",
        "{\"swapped_out_pages\":\"many\",\"limit_hits\":-7,\"zram\":[5]}",
        "[1]",
        "{"};
    for (size_t c = 0; c < CONFIGS; c++)
        for (size_t r = 0; r < RUNS; r++) {
            struct ew_trial_record *t = &made.trials[c * RUNS + r];
            t->swap_peak_bytes = 0;
            t->conditions = (struct ew_trial_conditions){.memory_json = c == 0 ? stored[r] : NULL,
                                                         .others_share = c == 0 && r == 6 ? 0.08 : 0.05,
                                                         .stolen_share = c == 0 && r >= 5 ? 0.03 : 0.01,
                                                         .cached_share = c == 0   ? (r < 3    ? 1
                                                                                     : r == 3 ? 0.5
                                                                                              : 0.001)
                                                                         : c == 1 ? 1
                                                                                  : NAN};
        }
    assert_int_equal(ew_insight_build(&made.study, NULL, &insight, NULL), EW_OK);
    static const struct {
        enum ew_flag_kind kind;
        const char *key, *text;
    } expected[] = {
        {EW_FLAG_SWAPPED, "swapped", "memory was swapped (to a disk or to zram) in 1 of 8 runs"},
        {EW_FLAG_STALLED, "stalled",
         "all tasks waited for memory 1 % of the time or more (memory pressure) in 1 of 8 runs"},
        {EW_FLAG_LIMIT_HIT, "limit_hit", "the memory limit of a control group was hit in 1 of 8 runs"},
        {EW_FLAG_REREAD, "reread", "files that had been dropped for want of memory were read again in 1 of 8 runs"},
        {EW_FLAG_CROWDED, "crowded",
         "other programs or the hypervisor took a tenth of the CPU time or more in 1 of 8 runs"},
        {EW_FLAG_PAGE_CACHE, "page_cache",
         "load: the model was in the page cache (warm) before 3 of 8 runs, the others read it from the disk"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct ew_insight_flag *found = flag(insight, 0, expected[i].kind);
        assert_non_null(found);
        assert_string_equal(found->text, expected[i].text);
        assert_string_equal(ew_flag_key(found->kind), expected[i].key);
        for (size_t c = 1; c < CONFIGS; c++) assert_null(flag(insight, c, expected[i].kind));
    }
    assert_int_equal(insight->configs[0].n_flagged, 5);
    assert_string_equal(insight->runs[3].memory_words, "the cgroup's memory limit was hit 3 times");
    assert_string_equal(insight->runs[0].memory_words, "swapped out 1.0 MiB"); /* said, but not flagged */
    for (size_t r = 5; r < RUNS; r++) assert_null(insight->runs[r].memory_words);
    assert_string_equal(ew_cache_state_name(insight->runs[0].cache), "warm");
    assert_string_equal(ew_cache_state_name(insight->runs[3].cache), "partly cached");
    assert_string_equal(ew_cache_state_name(insight->runs[4].cache), "cold");
    assert_null(ew_cache_state_name(insight->runs[2 * RUNS].cache));
    const char *said = caveat(insight, EW_CAVEAT_FLAGGED);
    assert_non_null(strstr(said, "In 1 run memory was swapped: "));
    assert_non_null(strstr(said, "In 1 run the memory limit of a control group was hit: "));
    assert_non_null(strstr(said, "marked in the list of runs."));
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
        cmocka_unit_test(memory_and_page_cache),
        cmocka_unit_test(steady_runs_have_no_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
