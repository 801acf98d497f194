/* Owns holding bench's speeds against the machine's limits: a roofline per run, from what was measured beside it. The
 * arithmetic of models is engine/machine_limits.h's. */
#include "cli/bench_share.h"

#include "base/error.h"
#include "insight/doctor.h"
#include "study/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double budget_s = 0.3;

void ew_bench_limits_note(void *context, const struct ew_trial_record *trial) {
    struct ew_bench_limits *l = context;
    const struct ew_limits_request request = {
        .cpu_features = l->cpu_features, .budget_s = budget_s, .all_in_all_only = true};
    struct ew_bench_limit one = {0};
    if (trial->status != EW_TRIAL_OK || ew_machine_limits_measure(l->machine, &request, &one.limits, NULL) != EW_OK)
        return;
    snprintf(one.trial_key, sizeof one.trial_key, "%s", trial->key);
    struct ew_bench_limit *more = realloc(l->at, (l->n + 1) * sizeof *more);
    if (!more) return;
    l->at = more;
    l->at[l->n++] = one;
}

void ew_bench_limits_close(struct ew_bench_limits *l) {
    free(l->at);
    *l = (struct ew_bench_limits){0};
}

static const struct ew_machine_limits *beside(const struct ew_bench_limits *l, const char *trial_key) {
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->at[i].trial_key, trial_key) == 0) return &l->at[i].limits;
    return NULL;
}

/* ---- what a configuration asks for ---- */

struct asked {
    struct ew_work_request prompt, tokens;
    uint32_t n_batch;
};

static struct asked asked_of(const struct ew_config_record *c) {
    enum { DEFAULT_BATCH = 512 }; /* edgewise/session.h */
    enum ew_kv_type k = EW_KV_F16, v = EW_KV_F16;
    if (c->kv_type) ew_kv_by_name(c->kv_type, &k, &v);
    struct asked a = {.prompt = {.n_tokens = (uint32_t)c->prompt_tokens, .depth = (uint32_t)c->depth},
                      .tokens = {.n_tokens = (uint32_t)c->generate_tokens},
                      .n_batch = c->batch > 0 ? (uint32_t)c->batch : DEFAULT_BATCH};
    a.tokens.depth = a.prompt.depth + a.prompt.n_tokens;
    a.prompt.kv_k = a.tokens.kv_k = k;
    a.prompt.kv_v = a.tokens.kv_v = v;
    return a;
}

static void fill_work(const struct ew_model *model, const struct asked *a, struct ew_bench_share *out) {
    struct ew_work_request middle = a->tokens;
    middle.depth += middle.n_tokens / 2;
    middle.n_tokens = 1;
    out->prompt = ew_model_work_of(model, &a->prompt);
    out->token = ew_model_work_of(model, &middle);
}

enum { PREFILL, DECODE, READ, INT8, F32, COLUMNS };

struct columns {
    double *at[COLUMNS]; /* [runs] each, in one piece */
    size_t n;
};

static void add_run(const struct ew_machine_limits *l, const struct ew_model *model, const struct asked *a,
                    const struct ew_insight_run *run, struct columns *c) {
    double prefill = model ? ew_machine_limits_prefill_rate(l, model, &a->prompt, a->n_batch) : NAN;
    double decode = model ? ew_machine_limits_decode_rate(l, model, &a->tokens) : NAN;
    c->at[PREFILL][c->n] = run->value[EW_MEASURE_PREFILL] / prefill;
    c->at[DECODE][c->n] = run->value[EW_MEASURE_DECODE] / decode;
    c->at[READ][c->n] = l->read_bytes_per_s;
    c->at[INT8][c->n] = l->int8_ops_per_s;
    c->at[F32][c->n++] = l->f32_ops_per_s;
}

static double median(double *values, size_t n) {
    ew_stat_sort(values, n);
    return ew_stat_median_of_sorted(values, n);
}

static void fill_medians(struct columns *c, struct ew_bench_share *out) {
    out->prefill = median(c->at[PREFILL], c->n);
    out->decode = median(c->at[DECODE], c->n);
    out->read_bytes_per_s = median(c->at[READ], c->n);
    out->int8_ops_per_s = median(c->at[INT8], c->n);
    out->f32_ops_per_s = median(c->at[F32], c->n);
}

enum ew_status ew_bench_share_of(const struct ew_bench_limits *limits, const struct ew_insight *in, size_t config,
                                 struct ew_bench_share *out, struct ew_error *err) {
    const struct asked asked = asked_of(in->configs[config].record);
    struct ew_bench_share share = {.prompt = {NAN, NAN, NAN}, .token = {NAN, NAN, NAN}};
    struct ew_model *model = NULL;
    struct columns columns = {.n = 0};
    double *room = calloc(COLUMNS * in->n_runs + 1, sizeof *room);
    if (!room) return ew_error_set(err, EW_ERR_MEMORY, "bench: out of memory");
    for (size_t k = 0; k < COLUMNS; k++) columns.at[k] = room + k * in->n_runs;
    if (ew_model_open(in->configs[config].model->path, &model, NULL) == EW_OK) fill_work(model, &asked, &share);
    for (size_t i = 0; i < in->n_runs; i++) {
        const struct ew_insight_run *run = &in->runs[i];
        const struct ew_machine_limits *l = run->config == config ? beside(limits, run->trial->key) : NULL;
        if (l) add_run(l, model, &asked, run, &columns);
    }
    fill_medians(&columns, &share);
    if (model && ew_doctor_is_in_cache(limits->machine, ew_model_info(model).weights_bytes)) share.decode = NAN;
    ew_model_close(&model);
    free(room);
    *out = share;
    return EW_OK;
}
