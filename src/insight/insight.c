/* Builds the summary of a study: runs, configurations in reading order, figures with intervals, fronts, classes.
 * The words are in answers.c and caveats.c. */
#include "insight/insight.h"

#include "base/error.h"
#include "insight/advice.h"
#include "insight/front.h"
#include "insight/quality_steps.h"
#include "insight/rating.h"
#include "insight/words.h"
#include "study/memory_record.h"
#include "study/statistics.h"
#include "study/trial_conditions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum ew_status no_memory(struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "summary of a study: out of memory");
}

static const char *text_of(const char *text) { return text ? text : "?"; }

/* Files of `edgewise synth` carry the word in their name; reports say it in their own way, once. */
static const char *display_name(const struct ew_model_record *model) {
    static const char word[] = "synthetic ";
    const char *name = text_of(model->name);
    bool said = model->synthetic && strncmp(name, word, sizeof word - 1) == 0 && name[sizeof word - 1];
    return said ? name + sizeof word - 1 : name;
}

/* Several types of one model are several files of one name. */
static bool same_model(const struct ew_model_record *a, const struct ew_model_record *b) {
    return a->synthetic == b->synthetic && strcmp(text_of(a->name), text_of(b->name)) == 0;
}

/* ---- configurations ---- */

/* Reading order: models as the study names them, then bits per weight, then threads. */
struct sort_key {
    struct ew_insight_config config;
    double rank[4];
    int64_t id;
};

static int compare_keys(const void *pa, const void *pb) {
    const struct sort_key *a = pa, *b = pb;
    for (int i = 0; i < 4; i++)
        if (a->rank[i] != b->rank[i]) return a->rank[i] < b->rank[i] ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static const struct ew_model_record *find_model(const struct ew_stored_study *study, int64_t id) {
    for (size_t i = 0; i < study->n_models; i++)
        if (study->models[i].id == id) return &study->models[i];
    return NULL;
}

static double first_appearance(const struct ew_stored_study *study, const struct ew_model_record *model) {
    for (size_t i = 0; i < study->n_models; i++)
        if (same_model(&study->models[i], model)) return (double)i;
    return 0;
}

static enum ew_status collect_configs(struct ew_insight *insight, struct ew_error *err) {
    const struct ew_stored_study *study = insight->study;
    size_t n = study->n_configs;
    struct sort_key *keys = calloc(n + 1, sizeof *keys);
    insight->configs = calloc(n + 1, sizeof *insight->configs);
    if (!keys || !insight->configs) {
        free(keys);
        return no_memory(err);
    }
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < n && status == EW_OK; i++) {
        const struct ew_config_record *record = &study->configs[i];
        const struct ew_model_record *model = find_model(study, record->model_id);
        if (!model) {
            status = ew_error_set(err, EW_ERR_FORMAT, "configuration %lld: there is no model %lld",
                                  (long long)record->id, (long long)record->model_id);
            break;
        }
        double bits = ew_advice_bits_per_weight(model);
        keys[i] = (struct sort_key){.config = {.record = record,
                                               .model = model,
                                               .name = display_name(model),
                                               .quality = NAN,
                                               .quality_low = NAN,
                                               .quality_high = NAN,
                                               .memory_error_percent = NAN,
                                               .rss_file_bytes = EW_MISSING,
                                               .rss_anon_bytes = EW_MISSING},
                                    .rank = {first_appearance(study, model), isnan(bits) ? INFINITY : bits,
                                             (double)record->decode_threads, (double)record->prefill_threads},
                                    .id = record->id};
    }
    if (status == EW_OK) {
        qsort(keys, n, sizeof *keys, compare_keys);
        for (size_t i = 0; i < n; i++) insight->configs[i] = keys[i].config;
        insight->n_configs = n;
    }
    free(keys);
    return status;
}

/* ---- labels: what differs within the study, and no more ---- */

struct label_parts {
    bool workload, depth, context, layout, mask, engine;
    bool batch, cores, sustained, load, backend, kv_type, speculate, governor, cap, power_mode, epp, spin;
};

static bool differ(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") != 0; }

static struct label_parts find_differences(const struct ew_insight *insight) {
    struct label_parts parts = {0};
    for (size_t i = 1; i < insight->n_configs; i++) {
        const struct ew_config_record *a = insight->configs[0].record, *b = insight->configs[i].record;
        parts.workload |= a->prompt_tokens != b->prompt_tokens || a->generate_tokens != b->generate_tokens;
        parts.depth |= a->depth != b->depth;
        parts.context |= a->context != b->context && a->prompt_tokens == b->prompt_tokens &&
                         a->generate_tokens == b->generate_tokens && a->depth == b->depth;
        parts.layout |= differ(a->layout, b->layout);
        parts.mask |= a->cpu_mask != b->cpu_mask;
        parts.engine |= differ(a->engine, b->engine);
        parts.batch |= a->batch != b->batch;
        parts.cores |= differ(a->cores, b->cores);
        parts.sustained |= a->sustained_ms != b->sustained_ms;
        parts.load |= differ(a->load, b->load);
        parts.backend |= differ(a->backend, b->backend);
        parts.kv_type |= differ(a->kv_type, b->kv_type);
        parts.speculate |= differ(a->speculate, b->speculate);
        parts.governor |= differ(a->governor, b->governor);
        parts.cap |= a->frequency_cap_hz != b->frequency_cap_hz;
        parts.power_mode |= differ(a->power_mode, b->power_mode);
        parts.epp |= differ(a->epp, b->epp);
        parts.spin |= a->spin_us != b->spin_us;
    }
    return parts;
}

static enum ew_status label_config(struct ew_insight *insight, struct ew_insight_config *config,
                                   struct label_parts parts, struct ew_error *err) {
    const struct ew_config_record *r = config->record;
    char extra[256] = "";
    size_t n = 0;
#define ADD(condition, ...)                                                                                            \
    if ((condition) && n < sizeof extra) n += (size_t)snprintf(extra + n, sizeof extra - n, __VA_ARGS__)
    ADD(parts.workload, " · %lld + %lld tokens", (long long)r->prompt_tokens, (long long)r->generate_tokens);
    ADD(parts.depth, " · depth %lld", (long long)r->depth);
    ADD(parts.context, " · context %lld", (long long)r->context);
    ADD(parts.layout, " · %.20s", text_of(r->layout));
    ADD(parts.mask, " · CPU mask %llx", (unsigned long long)r->cpu_mask);
    ADD(parts.engine, " · %.60s", r->engine ? r->engine : "edgewise");
    ADD(parts.batch, r->batch ? " · batch %lld" : " · default batch", (long long)r->batch);
    ADD(parts.cores, " · cores %.30s", r->cores ? r->cores : "all");
    ADD(parts.sustained, r->sustained_ms ? " · sustained %lld s" : " · burst", (long long)(r->sustained_ms / 1000));
    ADD(parts.load, " · %.10s load", r->load ? r->load : "any");
    ADD(parts.backend, " · %.20s", r->backend ? r->backend : "cpu");
    ADD(parts.kv_type, " · KV %.10s", r->kv_type ? r->kv_type : "f16");
    ADD(parts.speculate, " · speculate %.10s", r->speculate ? r->speculate : "off");
    ADD(parts.governor, " · governor %.20s", r->governor ? r->governor : "as found");
    ADD(parts.cap, r->frequency_cap_hz ? " · %lld MHz" : " · no cap", (long long)(r->frequency_cap_hz / 1000000));
    ADD(parts.power_mode, " · power mode %.20s", r->power_mode ? r->power_mode : "as found");
    ADD(parts.epp, " · EPP %.20s", r->epp ? r->epp : "as found");
    ADD(parts.spin,
        r->spin_us > 0   ? " · spin %lld µs"
        : r->spin_us < 0 ? " · no spin"
                         : " · default spin",
        (long long)r->spin_us);
#undef ADD
    char threads[64];
    if (r->prefill_threads == r->decode_threads)
        snprintf(threads, sizeof threads, "%lld thread%s", (long long)r->decode_threads,
                 r->decode_threads == 1 ? "" : "s");
    else
        snprintf(threads, sizeof threads, "%lld/%lld threads", (long long)r->prefill_threads,
                 (long long)r->decode_threads);
    config->label =
        ew_words_keep(insight, "%s %s · %s%s", config->name, text_of(config->model->file_type), threads, extra);
    return config->label ? EW_OK : no_memory(err);
}

/* ---- runs ---- */

static bool find_config(const struct ew_insight *insight, int64_t id, size_t *out) {
    for (size_t i = 0; i < insight->n_configs; i++) {
        if (insight->configs[i].record->id != id) continue;
        *out = i;
        return true;
    }
    return false;
}

static void note_memory_split(struct ew_insight_config *config, const struct ew_trial_record *trial) {
    const struct ew_phase_record *phase = ew_measure_phase(trial, "decode");
    if (!phase || phase->rss_file_bytes == EW_MISSING || phase->rss_anon_bytes == EW_MISSING) return;
    config->rss_file_bytes = phase->rss_file_bytes;
    config->rss_anon_bytes = phase->rss_anon_bytes;
}

static enum ew_cache_state cache_state(double share) {
    if (isnan(share)) return EW_CACHE_UNKNOWN;
    return share >= 0.99 ? EW_CACHE_WARM : share <= 0.01 ? EW_CACHE_COLD : EW_CACHE_PARTLY;
}

const char *ew_cache_state_name(enum ew_cache_state state) {
    static const char *const names[] = {NULL, "cold", "partly cached", "warm"};
    return names[state];
}

/* false = out of memory. */
static bool note_activity(struct ew_insight *insight, struct ew_insight_run *run) {
    struct ew_memory_activity activity;
    char words[EW_MEMORY_WORDS_BYTES];
    ew_memory_record_read(run->trial->conditions.memory_json, &activity);
    run->memory_flags = ew_memory_activity_flags(&activity);
    if (ew_memory_activity_words(&activity, words, sizeof words))
        run->memory_words = ew_words_keep(insight, "%s", words);
    return !*words || run->memory_words;
}

static void count_run(struct ew_insight *insight, struct ew_insight_run *run) {
    struct ew_insight_config *config = &insight->configs[run->config];
    const struct ew_trial_record *trial = run->trial;
    bool ok = trial->status == EW_TRIAL_OK, failed = ew_insight_failed(trial->status);
    *(ok ? &config->n_ok : failed ? &config->n_failed : &config->n_left) += 1;
    *(ok ? &insight->n_ok : failed ? &insight->n_failed : &insight->n_left) += 1;
    run->cache = cache_state(trial->conditions.cached_share);
    run->swapped = trial->swap_peak_bytes > 0 || run->memory_flags & EW_MEMORY_SWAPPED;
    run->throttled = trial->conditions.throttled;
    run->crowded = ew_conditions_crowded(&trial->conditions);
    run->meter_lost = trial->conditions.meter_lost != NULL;
    run->begun_again = (ok || failed) && trial->attempts > 1;
    config->n_flagged += run->swapped || run->memory_flags || run->throttled || run->crowded || run->meter_lost;
    if (trial->ledger.present && !config->ledger.present) config->ledger = trial->ledger;
    if (trial->kernels && !config->kernels) config->kernels = trial->kernels;
    if (ok) note_memory_split(config, trial);
}

static enum ew_status collect_runs(struct ew_insight *insight, const struct ew_trial_energy *energies,
                                   struct ew_error *err) {
    const struct ew_stored_study *study = insight->study;
    insight->runs = calloc(study->n_trials + 1, sizeof *insight->runs);
    if (!insight->runs) return no_memory(err);
    for (size_t i = 0; i < study->n_trials; i++) {
        struct ew_insight_run *run = &insight->runs[i];
        run->trial = &study->trials[i];
        run->energy = energies ? &energies[i] : NULL;
        if (!find_config(insight, run->trial->config_id, &run->config))
            return ew_error_set(err, EW_ERR_FORMAT, "trial %lld: there is no configuration %lld",
                                (long long)run->trial->id, (long long)run->trial->config_id);
        enum ew_status status = ew_measure_trial(run->trial, run->energy, run->value, err);
        if (status != EW_OK) return status;
        insight->n_runs++;
        if (!note_activity(insight, run)) return no_memory(err);
        count_run(insight, run);
    }
    return EW_OK;
}

/* ---- figures over the runs of a configuration ---- */

static enum ew_status summarise(const double *values, size_t n, struct ew_figure *out, struct ew_error *err) {
    *out = (struct ew_figure){.value = NAN, .low = NAN, .high = NAN};
    if (!n) return EW_OK;
    struct ew_stat_summary stat;
    enum ew_status status = ew_stat_summarise(values, n, &stat, err);
    if (status != EW_OK) return status;
    *out = (struct ew_figure){stat.median, stat.low, stat.high, n, stat.is_range};
    return EW_OK;
}

static enum ew_status fill_figures(struct ew_insight *insight, size_t index, double *scratch, struct ew_error *err) {
    struct ew_insight_config *config = &insight->configs[index];
    for (int m = 0; m < EW_MEASURES; m++) {
        size_t n = 0;
        for (size_t i = 0; i < insight->n_runs; i++)
            if (insight->runs[i].config == index && isfinite(insight->runs[i].value[m]))
                scratch[n++] = insight->runs[i].value[m];
        enum ew_status status = summarise(scratch, n, &config->figure[m], err);
        if (status != EW_OK) return status;
    }
    config->grade = EW_GRADE_NONE;
    for (size_t i = 0; i < insight->n_runs; i++) {
        const struct ew_insight_run *run = &insight->runs[i];
        if (run->config != index || !isfinite(run->value[EW_MEASURE_DECODE_ENERGY])) continue;
        if (config->grade == EW_GRADE_NONE || run->energy->grade < config->grade) config->grade = run->energy->grade;
        insight->has_energy = true;
    }
    double peak = config->figure[EW_MEASURE_PEAK_MEMORY].value;
    if (config->ledger.present && config->ledger.total > 0 && peak > 0)
        config->memory_error_percent = 100 * ((double)config->ledger.total - peak) / peak;
    for (int u = 0; u < EW_USE_CLASSES; u++)
        config->use[u] = ew_use_meets((enum ew_use_class)u, config->figure[EW_MEASURE_TTFT].value,
                                      config->figure[EW_MEASURE_DECODE].value);
    return EW_OK;
}

/* ---- fronts: decode speed against joules, or against memory where there is no energy ---- */

static enum ew_status mark_fronts(struct ew_insight *insight, struct ew_error *err) {
    size_t n = insight->n_configs;
    double(*points)[2] = calloc(n + 1, sizeof *points), (*mine)[2] = calloc(n + 1, sizeof *mine);
    bool *on = calloc(n + 1, sizeof *on);
    if (!points || !mine || !on) {
        free(points), free(mine), free(on);
        return no_memory(err);
    }
    enum ew_measure cost = insight->has_energy ? EW_MEASURE_DECODE_ENERGY : EW_MEASURE_PEAK_MEMORY;
    static const int sense[2] = {+1, -1};
    for (size_t i = 0; i < n; i++) {
        points[i][0] = insight->configs[i].figure[EW_MEASURE_DECODE].value;
        points[i][1] = insight->configs[i].figure[cost].value;
    }
    ew_front_mark(points[0], n, 2, sense, on);
    for (size_t i = 0; i < n; i++) insight->configs[i].front = on[i];
    for (size_t i = 0; i < n; i++) { /* the same with every other model left out */
        for (size_t j = 0; j < n; j++) {
            bool same = same_model(insight->configs[i].model, insight->configs[j].model);
            mine[j][0] = same ? points[j][0] : NAN;
            mine[j][1] = points[j][1];
        }
        ew_front_mark(mine[0], n, 2, sense, on);
        insight->configs[i].front_of_model = on[i];
    }
    free(points), free(mine), free(on);
    return EW_OK;
}

static enum ew_status build(struct ew_insight *insight, const struct ew_trial_energy *energies, struct ew_error *err) {
    enum ew_status status = collect_configs(insight, err);
    struct label_parts parts = find_differences(insight);
    for (size_t i = 0; i < insight->n_configs && status == EW_OK; i++)
        status = label_config(insight, &insight->configs[i], parts, err);
    if (status == EW_OK) status = collect_runs(insight, energies, err);
    if (status != EW_OK) return status;
    double *scratch = calloc(insight->n_runs + 1, sizeof *scratch);
    if (!scratch) return no_memory(err);
    for (size_t i = 0; i < insight->n_configs && status == EW_OK; i++) status = fill_figures(insight, i, scratch, err);
    free(scratch);
    if (status == EW_OK) status = mark_fronts(insight, err);
    if (status == EW_OK) status = ew_flags_find(insight, err);
    if (status == EW_OK) status = ew_rating_find(insight, err);
    if (status == EW_OK) status = ew_quality_steps_find(insight, err);
    if (status == EW_OK) status = ew_advice_warn(insight, err);
    if (status == EW_OK) status = ew_advice_answer(insight, err);
    return status;
}

enum ew_status ew_insight_build(const struct ew_stored_study *study, const struct ew_trial_energy *energies,
                                struct ew_insight **out, struct ew_error *err) {
    struct ew_insight *insight = calloc(1, sizeof *insight);
    if (!insight) return no_memory(err);
    insight->study = study;
    enum ew_status status = build(insight, energies, err);
    if (status != EW_OK) {
        ew_insight_close(&insight);
        return status;
    }
    *out = insight;
    return EW_OK;
}

void ew_insight_close(struct ew_insight **insight) {
    if (!*insight) return;
    ew_words_free(*insight);
    free((*insight)->configs);
    free((*insight)->runs);
    free((*insight)->qualities);
    free((*insight)->steps);
    free(*insight);
    *insight = NULL;
}
