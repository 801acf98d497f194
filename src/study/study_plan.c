/* Owns the list of trials: the product of the sweep, single configurations, their keys and order. What is left out:
 * plan_filter.c. Running it: study_run.c. */
#include "study/study_plan.h"
#include "base/error.h"
#include "base/seeded_random.h"
#include "study/plan_filter.h"
#include "study/trial_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MAX_TRIALS = 20000 };

_Static_assert(EW_WEIGHTS_AUTO == 0 && EW_WEIGHTS_MAPPED == 1 && EW_WEIGHTS_PACKED == 2 && EW_WEIGHTS_SIDE_FILE == 3,
               "values of the layout knob are enum ew_weights_layout");

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

static enum ew_status check_all_threads(const struct ew_study_file *study, const struct ew_study_values *axes,
                                        const struct ew_plan_limits *limits, struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (int a = EW_AXIS_THREADS; status == EW_OK && a <= EW_AXIS_DECODE_THREADS; a++)
        status = check_threads(study, ew_study_axis_table[a].name, &axes[a], limits, err);
    return status;
}

/* What names of cores are on this machine, by the study's words. */
static enum ew_status find_core_sets(const struct ew_study_file *study, const struct ew_study_values *cores,
                                     const struct ew_plan_limits *limits, struct ew_study_plan *plan,
                                     struct ew_error *err) {
    for (size_t i = 0; i < cores->n; i++) {
        const char *word = ew_study_file_word(study, cores->value[i]);
        if (!word || plan->core_sets[cores->value[i]].n_cpus > 0) continue;
        enum ew_status status =
            limits->machine ? ew_core_set_find(limits->machine, word, &plan->core_sets[cores->value[i]], err)
                            : ew_error_set(err, EW_ERR_ARGUMENT, "%s: this machine's cores are not known", word);
        if (status != EW_OK) return ew_error_prefix(err, status, "%s:%d: cores", study->path, cores->line);
    }
    return EW_OK;
}

/* Rough: 25 GB/s, 0.3 Top/s per thread, 2 operations per parameter. Only ratios matter once a trial has been timed. */
static double guess_cost(const struct ew_located_model *model, const struct ew_config_record *c) {
    double bytes = (double)model->file_bytes, params = bytes * 1.6;
    double prefill = (double)(c->prompt_tokens + c->depth) * 2 * params / (0.15e12 * (double)c->prefill_threads);
    double decode = (double)c->generate_tokens * bytes / 25e9;
    return 0.5 + bytes / 2e9 + prefill + decode + (double)c->sustained_ms / 1000;
}

static void make_key(const char *text, char key[17]) {
    snprintf(key, 17, "%016llx", (unsigned long long)XXH64(text, strlen(text), 0));
}

static size_t append(char *text, size_t capacity, size_t used, const char *name, const char *value) {
    return value && used < capacity ? used + (size_t)snprintf(text + used, capacity - used, "|%s=%s", name, value)
                                    : used;
}

static size_t append_number(char *text, size_t capacity, size_t used, const char *name, int64_t value) {
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)value);
    return append(text, capacity, used, name, value != 0 ? number : NULL);
}

/* Newer knobs enter only where they are set: a configuration keeps the key that it had before they existed. */
static void config_key(const struct ew_config_record *c, const char *model_key, char key[17]) {
    char text[2048];
    size_t n = (size_t)snprintf(
        text, sizeof text, "%s|%lld|%lld|%lld|%lld|%lld|%lld|%s|%lld|%d|%s", model_key, (long long)c->prefill_threads,
        (long long)c->decode_threads, (long long)c->prompt_tokens, (long long)c->generate_tokens, (long long)c->depth,
        (long long)c->context, c->layout, (long long)c->cpu_mask, c->sample_text, c->engine ? c->engine : "");
    n = append_number(text, sizeof text, n, "batch", c->batch);
    n = append(text, sizeof text, n, "cores", c->cores);
    n = append_number(text, sizeof text, n, "sustained_ms", c->sustained_ms);
    n = append(text, sizeof text, n, "load", c->load);
    n = append(text, sizeof text, n, "backend", c->backend);
    n = append(text, sizeof text, n, "kv", c->kv_type);
    n = append(text, sizeof text, n, "speculate", c->speculate);
    n = append_number(text, sizeof text, n, "spin_us", c->spin_us);
    n = append(text, sizeof text, n, "governor", c->governor);
    n = append_number(text, sizeof text, n, "frequency_cap_hz", c->frequency_cap_hz);
    n = append(text, sizeof text, n, "power_mode", c->power_mode);
    append(text, sizeof text, n, "epp", c->epp);
    make_key(text, key);
}

struct builder {
    const struct ew_study_file *study;
    const struct ew_located_models *models;
    const struct ew_plan_limits *limits;
    struct ew_study_plan *plan;
    struct ew_error *err;
};

static const char *choice(enum ew_study_axis axis, int64_t value) {
    /* The first one is what every build does and older stores did: it is not said. */
    return value > 0 ? ew_study_axis_table[axis].choice[value] : NULL;
}

static int64_t spin_of(int64_t us) { return us == 0 ? -1 : us == EW_STUDY_SPIN_US ? 0 : us; }

static int64_t resolve_threads(const struct builder *b, int64_t value, const struct ew_core_set *cores) {
    if (value != EW_STUDY_ALL) return value;
    if (!cores) return b->limits->all_cores;
    return cores->n_cores < b->limits->usable_cpus ? cores->n_cores : b->limits->usable_cpus;
}

static struct ew_config_record make_config(const struct builder *b, const struct ew_located_model *model,
                                           const int64_t value[EW_SWEEP_AXES], bool together) {
    const struct ew_core_set *cores = ew_plan_core_set(b->plan, value[EW_AXIS_CORES]);
    const struct ew_study_file *s = b->study;
    int64_t cap = value[EW_AXIS_FREQUENCY_CAP];
    return (struct ew_config_record){
        .prefill_threads = resolve_threads(b, value[together ? EW_AXIS_THREADS : EW_AXIS_PREFILL_THREADS], cores),
        .decode_threads = resolve_threads(b, value[together ? EW_AXIS_THREADS : EW_AXIS_DECODE_THREADS], cores),
        .prompt_tokens = value[EW_AXIS_PROMPT_TOKENS],
        .generate_tokens = value[EW_AXIS_GENERATE_TOKENS],
        .depth = value[EW_AXIS_DEPTH],
        .context = value[EW_AXIS_DEPTH] + value[EW_AXIS_PROMPT_TOKENS] + value[EW_AXIS_GENERATE_TOKENS],
        .layout = ew_study_axis_table[EW_AXIS_LAYOUT].choice[value[EW_AXIS_LAYOUT]],
        .cpu_mask = (int64_t)b->limits->cpu_mask,
        .sample_text = model->from->has_sample_text && (!model->stands_in || model->from->sample_given),
        .engine = b->limits->engine,
        .batch = value[EW_AXIS_BATCH],
        .cores = cores ? cores->text : NULL,
        .sustained_ms = value[EW_AXIS_SUSTAINED],
        .load = value[EW_AXIS_LOAD] < 0 ? NULL : ew_study_axis_table[EW_AXIS_LOAD].choice[value[EW_AXIS_LOAD]],
        .backend = choice(EW_AXIS_BACKEND, value[EW_AXIS_BACKEND]),
        .kv_type = choice(EW_AXIS_KV, value[EW_AXIS_KV]),
        .speculate = choice(EW_AXIS_SPECULATE, value[EW_AXIS_SPECULATE]),
        .spin_us = spin_of(value[EW_AXIS_SPIN]),
        .governor = ew_study_file_word(s, value[EW_AXIS_GOVERNOR]),
        .frequency_cap_hz = cap > 0 ? cap : 0,
        .power_mode = ew_study_file_word(s, value[EW_AXIS_POWER_MODE]),
        .epp = ew_study_file_word(s, value[EW_AXIS_EPP])};
}

static bool has_config(const struct ew_study_plan *plan, const char *key) {
    for (size_t i = 0; i < plan->n_configs; i++)
        if (strcmp(plan->configs[i].key, key) == 0) return true;
    return false;
}

static enum ew_status add_config(const struct builder *b, size_t m, const int64_t value[EW_SWEEP_AXES], bool together) {
    const struct ew_located_model *model = &b->models->models[m];
    struct ew_study_plan *plan = b->plan;
    struct ew_plan_config config = {.model = m, .record = make_config(b, model, value, together)};
    const struct ew_core_set *cores = ew_plan_core_set(plan, value[EW_AXIS_CORES]);
    config.cpus = cores ? &cores->cpus : NULL;
    config_key(&config.record, model->record.key ? model->record.key : model->path, config.key);
    if (has_config(plan, config.key)) return EW_OK; /* "2" and "all" are the same on two cores */
    bool leave_out = false;
    enum ew_status status =
        ew_plan_filter(b->study, b->limits, model, value, &config.record, cores, plan, &leave_out, b->err);
    if (status != EW_OK || leave_out) return status;
    config.cost = guess_cost(model, &config.record);
    struct ew_plan_config *larger = realloc(plan->configs, (plan->n_configs + 1) * sizeof *larger);
    if (!larger) return ew_error_set(b->err, EW_ERR_MEMORY, "%s: out of memory", b->study->path);
    plan->configs = larger;
    larger[plan->n_configs++] = config;
    if (plan->n_configs * (size_t)b->study->repeats_max > MAX_TRIALS)
        return ew_error_set(b->err, EW_ERR_LIMIT, "%s: makes more than %d trials", b->study->path, MAX_TRIALS);
    return EW_OK;
}

/* Steps the last knob fastest. false: all combinations were there. */
static bool advance(const struct ew_study_values *axes, size_t at[EW_SWEEP_AXES]) {
    for (int i = EW_SWEEP_AXES - 1; i >= 0; i--) {
        if (++at[i] < axes[i].n) return true;
        at[i] = 0;
    }
    return false;
}

/* axes: [EW_SWEEP_AXES]; either threads or both others have values. */
static enum ew_status add_grid(const struct builder *b, size_t model, const struct ew_study_values *axes) {
    bool together = axes[EW_AXIS_THREADS].n > 0;
    size_t at[EW_SWEEP_AXES] = {0};
    enum ew_status status = EW_OK;
    struct ew_study_values *own = calloc(EW_SWEEP_AXES, sizeof *own);
    if (!own) return ew_error_set(b->err, EW_ERR_MEMORY, "%s: out of memory", b->study->path);
    memcpy(own, axes, EW_SWEEP_AXES * sizeof *own);
    static const struct ew_study_values unused = {.n = 1};
    if (together)
        own[EW_AXIS_PREFILL_THREADS] = own[EW_AXIS_DECODE_THREADS] = unused;
    else
        own[EW_AXIS_THREADS] = unused;
    do {
        int64_t value[EW_SWEEP_AXES];
        for (int a = 0; a < EW_SWEEP_AXES; a++) value[a] = own[a].value[at[a]];
        status = add_config(b, model, value, together);
    } while (status == EW_OK && advance(own, at));
    free(own);
    return status;
}

static enum ew_status add_configs(const struct builder *b) {
    const struct ew_study_file *study = b->study;
    bool grid = study->sweep_line > 0 || study->n_configurations == 0;
    enum ew_status status = EW_OK;
    for (size_t m = 0; status == EW_OK && m < b->models->n; m++) {
        if (grid) status = add_grid(b, m, study->axis);
        for (size_t i = 0; status == EW_OK && i < study->n_configurations; i++)
            if (ew_plan_chooses_model(study, &study->configurations[i], &b->models->models[m]))
                status = add_grid(b, m, study->configurations[i].axis);
    }
    return status;
}

static enum ew_status check_axes(const struct builder *b, const struct ew_study_values *axes) {
    enum ew_status status = check_all_threads(b->study, axes, b->limits, b->err);
    return status == EW_OK ? find_core_sets(b->study, &axes[EW_AXIS_CORES], b->limits, b->plan, b->err) : status;
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
    struct ew_study_plan plan = {.core_sets = calloc(study->n_words + 1, sizeof *plan.core_sets)};
    const struct builder b = {study, models, limits, &plan, err};
    enum ew_status status = plan.core_sets ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", study->path);
    if (status == EW_OK) status = check_axes(&b, study->axis);
    for (size_t i = 0; status == EW_OK && i < study->n_configurations; i++)
        status = check_axes(&b, study->configurations[i].axis);
    if (status == EW_OK) status = add_configs(&b);
    if (status == EW_OK && plan.n_configs > 0) status = order_trials(study, seed, &plan, err);
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
    free(plan->left_out);
    free(plan->core_sets);
    *plan = (struct ew_study_plan){0};
}
