/* Two studies against each other: who is matched with whom, which way a figure is better, and what a whole table of
 * verdicts claims where nothing changed, and where one configuration became 5 % slower. */
#include "insight/versus.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CONFIGS = 8, RUNS = 10, TABLES = 40 };

struct made {
    struct ew_stored_study study;
    struct ew_model_record model;
    struct ew_config_record configs[CONFIGS];
    char keys[CONFIGS][8];
    struct ew_trial_record trials[CONFIGS * RUNS];
    struct ew_phase_record phases[CONFIGS * RUNS];
    int64_t stamps[CONFIGS * RUNS][2];
    struct ew_invocation_record invocation;
};

static uint64_t chance = 1;
static double uniform(void) {
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return ((double)(chance >> 11) + 0.5) / 9007199254740992.0;
}
static double normal(void) { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()); }

/* Decode at speed[config] tokens/s with 1 % noise; memory the same in every run. */
static void make(struct made *m, size_t n_configs, const double *speed, double noise) {
    *m = (struct made){.model = {.id = 1,
                                 .key = "m",
                                 .name = "model",
                                 .file_type = "Q4_0",
                                 .n_params = 100,
                                 .file_bytes = 60,
                                 .weights_bytes = EW_MISSING},
                       .invocation = {.id = 1, .machine_id = 1, .energy_none = "none"}};
    m->study = (struct ew_stored_study){.models = &m->model,
                                        .n_models = 1,
                                        .configs = m->configs,
                                        .n_configs = n_configs,
                                        .trials = m->trials,
                                        .n_trials = n_configs * RUNS,
                                        .invocations = &m->invocation,
                                        .n_invocations = 1};
    for (size_t c = 0; c < n_configs; c++) {
        snprintf(m->keys[c], sizeof m->keys[c], "key%zu", c);
        m->configs[c] = (struct ew_config_record){.id = (int64_t)c + 1,
                                                  .key = m->keys[c],
                                                  .model_id = 1,
                                                  .prefill_threads = (int64_t)c + 1,
                                                  .decode_threads = (int64_t)c + 1,
                                                  .prompt_tokens = 100,
                                                  .generate_tokens = 2,
                                                  .layout = "auto"};
        for (size_t r = 0; r < RUNS; r++) {
            size_t i = c * RUNS + r;
            int64_t gap = (int64_t)(1e9 / (speed[c] * exp(noise * normal())));
            m->stamps[i][1] = gap;
            m->phases[i] = (struct ew_phase_record){.name = "decode", .end_ns = gap, .n_tokens = 1};
            m->trials[i] = (struct ew_trial_record){.id = (int64_t)i + 1,
                                                    .config_id = (int64_t)c + 1,
                                                    .invocation_id = 1,
                                                    .repeat = (int64_t)r,
                                                    .position = (int64_t)(r * n_configs + c),
                                                    .status = EW_TRIAL_OK,
                                                    .ttft_ns = EW_MISSING,
                                                    .peak_rss_bytes = 1000 * ((int64_t)c + 1),
                                                    .phases = &m->phases[i],
                                                    .n_phases = 1,
                                                    .stamps_ns = m->stamps[i],
                                                    .n_stamps = 2,
                                                    .last_stamp_ns = gap};
        }
    }
}

static struct ew_insight *build(const struct made *m) {
    struct ew_insight *insight = NULL;
    struct ew_error err = {0};
    if (ew_insight_build(&m->study, NULL, &insight, &err) != EW_OK) fail_msg("%s", err.message);
    return insight;
}

static struct ew_versus *hold(const struct ew_insight *a, const struct ew_insight *b) {
    struct ew_versus *v = NULL;
    struct ew_error err = {0};
    if (ew_versus_build(a, b, 0.02, &v, &err) != EW_OK) fail_msg("%s", err.message);
    return v;
}

static const double even[CONFIGS] = {10, 20, 30, 40, 50, 60, 70, 80};
static struct made before, after;

/* Of tables in which nothing changed, at most one in twenty claims that something did. */
static void nothing_changed(void **state) {
    (void)state;
    int claims = 0;
    for (int t = 0; t < TABLES; t++) {
        make(&before, CONFIGS, even, 0.01);
        make(&after, CONFIGS, even, 0.01);
        struct ew_insight *a = build(&before), *b = build(&after);
        struct ew_versus *v = hold(a, b);
        const size_t *decode = v->count[EW_MEASURE_DECODE];
        assert_int_equal(v->n_pairs, CONFIGS);
        claims += decode[EW_VERSUS_BETTER] + decode[EW_VERSUS_WORSE] > 0;
        assert_int_equal(v->count[EW_MEASURE_PEAK_MEMORY][EW_VERSUS_SAME], CONFIGS);
        ew_versus_close(&v);
        ew_insight_close(&a);
        ew_insight_close(&b);
    }
    assert_in_range(claims, 0, TABLES * 5 / 100);
}

/* One configuration of eight became 5 % slower: it is named, and better and worse go the way of the figure. */
static void one_became_slower(void **state) {
    (void)state;
    int found = 0, others = 0;
    double slower[CONFIGS];
    memcpy(slower, even, sizeof slower);
    slower[3] /= 1.05;
    for (int t = 0; t < TABLES; t++) {
        make(&before, CONFIGS, even, 0.01);
        make(&after, CONFIGS, slower, 0.01);
        after.trials[0].peak_rss_bytes = 0; /* one run without a figure */
        struct ew_insight *a = build(&before), *b = build(&after);
        struct ew_versus *v = hold(a, b);
        for (size_t i = 0; i < v->n_pairs; i++) {
            const struct ew_versus_figure *f = &v->pairs[i].figure[EW_MEASURE_DECODE];
            if (i == 3)
                found += f->verdict == EW_VERSUS_WORSE;
            else
                others += f->verdict == EW_VERSUS_WORSE || f->verdict == EW_VERSUS_BETTER;
            /* Gaps between tokens are smaller where it is faster: the other direction, the same verdict. */
            const struct ew_versus_figure *gap = &v->pairs[i].figure[EW_MEASURE_GAP_P50];
            if (gap->n_a && gap->n_b && i == 3 && f->verdict == EW_VERSUS_WORSE)
                assert_int_equal(gap->verdict, EW_VERSUS_WORSE);
            assert_false(f->paired);
        }
        ew_versus_close(&v);
        ew_insight_close(&a);
        ew_insight_close(&b);
    }
    assert_in_range(found, TABLES * 95 / 100, TABLES);
    assert_in_range(others, 0, TABLES * (CONFIGS - 1) * 5 / 100);
}

/* Ratio and effect by hand: 20 against 10 tokens/s without noise is twice as fast, always. */
static void figures_by_hand(void **state) {
    (void)state;
    static const double slow[] = {10}, fast[] = {20};
    make(&before, 1, slow, 0);
    make(&after, 1, fast, 0);
    struct ew_insight *a = build(&before), *b = build(&after);
    struct ew_versus *v = hold(a, b);
    const struct ew_versus_figure *f = &v->pairs[0].figure[EW_MEASURE_DECODE];
    assert_float_equal(f->ratio, 2, 1e-9);
    assert_float_equal(f->low, 2, 1e-9);
    assert_float_equal(f->high, 2, 1e-9);
    assert_float_equal(f->cliff_delta, 1, 0);
    assert_int_equal(f->n_a, RUNS);
    assert_int_equal(f->verdict, EW_VERSUS_BETTER);
    assert_int_equal(v->pairs[0].figure[EW_MEASURE_TTFT].n_a, 0);
    assert_float_equal(v->middle[EW_MEASURE_DECODE], 2, 1e-9);
    assert_true(isnan(v->middle[EW_MEASURE_TTFT]));
    ew_versus_close(&v);
    ew_insight_close(&a);
    ew_insight_close(&b);
}

/* By key first; then alike, where that is the only one; what is left is listed. Two of one store are paired by block.
 */
static void matching(void **state) {
    (void)state;
    make(&before, 4, even, 0.01);
    make(&after, 4, even, 0.01);
    snprintf(after.keys[1], sizeof after.keys[1], "other");
    after.configs[1].layout = "packed";
    snprintf(after.keys[2], sizeof after.keys[2], "other2");
    after.configs[2].decode_threads = 9;
    struct ew_insight *a = build(&before), *b = build(&after);
    struct ew_versus *v = hold(a, b);
    assert_int_equal(v->n_pairs, 3);
    assert_false(v->pairs[0].alike);
    assert_true(v->pairs[1].alike);
    assert_string_equal(v->pairs[1].differs, "layout");
    assert_int_equal(v->n_only_a, 1);
    assert_int_equal(v->n_only_b, 1);
    assert_int_equal(v->only_a[0]->record->decode_threads, 3);
    assert_int_equal(v->only_b[0]->record->decode_threads, 9);
    ew_versus_close(&v);
    struct ew_versus_figure within[EW_MEASURES];
    assert_int_equal(ew_versus_configs(a, &a->configs[0], a, &a->configs[1], 0.02, within, NULL), EW_OK);
    assert_true(within[EW_MEASURE_DECODE].paired);
    assert_int_equal(within[EW_MEASURE_DECODE].verdict, EW_VERSUS_BETTER);
    assert_int_equal(within[EW_MEASURE_PEAK_MEMORY].verdict, EW_VERSUS_WORSE);
    ew_insight_close(&a);
    ew_insight_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changed),
        cmocka_unit_test(one_became_slower),
        cmocka_unit_test(figures_by_hand),
        cmocka_unit_test(matching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
