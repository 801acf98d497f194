/* Owns holding bench's speeds against the machine's limits: a roofline per run, from what was measured beside it. The
 * arithmetic of models is engine/machine_limits.h's. */
#include "cli/bench_share.h"

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

static double median(double *values, size_t n) {
    ew_stat_sort(values, n);
    return ew_stat_median_of_sorted(values, n);
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

struct values {
    double *prefill, *decode, *read, *int8, *f32; /* [runs] */
    size_t n;
};

static void add_run(const struct ew_machine_limits *l, const struct ew_model *model, const struct asked *a,
                    const struct ew_insight_run *run, struct values *v) {
    v->prefill[v->n] = run->value[EW_MEASURE_PREFILL] /
                       (model ? ew_machine_limits_prefill_rate(l, model, &a->prompt, a->n_batch) : NAN);
    v->decode[v->n] =
        run->value[EW_MEASURE_DECODE] / (model ? ew_machine_limits_decode_rate(l, model, &a->tokens) : NAN);
    v->read[v->n] = l->read_bytes_per_s;
    v->int8[v->n] = l->int8_ops_per_s;
    v->f32[v->n++] = l->f32_ops_per_s;
}

struct ew_bench_share ew_bench_share_of(const struct ew_bench_limits *limits, const struct ew_insight *in,
                                        size_t config) {
    const struct ew_insight_config *c = &in->configs[config];
    const struct asked asked = asked_of(c->record);
    struct ew_bench_share share = {.prompt = {NAN, NAN, NAN}, .token = {NAN, NAN, NAN}};
    struct ew_model *model = NULL;
    double *room = calloc(5 * in->n_runs + 1, sizeof *room);
    struct values v = {.n = 0};
    if (room && ew_model_open(c->model->path, &model, NULL) == EW_OK) fill_work(model, &asked, &share);
    if (room)
        v = (struct values){
            room, room + in->n_runs, room + 2 * in->n_runs, room + 3 * in->n_runs, room + 4 * in->n_runs, 0};
    for (size_t i = 0; room && i < in->n_runs; i++) {
        const struct ew_insight_run *run = &in->runs[i];
        const struct ew_machine_limits *l = run->config == config ? beside(limits, run->trial->key) : NULL;
        if (l) add_run(l, model, &asked, run, &v);
    }
    share.prefill = median(v.prefill, v.n);
    share.decode = median(v.decode, v.n);
    share.read_bytes_per_s = median(v.read, v.n);
    share.int8_ops_per_s = median(v.int8, v.n);
    share.f32_ops_per_s = median(v.f32, v.n);
    if (model && ew_doctor_is_in_cache(limits->machine, ew_model_info(model).weights_bytes)) share.decode = NAN;
    ew_model_close(&model);
    free(room);
    return share;
}
