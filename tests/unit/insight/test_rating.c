/* The one number called quality and the cost of each step of quantization, over figures whose sums were done with a
 * calculator: exp, ln and roots stand beside the expectations. */
#include "insight/quality_steps.h"
#include "insight/rating.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 24 };

struct made {
    struct ew_stored_study study;
    struct ew_model_record models[8];
    struct ew_config_record configs[8];
    struct ew_trial_record trials[MOST];
    struct ew_trial_energy energies[MOST];
    struct ew_phase_record phases[MOST];
    int64_t stamps[MOST][2];
    struct ew_invocation_record invocation;
    struct ew_quality_record qualities[MOST];
    char figures[MOST][320];
};

static void begin(struct made *m) {
    *m = (struct made){.invocation = {.id = 1, .machine_id = 1}};
    m->study = (struct ew_stored_study){.models = m->models,
                                        .configs = m->configs,
                                        .trials = m->trials,
                                        .invocations = &m->invocation,
                                        .n_invocations = 1,
                                        .qualities = m->qualities};
}

/* A file and the one configuration that runs it. */
static int64_t add_file(struct made *m, const char *name, const char *type, int64_t bytes) {
    size_t i = m->study.n_models++;
    m->models[i] = (struct ew_model_record){.id = (int64_t)i + 1,
                                            .name = name,
                                            .file_type = type,
                                            .n_params = 1000,
                                            .n_vocab = 100,
                                            .file_bytes = bytes,
                                            .weights_bytes = EW_MISSING};
    m->configs[m->study.n_configs++] = (struct ew_config_record){.id = (int64_t)i + 1,
                                                                 .model_id = (int64_t)i + 1,
                                                                 .prefill_threads = 2,
                                                                 .decode_threads = 2,
                                                                 .prompt_tokens = 100,
                                                                 .generate_tokens = 50};
    return (int64_t)i + 1;
}

/* Three runs of two tokens each, 1 % apart: decode speed, joules of a token, peak memory. */
static void add_runs(struct made *m, int64_t config, double tokens_per_s, double joules, int64_t peak) {
    for (int run = 0; run < 3; run++) {
        size_t i = m->study.n_trials++;
        int64_t gap = (int64_t)(1e9 / tokens_per_s * (0.99 + 0.01 * run));
        m->stamps[i][1] = gap;
        m->phases[i] = (struct ew_phase_record){.name = "decode", .end_ns = gap, .n_tokens = 1};
        m->energies[i] = (struct ew_trial_energy){
            .prefill_j = NAN, .decode_j = joules * (0.99 + 0.01 * run), .decode_net_j = NAN, .grade = EW_GRADE_C};
        m->trials[i] = (struct ew_trial_record){.id = (int64_t)i + 1,
                                                .config_id = config,
                                                .invocation_id = 1,
                                                .status = EW_TRIAL_OK,
                                                .ttft_ns = 1000000,
                                                .peak_rss_bytes = peak,
                                                .phases = &m->phases[i],
                                                .n_phases = 1,
                                                .stamps_ns = m->stamps[i],
                                                .n_stamps = 2,
                                                .last_stamp_ns = gap};
    }
}

static struct ew_quality_record *add_figure(struct made *m, int64_t model, const char *measure, const char *data,
                                            double value, double low, double high) {
    struct ew_quality_record *q = &m->qualities[m->study.n_qualities++];
    *q = (struct ew_quality_record){.model_id = model,
                                    .study_id = EW_MISSING,
                                    .measure = measure,
                                    .data = data,
                                    .data_hash = data,
                                    .settings = "as always",
                                    .n = 200,
                                    .value = value,
                                    .low = low,
                                    .high = high,
                                    .chance = NAN};
    return q;
}

static void add_task(struct made *m, int64_t model, const char *data, double value, double half, double chance) {
    add_figure(m, model, "accuracy", data, value, value - half, value + half)->chance = chance;
}

static void add_perplexity(struct made *m, int64_t model, double value, double low, double high, double bits) {
    char *figures = m->figures[m->study.n_qualities];
    snprintf(figures, sizeof m->figures[0], "{\"perplexity\": %g, \"bits_per_byte\": %g}", value, bits);
    add_figure(m, model, "perplexity", "a text", value, low, high)->figures_json = bits > 0 ? figures : NULL;
}

static void add_divergence(struct made *m, int64_t model, const char *reference, double kl, double same_top,
                           double log_ratio, double error) {
    char *figures = m->figures[m->study.n_qualities];
    snprintf(figures, sizeof m->figures[0],
             "{\"reference\": {\"kl\": {\"value\": %g, \"error\": 0.001}, \"same_top\": {\"value\": %g, \"error\": "
             "0.01}, \"log_ratio\": {\"value\": %g, \"error\": %g}}}",
             kl, same_top, log_ratio, error);
    struct ew_quality_record *q = add_figure(m, model, "kl_divergence", "a text", kl, kl - 0.002, kl + 0.002);
    q->figures_json = figures;
    q->reference = reference;
    q->n = 5000;
}

static struct ew_insight *build(struct made *m) {
    struct ew_insight *insight = NULL;
    struct ew_error err = {0};
    if (ew_insight_build(&m->study, m->energies, &insight, &err) != EW_OK) fail_msg("%s", err.message);
    return insight;
}

static const struct ew_insight_config *config_of(const struct ew_insight *insight, int64_t id) {
    for (size_t i = 0; i < insight->n_configs; i++)
        if (insight->configs[i].record->id == id) return &insight->configs[i];
    fail_msg("no configuration %lld", (long long)id);
    return NULL;
}

static void expect_in(const char *text, const char *part) {
    if (text && strstr(text, part)) return;
    fail_msg("`%s` is not in: %s", part, text ? text : "(nothing)");
}

/* Two tasks that all files were asked and a third that one was not: (0.62 + 0.40) / 2 = 0.51, chance 0.375, and two
 * half-widths of 0.07 give sqrt(2 · 0.07²) / 2 = 0.0494975. */
static void tasks_that_all_were_asked(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t a = add_file(&m, "one", "F16", 2000), b = add_file(&m, "other", "Q8_0", 1000);
    add_task(&m, a, "items", 0.62, 0.07, 0.25);
    add_task(&m, a, "yes or no", 0.40, 0.07, 0.5);
    add_task(&m, a, "only one was asked", 0.99, 0.01, 0.25);
    add_task(&m, b, "items", 0.50, 0.07, 0.25);
    add_task(&m, b, "yes or no", 0.50, 0.07, 0.5);
    add_runs(&m, a, 100, 0.5, 2000000000), add_runs(&m, b, 100, 0.25, 1000000000);
    struct ew_insight *insight = build(&m);
    const struct ew_insight_config *c = config_of(insight, a), *d = config_of(insight, b);
    assert_int_equal(insight->rating.basis, EW_RATING_TASKS);
    assert_string_equal(insight->rating.words, "mean accuracy over items and yes or no");
    assert_float_equal(c->quality, 0.51, 1e-12);
    assert_float_equal(c->quality_low, 0.4605025, 1e-7);
    assert_float_equal(c->quality_high, 0.5594975, 1e-7);
    assert_float_equal(c->quality_chance, 0.375, 1e-12);
    assert_float_equal(d->quality, 0.50, 1e-12);
    assert_float_equal(ew_rating_per_joule(c), 0.135 / 0.5, 1e-9); /* what is above guessing */
    assert_float_equal(ew_rating_per_gb(c), 0.135 / 2, 1e-9);
    assert_float_equal(ew_rating_per_joule(d), 0.125 / 0.25, 1e-9);
    assert_int_equal(ew_rating_not_told_apart(insight, c), 1);
    ew_insight_close(&insight);
}

/* Two vocabularies: perplexities do not compare, bits of the same bytes do. 8 / 1 = 8; bits go with the logarithm of
 * the perplexity, so the interval is 8 ln 10 / ln 11 = 7.68202 to 8 ln 10 / ln 9 = 8.38361. */
static void vocabularies_compare_by_bytes(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t a = add_file(&m, "one", "F16", 2000), b = add_file(&m, "other", "F16", 3000);
    add_perplexity(&m, a, 10, 9, 11, 1.0);
    add_perplexity(&m, b, 4, 3.9, 4.1, 1.25); /* the lower perplexity is the worse model: it has shorter tokens */
    struct ew_insight *insight = build(&m);
    assert_int_equal(insight->rating.basis, EW_RATING_COMPRESSION);
    assert_float_equal(config_of(insight, a)->quality, 8, 1e-9);
    assert_float_equal(config_of(insight, a)->quality_low, 7.68202, 1e-5);
    assert_float_equal(config_of(insight, a)->quality_high, 8.38361, 1e-5);
    assert_float_equal(config_of(insight, b)->quality, 6.4, 1e-9);
    assert_float_equal(config_of(insight, b)->quality_chance, 1, 0); /* as many bits as bytes have */
    assert_int_equal(insight->n_steps, 0);
    ew_insight_close(&insight);
}

static void perplexities_of_two_models_give_no_number(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t a = add_file(&m, "one", "F16", 2000), b = add_file(&m, "other", "F16", 3000);
    add_perplexity(&m, a, 10, 9, 11, 0);
    add_perplexity(&m, b, 4, 3.9, 4.1, 0);
    struct ew_insight *insight = build(&m);
    assert_int_equal(insight->n_qualities, 2);
    assert_int_equal(insight->rating.basis, EW_RATING_NONE);
    assert_null(insight->rating.words);
    assert_true(isnan(config_of(insight, a)->quality));
    ew_insight_close(&insight);
}

/* Of one model: 10 / 12.5 = 0.8, from 10 / 13 to 10 / 12. */
static void perplexities_of_one_model(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t a = add_file(&m, "one", "F16", 2000), b = add_file(&m, "one", "Q4_0", 600);
    add_perplexity(&m, a, 10, 9.5, 10.5, 0);
    add_perplexity(&m, b, 12.5, 12, 13, 0);
    struct ew_insight *insight = build(&m);
    assert_int_equal(insight->rating.basis, EW_RATING_PERPLEXITY);
    assert_float_equal(config_of(insight, a)->quality, 1, 1e-12);
    assert_float_equal(config_of(insight, b)->quality, 0.8, 1e-12);
    assert_float_equal(config_of(insight, b)->quality_low, 0.7692308, 1e-7);
    assert_float_equal(config_of(insight, b)->quality_high, 0.8333333, 1e-7);
    ew_insight_close(&insight);
}

/* Random weights have no quality; settings and KV types are not mixed. */
static void what_does_not_compare(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t a = add_file(&m, "one", "F16", 2000), b = add_file(&m, "random", "F16", 3000);
    int64_t c = add_file(&m, "one", "Q8_0", 1000);
    m.models[b - 1].synthetic = true;
    m.configs[c - 1].kv_type = "q8_0";
    add_task(&m, a, "items", 0.62, 0.07, 0.25);
    add_task(&m, b, "items", 0.25, 0.07, 0.25);
    add_task(&m, c, "items", 0.61, 0.07, 0.25); /* with the plain KV type, which no configuration has */
    struct ew_insight *insight = build(&m);
    assert_int_equal(insight->n_qualities, 2);
    assert_float_equal(config_of(insight, a)->quality, 0.62, 1e-12);
    assert_true(isnan(config_of(insight, b)->quality));
    assert_true(isnan(config_of(insight, c)->quality));
    ew_insight_close(&insight);
    m.qualities[2].kv_type = "q8_0";
    m.qualities[2].settings = "five examples first";
    insight = build(&m);
    assert_int_equal(insight->n_steps, 0);
    ew_insight_close(&insight);
}

/* F16 2,000 bytes at 50 tokens/s and 1 J; Q8_0 1,000 at 100 and 0.5 J; Q4_0 600 at 100 and 0.5 J.
 * Q8_0, against the reference itself: exp(0.001) = 1.0010005, interval exp(0.001 ± 1.96 · 0.001) = 0.99904 to 1.00296.
 * Q4_0, both against one reference: exp(0.060 - 0.001) = 1.06078, error sqrt(0.001² + 0.004²) = 0.0041231, so from
 * 1.05224 to 1.06938. */
static void steps_in_words(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t c = add_file(&m, "one", "Q4_0", 600), b = add_file(&m, "one", "Q8_0", 1000);
    int64_t a = add_file(&m, "one", "F16", 2000);
    add_runs(&m, a, 50, 1, 9000), add_runs(&m, b, 100, 0.5, 7000), add_runs(&m, c, 100, 0.5, 6000);
    add_perplexity(&m, a, 10, 9.5, 10.5, 0);
    add_perplexity(&m, b, 10.01, 9.51, 10.51, 0);
    add_perplexity(&m, c, 10.6, 10.1, 11.1, 0);
    add_divergence(&m, b, "one F16", 0.00123, 0.994, 0.001, 0.001);
    add_divergence(&m, c, "one F16", 0.0514, 0.90, 0.060, 0.004);
    add_task(&m, a, "items", 0.62, 0.07, 0.25);
    add_task(&m, b, "items", 0.61, 0.07, 0.25);
    add_task(&m, c, "items", 0.45, 0.07, 0.25);
    struct ew_insight *insight = build(&m);
    assert_int_equal(insight->n_steps, 2);
    const struct ew_quality_step *first = &insight->steps[0], *second = &insight->steps[1];
    assert_float_equal(first->decode_ratio, 2, 1e-6);
    assert_true(first->perplexity.paired && second->perplexity.paired);
    assert_float_equal(first->perplexity.ratio, 1.0010005, 1e-7);
    assert_false(first->perplexity.told_apart);
    assert_float_equal(second->perplexity.ratio, 1.060775, 1e-6);
    assert_float_equal(second->perplexity.low, 1.052238, 1e-6);
    assert_float_equal(second->perplexity.high, 1.069382, 1e-6);
    assert_true(second->perplexity.told_apart);
    assert_string_equal(
        first->text, "F16 → Q8_0: 50 % smaller, 2.0 times faster decode, 50 % less energy per token; perplexity on a "
                     "text +0.1 % (−0.1 … +0.3): not told apart by 5,000 tokens; KL divergence 0.00123 nats, top "
                     "token the same in 99.4 %; accuracy on items 62 % → 61 %: not told apart by 200 items.");
    assert_string_equal(second->text,
                        "Q8_0 → Q4_0: 40 % smaller, decode speed not told apart, energy per token not told apart; "
                        "perplexity on a text +6.1 % (+5.2 … +6.9); KL divergence from one F16 0.0514 nats (the larger "
                        "file: 0.00123), top token the same in 90 %; accuracy on items 61 % → 45 %.");
    ew_insight_close(&insight);
}

/* Without a divergence the two perplexities stand alone: ln(12.5 / 10) = 0.223144; errors ln(10.5 / 9.5) / 3.919928 =
 * 0.025532 and ln(13 / 12) / 3.919928 = 0.020420 give 0.032693, so from 1.1724 to 1.3327. Guessing is not told apart
 * from guessing. */
static void steps_without_a_reference(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t a = add_file(&m, "one", "F16", 2000), b = add_file(&m, "one", "Q4_0", 600);
    add_perplexity(&m, a, 10, 9.5, 10.5, 0);
    add_perplexity(&m, b, 12.5, 12, 13, 0);
    add_task(&m, a, "items", 0.27, 0.07, 0.25);
    add_task(&m, b, "items", 0.24, 0.07, 0.25);
    struct ew_insight *insight = build(&m);
    assert_int_equal(insight->n_steps, 1);
    const struct ew_quality_step *step = insight->steps;
    assert_false(step->perplexity.paired);
    assert_float_equal(step->perplexity.ratio, 1.25, 1e-12);
    assert_float_equal(step->perplexity.low, 1.1724, 1e-4);
    assert_float_equal(step->perplexity.high, 1.3327, 1e-4);
    assert_true(isnan(step->decode_ratio));
    assert_string_equal(step->text,
                        "F16 → Q4_0: 70 % smaller; perplexity on a text +25 % (+17 … +33); accuracy on items "
                        "27 % → 24 %: neither is told apart from guessing (25 %).");
    ew_insight_close(&insight);
}

/* A KV type of its own is a step too: of the same file. */
static void the_kv_type_is_a_step(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t a = add_file(&m, "one", "F16", 2000);
    m.configs[m.study.n_configs] = m.configs[0];
    m.configs[m.study.n_configs].id = 2;
    m.configs[m.study.n_configs++].kv_type = "q4_0";
    add_runs(&m, 1, 50, 1, 10000), add_runs(&m, 2, 80, 0.5, 8000);
    add_task(&m, a, "items", 0.62, 0.07, 0.25);
    add_task(&m, a, "items", 0.40, 0.07, 0.25);
    m.qualities[1].kv_type = "q4_0";
    struct ew_insight *insight = build(&m);
    assert_int_equal(insight->n_steps, 1);
    assert_string_equal(insight->steps[0].text,
                        "F16, KV f16 → q4_0: 20 % less peak memory, 1.6 times faster decode, 50 % "
                        "less energy per token; accuracy on items 62 % → 40 %.");
    ew_insight_close(&insight);
}

/* Where every file is rated the answer goes by what was measured, and says so. */
static void the_answer_uses_what_was_measured(void **state) {
    (void)state;
    struct made m;
    begin(&m);
    int64_t a = add_file(&m, "heavy", "F16", 2000), b = add_file(&m, "clever", "Q8_0", 1000);
    add_runs(&m, a, 50, 1, 9000), add_runs(&m, b, 100, 0.5, 7000);
    add_task(&m, a, "items", 0.40, 0.07, 0.25);
    struct ew_insight *insight = build(&m);
    expect_in(insight->answers[0].text, "Run heavy in F16");
    expect_in(insight->answers[0].reason, "Quality was measured for only some of them");
    ew_insight_close(&insight);
    add_task(&m, b, "items", 0.62, 0.07, 0.25);
    insight = build(&m);
    expect_in(insight->answers[0].text, "Run clever in Q8_0");
    expect_in(insight->answers[0].reason, "the best measured quality: 0.62 ± 0.07, accuracy on items.");
    ew_insight_close(&insight);
    m.qualities[0].high = 0.60; /* reaches into the other's interval */
    insight = build(&m);
    expect_in(insight->answers[0].reason,
              "accuracy on items; 1 other configuration is not told apart from it by this.");
    ew_insight_close(&insight);
}

static void figures_out_of_anything(void **state) {
    (void)state;
    static const char *const damaged[] = {NULL,
                                          "",
                                          "[",
                                          "[1]",
                                          "{\"reference\": 3}",
                                          "{\"bits_per_byte\": \"x\"}",
                                          "{\"reference\": {\"kl\": [1], \"same_top\": {\"value\": null}}}"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct ew_quality_figures f = ew_quality_figures_read(damaged[i]);
        assert_true(isnan(f.bits_per_byte) && isnan(f.kl) && isnan(f.same_top) && isnan(f.log_ratio));
    }
    struct ew_quality_figures f =
        ew_quality_figures_read("{\"bits_per_byte\": 1, \"reference\": {\"delta_p_rms\": 2.5}}");
    assert_float_equal(f.bits_per_byte, 1, 0);
    assert_float_equal(f.delta_p_rms, 2.5, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_that_all_were_asked),
        cmocka_unit_test(vocabularies_compare_by_bytes),
        cmocka_unit_test(perplexities_of_two_models_give_no_number),
        cmocka_unit_test(perplexities_of_one_model),
        cmocka_unit_test(what_does_not_compare),
        cmocka_unit_test(steps_in_words),
        cmocka_unit_test(steps_without_a_reference),
        cmocka_unit_test(the_kv_type_is_a_step),
        cmocka_unit_test(the_answer_uses_what_was_measured),
        cmocka_unit_test(figures_out_of_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
