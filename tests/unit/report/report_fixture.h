/* A store with round numbers, made through the store's own API: every figure of a report over it can be checked by
 * hand. Numbers are made up. See the table below.
 * Size: the two long functions are tables of records. */
#ifndef EW_TESTS_REPORT_FIXTURE_H
#define EW_TESTS_REPORT_FIXTURE_H

#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576LL
#define MS 1000000LL

struct report_fixture_options {
    bool energy;     /* power samples alternating 1.9 and 2.1 W, 1 ms apart; idle 0.5 W */
    bool unfinished; /* the last configuration's runs stay planned */
    bool hostile;    /* names that try to be markup, formulas and terminal commands */
};

/* Per configuration: 100 prompt tokens, 10 tokens after the first, three runs whose gaps between tokens differ. */
static const struct report_fixture_config {
    int model; /* 0: tiny Q8_0 (real); 1: big Q4_0; 2: big Q8_0 (both synthetic) */
    int threads;
    int64_t gap_ms10[3]; /* tenths of a millisecond */
    int64_t load_ms, prefill_ms, ttft_ms, peak_mib, ledger_mib;
    bool oom;
} report_fixture_configs[] = {
    {0, 1, {125, 100, 80}, 500, 50, 100, 20, 21, false},
    {1, 1, {1000, 780, 625}, 2000, 2000, 2500, 600, 606, false},
    {1, 2, {500, 400, 250}, 2000, 1000, 1250, 610, 610, false},
    {2, 2, {0, 0, 0}, 0, 0, 0, 0, 1100, true},
};
enum { REPORT_FIXTURE_CONFIGS = 4, REPORT_FIXTURE_RUNS = 3, REPORT_FIXTURE_STAMPS = 11 };

static inline void report_fixture_need(enum ew_status status, const struct ew_error *err) {
    if (status == EW_OK) return;
    fprintf(stderr, "fixture: %s\n", err->message);
    abort();
}

/* A power trace from begin_ns to end_ns, mean watts, alternating by ±5 %. */
static inline struct ew_series_record report_fixture_power(int64_t meter_id, int64_t begin_ns, int64_t end_ns,
                                                           double watts, int64_t **times, double **values) {
    size_t n = (size_t)((end_ns - begin_ns) / MS) + 1;
    *times = malloc(n * sizeof **times);
    *values = malloc(n * sizeof **values);
    for (size_t i = 0; i < n; i++) {
        (*times)[i] = begin_ns + (int64_t)i * MS;
        (*values)[i] = watts * (i % 2 ? 1.05 : 0.95);
    }
    return (struct ew_series_record){.trial_id = EW_MISSING,
                                     .baseline_id = EW_MISSING,
                                     .meter_id = meter_id,
                                     .channel = "total",
                                     .unit = "W",
                                     .n = (int64_t)n,
                                     .time_ns = *times,
                                     .value = *values};
}

struct report_fixture_ids {
    int64_t study, models[3], configs[REPORT_FIXTURE_CONFIGS], invocation, meter;
};

static inline const char *report_fixture_real_name(const struct report_fixture_options *o) {
    return o->hostile ? "<img src=x onerror=alert(1)>\033[31m=1+1|\"x\"" : "tiny";
}

static inline void report_fixture_head(struct ew_store *store, const struct report_fixture_options *o,
                                       struct report_fixture_ids *ids) {
    struct ew_error err = {0};
    int64_t machine;
    const struct ew_study_record study = {.name =
                                              o->hostile ? "</script><script>alert(1)</script>" : "which model here",
                                          .file = "studies/made up.yaml",
                                          .seed = 42,
                                          .created_unix_ns = 1769860800LL * 1000000000}; /* 2026-01-31 12:00:00 UTC */
    const struct ew_machine_record box = {.fingerprint = "0011",
                                          .name = "Made-up board",
                                          .arch = "aarch64",
                                          .n_cores = 4,
                                          .memory_bytes = 1024 * MIB,
                                          .cpu_features = "dotprod",
                                          .os = "Linux",
                                          .facts_json = "{\"cpu\": {\"max_mhz\": 2400}, \"throttled\": false}"};
    report_fixture_need(ew_store_put_study(store, &study, &ids->study, &err), &err);
    report_fixture_need(ew_store_put_machine(store, &box, &machine, &err), &err);
    const struct ew_model_record models[3] = {{.key = "m0",
                                               .path = "tiny.gguf",
                                               .name = report_fixture_real_name(o),
                                               .file_type = "Q8_0",
                                               .file_bytes = 1062500,
                                               .n_params = 1000000},
                                              {.key = "m1",
                                               .path = "b4.gguf",
                                               .name = "big",
                                               .file_type = "Q4_0",
                                               .shape = "big",
                                               .synthetic = true,
                                               .file_bytes = 562500000,
                                               .n_params = 1000000000},
                                              {.key = "m2",
                                               .path = "b8.gguf",
                                               .name = "big",
                                               .file_type = "Q8_0",
                                               .shape = "big",
                                               .synthetic = true,
                                               .file_bytes = 1062500000,
                                               .n_params = 1000000000}};
    for (int i = 0; i < 3; i++) report_fixture_need(ew_store_put_model(store, &models[i], &ids->models[i], &err), &err);
    for (int i = 0; i < REPORT_FIXTURE_CONFIGS; i++) {
        char key[8];
        snprintf(key, sizeof key, "c%d", i);
        const struct report_fixture_config *c = &report_fixture_configs[i];
        const struct ew_config_record config = {.key = key,
                                                .model_id = ids->models[c->model],
                                                .prefill_threads = c->threads,
                                                .decode_threads = c->threads,
                                                .prompt_tokens = 100,
                                                .generate_tokens = 11,
                                                .context = 128,
                                                .layout = "auto",
                                                .sample_text = c->model == 0};
        report_fixture_need(ew_store_put_config(store, &config, &ids->configs[i], &err), &err);
    }
    const struct ew_invocation_record invocation = {
        .study_id = ids->study,
        .machine_id = machine,
        .started_unix_ns = study.created_unix_ns,
        .started_ns = 0,
        .ended_unix_ns = o->unfinished ? EW_MISSING : study.created_unix_ns + 60LL * 1000000000,
        .version = "0.1.0",
        .state_json = "{\"governor\": \"performance\"}",
        .energy_none = o->energy ? NULL : "no RAPL, no power sensor"};
    report_fixture_need(ew_store_put_invocation(store, &invocation, &ids->invocation, &err), &err);
    const struct ew_meter_record meter = {
        .invocation_id = ids->invocation,
        .name = o->energy ? "made-up" : "rapl",
        .quantity = "energy",
        .used = o->energy,
        .refused = o->energy ? NULL : "/sys/class/powercap is missing",
        .boundary = o->energy ? "board" : NULL,
        .period_ns = MS,
        .describe_json = "{\"name\": \"made-up\", \"kind\": \"power\", \"boundary\": \"board\", \"covers\": \"all\", "
                         "\"leaves_out\": \"USB\", \"period_s\": 0.001, \"resolution\": 0.001, \"averaging_s\": 0, "
                         "\"error_relative\": 0.01, \"grade_ceiling\": \"C\", \"remedy\": \"\", "
                         "\"channels\": [{\"name\": \"total\", \"in_total\": true, \"wrap\": 0}]}"};
    report_fixture_need(ew_store_put_meter(store, &meter, &ids->meter, &err), &err);
}

static inline void report_fixture_baselines(struct ew_store *store, const struct report_fixture_ids *ids) {
    static const char *const places[2] = {"before", "after"};
    for (int i = 0; i < 2; i++) {
        struct ew_error err = {0};
        int64_t *times, id;
        double *values;
        const struct ew_baseline_record baseline = {.invocation_id = ids->invocation,
                                                    .place = places[i],
                                                    .begin_ns = i * 100000 * MS,
                                                    .end_ns = (i * 100000 + 1000) * MS};
        struct ew_series_record series =
            report_fixture_power(ids->meter, baseline.begin_ns, baseline.end_ns, 0.5, &times, &values);
        report_fixture_need(ew_store_put_baseline(store, &baseline, &series, 1, &id, &err), &err);
        free(times);
        free(values);
    }
}

/* Runs what was planned. */
static inline void report_fixture_run(struct ew_store *store, const struct report_fixture_options *o,
                                      const struct report_fixture_ids *ids, const struct report_fixture_config *c,
                                      const struct ew_trial_record *planned) {
    struct ew_error err = {0};
    int64_t begin = (2000 + planned->position * 8000) * MS, gap = c->gap_ms10[planned->repeat] * MS / 10;
    int64_t loaded = begin + c->load_ms * MS, prefilled = loaded + c->prefill_ms * MS, stamps[REPORT_FIXTURE_STAMPS];
    int64_t *times = NULL;
    double *values = NULL;
    for (int i = 0; i < REPORT_FIXTURE_STAMPS; i++) stamps[i] = prefilled + i * gap;
    int64_t end = stamps[REPORT_FIXTURE_STAMPS - 1];
    const struct ew_phase_record phases[3] = {{.name = "load",
                                               .begin_ns = begin,
                                               .end_ns = loaded,
                                               .rss_anon_bytes = EW_MISSING,
                                               .rss_file_bytes = EW_MISSING},
                                              {.name = "prefill",
                                               .begin_ns = loaded,
                                               .end_ns = prefilled,
                                               .n_tokens = 100,
                                               .rss_anon_bytes = EW_MISSING,
                                               .rss_file_bytes = EW_MISSING},
                                              {.name = "decode",
                                               .begin_ns = prefilled,
                                               .end_ns = end,
                                               .n_tokens = 10,
                                               .rss_anon_bytes = c->peak_mib * MIB / 2,
                                               .rss_file_bytes = c->peak_mib * MIB / 2}};
    struct ew_trial_record t = {.study_id = ids->study,
                                .config_id = planned->config_id,
                                .invocation_id = ids->invocation,
                                .key = planned->key,
                                .repeat = planned->repeat,
                                .position = planned->position,
                                .status = EW_TRIAL_OK,
                                .started_unix_ns = 1769860800LL * 1000000000,
                                .begin_ns = begin,
                                .end_ns = end,
                                .signal = EW_MISSING,
                                .swap_peak_bytes = EW_MISSING,
                                .gpu_peak_bytes = EW_MISSING,
                                .kernels = "gemm_made_up",
                                .ttft_ns = c->ttft_ms * MS,
                                .peak_rss_bytes = c->peak_mib * MIB,
                                .peak_pss_bytes = EW_MISSING,
                                .ledger = {.present = true,
                                           .weights_mapped = c->ledger_mib * MIB / 2,
                                           .weights_packed = c->ledger_mib * MIB / 4,
                                           .kv_cache = c->ledger_mib * MIB / 4,
                                           .total = c->ledger_mib * MIB},
                                .phases = phases,
                                .n_phases = 3,
                                .stamps_ns = stamps,
                                .n_stamps = REPORT_FIXTURE_STAMPS,
                                .first_stamp_ns = stamps[0],
                                .last_stamp_ns = end};
    struct ew_series_record series;
    if (c->model == 0) {
        t.sample_prompt = "Once";
        t.sample_text = o->hostile ? " </script><b>upon</b>" : " upon a time.";
    }
    if (c->oom) {
        t.status = EW_TRIAL_OOM;
        t.reason = o->hostile ? "killed </script>\033[2J" : "killed for want of memory";
        t.n_phases = 0;
        t.n_stamps = 0;
        t.ttft_ns = t.peak_rss_bytes = EW_MISSING;
    } else if (o->energy) {
        series = report_fixture_power(ids->meter, begin - 10 * MS, end + 10 * MS, 2.0, &times, &values);
        t.series = &series;
        t.n_series = 1;
    }
    report_fixture_need(ew_store_begin_trial(store, planned->key, ids->invocation, t.started_unix_ns, &err), &err);
    report_fixture_need(ew_store_finish_trial(store, &t, &err), &err);
    free(times);
    free(values);
}

static inline void report_fixture_fill(struct ew_store *store, const struct report_fixture_options *o,
                                       struct report_fixture_ids *ids) {
    struct ew_error err = {0};
    struct ew_trial_record plan[REPORT_FIXTURE_CONFIGS * REPORT_FIXTURE_RUNS] = {0};
    char keys[REPORT_FIXTURE_CONFIGS * REPORT_FIXTURE_RUNS][8];
    report_fixture_head(store, o, ids);
    for (int i = 0; i < REPORT_FIXTURE_CONFIGS * REPORT_FIXTURE_RUNS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        plan[i] = (struct ew_trial_record){.study_id = ids->study,
                                           .config_id = ids->configs[i / REPORT_FIXTURE_RUNS],
                                           .key = keys[i],
                                           .repeat = i % REPORT_FIXTURE_RUNS,
                                           .position = i};
    }
    report_fixture_need(ew_store_put_plan(store, ids->study, plan, REPORT_FIXTURE_CONFIGS * REPORT_FIXTURE_RUNS, &err),
                        &err);
    for (int i = 0; i < REPORT_FIXTURE_CONFIGS * REPORT_FIXTURE_RUNS; i++) {
        if (o->unfinished && i / REPORT_FIXTURE_RUNS == REPORT_FIXTURE_CONFIGS - 1) break;
        report_fixture_run(store, o, ids, &report_fixture_configs[i / REPORT_FIXTURE_RUNS], &plan[i]);
    }
    if (o->energy) report_fixture_baselines(store, ids);
}

static inline struct ew_store *report_fixture_open(const char *path) {
    struct ew_store *store = NULL;
    struct ew_error err = {0};
    report_fixture_need(ew_store_open(path, EW_STORE_WRITE, &store, &err), &err);
    return store;
}

static inline void report_fixture_make(const char *path, struct report_fixture_options o) {
    struct ew_store *store = report_fixture_open(path);
    struct report_fixture_ids ids;
    report_fixture_fill(store, &o, &ids);
    ew_store_close(&store);
}

#endif
