/* Owns the list of trials: the product of the sweep, its keys and its order. Running it: study_run.c. */
#include "study/study_plan.h"
#include "base/error.h"
#include "study/seeded_random.h"
#include "study/trial_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MAX_TRIALS = 20000 };

static enum ew_status check_threads(const struct ew_study_file *study, const char *key,
                                    const struct ew_study_values *values, const struct ew_plan_limits *limits,
                                    struct ew_error *err) {
    for (size_t i = 0; i < values->n; i++) {
        if (values->value[i] <= limits->usable_cpus) continue;
        ew_error_set(err, EW_ERR_ARGUMENT, "%s: %lld is more than this machine's %d core%s (sweep: 1–%d, or all)", key,
                     (long long)values->value[i], limits->usable_cpus, limits->usable_cpus == 1 ? "" : "s",
                     limits->usable_cpus);
        if (values->line > 0) ew_error_prefix(err, EW_ERR_ARGUMENT, "%s:%d", study->path, values->line);
        return EW_ERR_ARGUMENT;
    }
    return EW_OK;
}

static int64_t resolve_threads(int64_t value, const struct ew_plan_limits *limits) {
    return value == EW_STUDY_ALL ? limits->all_cores : value;
}

/* Rough: 25 GB/s, 0.3 Top/s per thread, 2 operations per parameter. Only ratios matter once a trial has been timed. */
static double guess_cost(const struct ew_located_model *model, const struct ew_config_record *c) {
    double bytes = (double)model->file_bytes, params = bytes * 1.6;
    double prefill = (double)(c->prompt_tokens + c->depth) * 2 * params / (0.15e12 * (double)c->prefill_threads);
    double decode = (double)c->generate_tokens * bytes / 25e9;
    return 0.5 + bytes / 2e9 + prefill + decode;
}

static void make_key(const char *text, char key[17]) {
    snprintf(key, 17, "%016llx", (unsigned long long)XXH64(text, strlen(text), 0));
}

static void config_key(const struct ew_config_record *c, const char *model_key, char key[17]) {
    char text[1024];
    snprintf(text, sizeof text, "%s|%lld|%lld|%lld|%lld|%lld|%lld|%s|%lld|%d|%s", model_key,
             (long long)c->prefill_threads, (long long)c->decode_threads, (long long)c->prompt_tokens,
             (long long)c->generate_tokens, (long long)c->depth, (long long)c->context, c->layout,
             (long long)c->cpu_mask, c->sample_text, c->engine ? c->engine : "");
    make_key(text, key);
}

struct axis {
    const struct ew_study_values *values;
    size_t at;
};
enum { AXIS_PREFILL, AXIS_DECODE, AXIS_PROMPT, AXIS_GENERATE, AXIS_DEPTH, AXIS_LAYOUT, AXES };

static bool advance(struct axis axes[AXES]) {
    for (int i = AXES - 1; i >= 0; i--) {
        if (++axes[i].at < axes[i].values->n) return true;
        axes[i].at = 0;
    }
    return false;
}

static int64_t value_at(const struct axis *axis) { return axis->values->value[axis->at]; }

static struct ew_config_record make_config(const struct ew_study_file *study, const struct ew_located_model *model,
                                           const struct axis axes[AXES], const struct ew_plan_limits *limits) {
    bool together = study->threads.n > 0;
    int64_t depth = value_at(&axes[AXIS_DEPTH]), prompt = value_at(&axes[AXIS_PROMPT]);
    int64_t generate = value_at(&axes[AXIS_GENERATE]);
    return (struct ew_config_record){
        .prefill_threads = resolve_threads(value_at(&axes[AXIS_PREFILL]), limits),
        .decode_threads = resolve_threads(value_at(&axes[together ? AXIS_PREFILL : AXIS_DECODE]), limits),
        .prompt_tokens = prompt,
        .generate_tokens = generate,
        .depth = depth,
        .context = depth + prompt + generate,
        .layout = ew_layout_name((enum ew_weights_layout)value_at(&axes[AXIS_LAYOUT])),
        .cpu_mask = (int64_t)limits->cpu_mask,
        .sample_text = model->from->has_sample_text,
        .engine = limits->engine};
}

static bool has_config(const struct ew_study_plan *plan, const char *key) {
    for (size_t i = 0; i < plan->n_configs; i++)
        if (strcmp(plan->configs[i].key, key) == 0) return true;
    return false;
}

static enum ew_status add_configs(const struct ew_study_file *study, const struct ew_located_models *models, size_t m,
                                  const struct ew_plan_limits *limits, struct ew_study_plan *plan,
                                  struct ew_error *err) {
    static const struct ew_study_values none = {.n = 1};
    bool together = study->threads.n > 0;
    struct axis axes[AXES] = {[AXIS_PREFILL] = {together ? &study->threads : &study->prefill_threads, 0},
                              [AXIS_DECODE] = {together ? &none : &study->decode_threads, 0},
                              [AXIS_PROMPT] = {&study->prompt_tokens, 0},
                              [AXIS_GENERATE] = {&study->generate_tokens, 0},
                              [AXIS_DEPTH] = {&study->depth, 0},
                              [AXIS_LAYOUT] = {&study->layout, 0}};
    const struct ew_located_model *model = &models->models[m];
    do {
        struct ew_plan_config config = {.model = m, .record = make_config(study, model, axes, limits)};
        config_key(&config.record, model->record.key ? model->record.key : model->path, config.key);
        if (has_config(plan, config.key)) continue; /* "2" and "all" are the same on two cores */
        config.cost = guess_cost(model, &config.record);
        struct ew_plan_config *larger = realloc(plan->configs, (plan->n_configs + 1) * sizeof *larger);
        if (!larger) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", study->path);
        plan->configs = larger;
        larger[plan->n_configs++] = config;
        if (plan->n_configs * (size_t)study->repeats_max > MAX_TRIALS)
            return ew_error_set(err, EW_ERR_LIMIT, "%s: makes more than %d trials", study->path, MAX_TRIALS);
    } while (advance(axes));
    return EW_OK;
}

/* Fisher-Yates per block, so that heat and drift meet every configuration alike. */
static enum ew_status order_trials(const struct ew_study_file *study, uint64_t seed, struct ew_study_plan *plan,
                                   struct ew_error *err) {
    size_t n = plan->n_configs, repeats = (size_t)study->repeats_max;
    plan->trials = calloc(n * repeats, sizeof *plan->trials);
    if (!plan->trials) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", study->path);
    for (size_t r = 0; r < repeats; r++) {
        struct ew_plan_trial *block = plan->trials + r * n;
        uint64_t state = seed ^ (0x9e3779b97f4a7c15u * (r + 1));
        for (size_t i = 0; i < n; i++) block[i] = (struct ew_plan_trial){.config = i, .repeat = (int64_t)r};
        for (size_t i = n; i > 1; i--) {
            size_t j = ew_random_below(&state, i);
            struct ew_plan_trial swap = block[i - 1];
            block[i - 1] = block[j];
            block[j] = swap;
        }
        for (size_t i = 0; i < n; i++) {
            char text[256];
            snprintf(text, sizeof text, "%.180s|%s|%zu", study->name, plan->configs[block[i].config].key, r);
            make_key(text, block[i].key);
        }
    }
    plan->n_trials = n * repeats;
    return EW_OK;
}

enum ew_status ew_study_plan_make(const struct ew_study_file *study, const struct ew_located_models *models,
                                  const struct ew_plan_limits *limits, uint64_t seed, struct ew_study_plan *out,
                                  struct ew_error *err) {
    enum ew_status status = check_threads(study, "threads", &study->threads, limits, err);
    if (status == EW_OK) status = check_threads(study, "prefill_threads", &study->prefill_threads, limits, err);
    if (status == EW_OK) status = check_threads(study, "decode_threads", &study->decode_threads, limits, err);
    struct ew_study_plan plan = {0};
    for (size_t m = 0; status == EW_OK && m < models->n; m++)
        status = add_configs(study, models, m, limits, &plan, err);
    if (status == EW_OK) status = order_trials(study, seed, &plan, err);
    if (status != EW_OK) {
        ew_study_plan_close(&plan);
        return status;
    }
    *out = plan;
    for (size_t i = 0; i < out->n_configs; i++) out->configs[i].record.key = out->configs[i].key;
    return EW_OK;
}

void ew_study_plan_close(struct ew_study_plan *plan) {
    free(plan->configs);
    free(plan->trials);
    *plan = (struct ew_study_plan){0};
}
