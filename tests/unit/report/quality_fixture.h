/* What the store of report_fixture.h lacks: three files of one real model, with figures of quality and answers to three
 * prompts. Numbers are made up; expectations are worked out in the tests.
 *
 *             file     decode, tok/s   perplexity     KL from F16   top token   accuracy, 200 items
 *     F16     2.0 MB   40, 50, 62.5    10             –             –           62 %
 *     Q8_0    1.1 MB   80, 100, 125    10.01          0.00123       99.4 %      61 %
 *     Q4_0    0.6 MB   200, 250, 312   10.6           0.0514        90 %        45 % */
#ifndef EW_TESTS_QUALITY_FIXTURE_H
#define EW_TESTS_QUALITY_FIXTURE_H

#include "report_fixture.h"

#include <math.h>

enum { QUALITY_FIXTURE_FILES = 3, QUALITY_FIXTURE_RUNS = 3, QUALITY_FIXTURE_PROMPTS = 3 };

static const struct quality_fixture_file {
    const char *type;
    int64_t bytes, gap_ms10[QUALITY_FIXTURE_RUNS], peak_mib;
    double perplexity, low, high, bits;
    double kl, same_top, log_ratio, log_ratio_error; /* 0: the reference */
    double accuracy, accuracy_low, accuracy_high;    /* Wilson, 200 items */
    const char *answers[QUALITY_FIXTURE_PROMPTS];
} quality_fixture_files[QUALITY_FIXTURE_FILES] = {
    {"F16",
     2000000,
     {250, 200, 160},
     22,
     10,
     9.6,
     10.4,
     0.83048,
     0,
     0,
     0,
     0,
     0.62,
     0.5511,
     0.6844,
     {" there was a red fox in the wood.", " Four legs and a tail.", " I do not know."}},
    {"Q8_0",
     1062500,
     {125, 100, 80},
     20,
     10.01,
     9.61,
     10.41,
     0.83084,
     0.00123,
     0.994,
     0.001,
     0.001,
     0.61,
     0.5409,
     0.6749,
     {" there was a red fox in the wood.", " Four legs and a tail.", " I do not know yet."}},
    {"Q4_0",
     562500,
     {50, 40, 32},
     19,
     10.6,
     10.2,
     11.0,
     0.85150,
     0.0514,
     0.90,
     0.060,
     0.004,
     0.45,
     0.3826,
     0.5192,
     {" there was a blue fox in the wood.", " Four legs and a long tail.", " A fox is a fox is a fox"}}};

static inline void quality_fixture_figures(struct ew_store *store, bool hostile, int64_t model,
                                           const struct quality_fixture_file *f) {
    struct ew_error err = {0};
    char figures[640];
    int64_t id;
    struct ew_quality_record q = {.model_id = model,
                                  .study_id = EW_MISSING,
                                  .data = hostile ? "</script><i>text</i>" : "made-up text",
                                  .data_hash = "00000000000000aa",
                                  .settings = "context 512, stride 0",
                                  .n = 5000,
                                  .chance = NAN,
                                  .joules = NAN,
                                  .seconds_ns = EW_MISSING,
                                  .made_unix_ns = 1769860800LL * 1000000000,
                                  .version = "0.1.0",
                                  .figures_json = figures};
    int n = snprintf(figures, sizeof figures, "{\"perplexity\": %g, \"bits_per_byte\": %g", f->perplexity, f->bits);
    if (f->kl > 0)
        n += snprintf(
            figures + n, sizeof figures - (size_t)n,
            ", \"reference\": {\"model\": \"tiny F16\", \"kl\": {\"value\": %g, \"error\": 0.0001}, \"same_top\":"
            " {\"value\": %g, \"error\": 0.003}, \"delta_p_rms\": 2.5, \"log_ratio\": {\"value\": %g, "
            "\"error\": %g}}",
            f->kl, f->same_top, f->log_ratio, f->log_ratio_error);
    snprintf(figures + n, sizeof figures - (size_t)n, "}");
    q.measure = "perplexity";
    q.value = f->perplexity;
    q.low = f->low;
    q.high = f->high;
    report_fixture_need(ew_store_put_quality(store, &q, &id, &err), &err);
    if (f->kl > 0) {
        q.measure = "kl_divergence";
        q.reference = "tiny F16";
        q.value = f->kl;
        q.low = f->kl * 0.9;
        q.high = f->kl * 1.1;
        report_fixture_need(ew_store_put_quality(store, &q, &id, &err), &err);
    }
    q.measure = "accuracy";
    q.reference = NULL;
    q.data = "made-up items";
    q.data_hash = "00000000000000bb";
    q.settings = "0 examples";
    q.n = 200;
    q.value = f->accuracy;
    q.low = f->accuracy_low;
    q.high = f->accuracy_high;
    q.chance = 0.25;
    q.figures_json = NULL;
    report_fixture_need(ew_store_put_quality(store, &q, &id, &err), &err);
}

static inline void quality_fixture_answers(struct ew_store *store, bool hostile, int64_t model,
                                           const struct quality_fixture_file *f) {
    static const char *const prompts[QUALITY_FIXTURE_PROMPTS] = {"Once upon a time", "What does a fox have?",
                                                                 "What is a fox?"};
    for (int i = 0; i < QUALITY_FIXTURE_PROMPTS; i++) {
        struct ew_error err = {0};
        int64_t id;
        const struct ew_answer_record a = {.model_id = model,
                                           .study_id = EW_MISSING,
                                           .set = "made-up prompts",
                                           .position = i,
                                           .prompt = hostile ? "<img src=x onerror=alert(1)>" : prompts[i],
                                           .text = hostile ? "</script><b>fox</b>" : f->answers[i],
                                           .n_tokens = i == 2 ? 16 : 9,
                                           .n_most = 16,
                                           .made_unix_ns = 1769860800LL * 1000000000,
                                           .version = "0.1.0"};
        report_fixture_need(ew_store_put_answer(store, &a, &id, &err), &err);
    }
}

static inline void quality_fixture_add(struct ew_store *store, const struct report_fixture_options *o,
                                       const struct report_fixture_ids *ids) {
    enum { ALL = QUALITY_FIXTURE_FILES * QUALITY_FIXTURE_RUNS };
    struct ew_error err = {0};
    struct ew_trial_record plan[ALL] = {0};
    char keys[ALL][8];
    for (int i = 0; i < QUALITY_FIXTURE_FILES; i++) {
        const struct quality_fixture_file *f = &quality_fixture_files[i];
        int64_t model = ids->models[0], config = ids->configs[0]; /* Q8_0 is there already */
        if (strcmp(f->type, "Q8_0") != 0) {
            const struct ew_model_record record = {.key = f->type,
                                                   .path = "tiny-other.gguf",
                                                   .name = report_fixture_real_name(o),
                                                   .file_type = f->type,
                                                   .file_bytes = f->bytes,
                                                   .n_params = 1000000};
            report_fixture_need(ew_store_put_model(store, &record, &model, &err), &err);
            const struct ew_config_record other = {.key = f->type,
                                                   .model_id = model,
                                                   .prefill_threads = 1,
                                                   .decode_threads = 1,
                                                   .prompt_tokens = 100,
                                                   .generate_tokens = 11,
                                                   .context = 128,
                                                   .layout = "auto"};
            report_fixture_need(ew_store_put_config(store, &other, &config, &err), &err);
        }
        for (int r = 0; r < QUALITY_FIXTURE_RUNS; r++) {
            int at = i * QUALITY_FIXTURE_RUNS + r;
            snprintf(keys[at], sizeof keys[at], "q%d", at);
            plan[at] = (struct ew_trial_record){
                .study_id = ids->study, .config_id = config, .key = keys[at], .repeat = r, .position = 100 + at};
        }
        quality_fixture_figures(store, o->hostile, model, f);
        quality_fixture_answers(store, o->hostile, model, f);
    }
    /* The runs of Q8_0 are there already: those of the plan in the middle are left out. */
    memmove(plan + QUALITY_FIXTURE_RUNS, plan + 2 * QUALITY_FIXTURE_RUNS, QUALITY_FIXTURE_RUNS * sizeof *plan);
    report_fixture_need(ew_store_put_plan(store, ids->study, plan, ALL - QUALITY_FIXTURE_RUNS, &err), &err);
    for (int i = 0; i < QUALITY_FIXTURE_FILES; i += 2)
        for (int r = 0; r < QUALITY_FIXTURE_RUNS; r++) {
            const struct quality_fixture_file *f = &quality_fixture_files[i];
            const struct ew_trial_record *t = &plan[i / 2 * QUALITY_FIXTURE_RUNS + r];
            const struct report_fixture_config c = {.threads = 1,
                                                    .load_ms = 500,
                                                    .prefill_ms = 50,
                                                    .ttft_ms = 100,
                                                    .peak_mib = f->peak_mib,
                                                    .ledger_mib = f->peak_mib,
                                                    .gap_ms10 = {f->gap_ms10[0], f->gap_ms10[1], f->gap_ms10[2]}};
            report_fixture_run(store, o, ids, &c, t);
        }
}

/* The store of report_fixture_make and all of this. */
static inline void quality_fixture_make(const char *path, struct report_fixture_options o) {
    struct ew_store *store = report_fixture_open(path);
    struct report_fixture_ids ids;
    report_fixture_fill(store, &o, &ids);
    quality_fixture_add(store, &o, &ids);
    ew_store_close(&store);
}

#endif
