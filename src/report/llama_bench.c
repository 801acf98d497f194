/* The figures of a study in the words of llama-bench, so that tools which read its output read ours: two tests per
 * configuration, "pp" (prefill) and "tg" (decode). Keys and columns follow llama-bench -o json, jsonl, csv and md, in
 * its order; what has no counterpart here (tensor split) or is not in the store is null rather than made up. */
#include "report/report.h"

#include "base/error.h"
#include "report/run_json.h"
#include "study/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct test {
    const struct ew_insight_config *config;
    bool prefill;
    int64_t tokens;
    double *per_s; /* [n], runs in the order of the study */
    size_t n;
    double mean, stddev;
    int64_t first_unix_ns;
};

static enum ew_status gather(const struct ew_report *report, size_t index, bool prefill, struct test *out,
                             struct ew_error *err) {
    const struct ew_insight *insight = report->insight;
    const struct ew_config_record *r = insight->configs[index].record;
    struct test t = {.config = &insight->configs[index],
                     .prefill = prefill,
                     .tokens = prefill ? r->prompt_tokens : r->generate_tokens,
                     .first_unix_ns = EW_MISSING};
    t.per_s = calloc(insight->n_runs + 1, sizeof *t.per_s);
    if (!t.per_s) return ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
    for (size_t i = 0; i < insight->n_runs; i++) {
        double value = insight->runs[i].value[prefill ? EW_MEASURE_PREFILL : EW_MEASURE_DECODE];
        if (insight->runs[i].config != index || !(value > 0)) continue;
        if (!t.n) t.first_unix_ns = insight->runs[i].trial->started_unix_ns;
        t.per_s[t.n++] = value;
    }
    struct ew_stat_summary summary = {0};
    enum ew_status status = t.n ? ew_stat_summarise(t.per_s, t.n, &summary, err) : EW_OK;
    if (status != EW_OK) {
        free(t.per_s);
        return status;
    }
    t.mean = summary.mean;
    t.stddev = t.n > 1 ? summary.stddev : 0;
    *out = t;
    return EW_OK;
}

/* "llama 1.24 B Q4_0": architecture, parameters, type. */
static void model_type(const struct ew_model_record *m, char out[160]) {
    double params = (double)m->n_params;
    bool billions = params >= 1e9;
    snprintf(out, 160, "%.60s %.2f %s %.40s", m->architecture ? m->architecture : "?", params / (billions ? 1e9 : 1e6),
             billions ? "B" : "M", m->file_type ? m->file_type : "?");
}

static json_t *test_json(const struct ew_report *report, const struct test *t) {
    const struct ew_config_record *r = t->config->record;
    const struct ew_model_record *m = t->config->model;
    const struct ew_stored_study *study = report->study;
    const struct ew_machine_record *machine = study->n_machines ? &study->machines[study->n_machines - 1] : NULL;
    const struct ew_invocation_record *v = study->n_invocations ? &study->invocations[study->n_invocations - 1] : NULL;
    double sum_ns = 0, sum_ns2 = 0, tokens = (double)t->tokens;
    json_t *ns = json_array(), *ts = json_array();
    for (size_t i = 0; i < t->n; i++) {
        double one = tokens / t->per_s[i] * 1e9;
        sum_ns += one;
        sum_ns2 += one * one;
        json_array_append_new(ns, json_integer((json_int_t)llround(one)));
        json_array_append_new(ts, json_real(t->per_s[i]));
    }
    double n = (double)t->n, mean_ns = sum_ns / n;
    double stddev_ns = t->n > 1 ? sqrt(fmax(sum_ns2 - n * mean_ns * mean_ns, 0) / (n - 1)) : 0;
    char type[160];
    model_type(m, type);
    json_t *batch = r->batch ? json_integer(r->batch) : json_null();
    const char *kv = r->engine && !r->kv_type ? NULL : r->kv_type ? r->kv_type : "f16"; /* "keys/values" or both */
    const char *values = kv ? strchr(kv, '/') : NULL;
    size_t n_keys = values ? (size_t)(values - kv) : kv ? strlen(kv) : 0;
    json_t *type_k = kv ? json_stringn(kv, n_keys) : json_null(), *type_v = ew_json_text(values ? values + 1 : kv);
    const char *engine = r->engine; /* what is known of ours is not of another engine */
    json_t *out = json_pack(
        "{s:o, s:i, s:o, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:s, s:b, s:n, s:o, s:o, s:o, s:n, "
        "s:n, s:n, s:n, s:n}",
        "build_commit", ew_json_text(v ? v->version : NULL), "build_number", 0, "cpu_info",
        ew_json_text(machine ? machine->name : NULL), "gpu_info", "", "backends", "CPU", "model_filename",
        ew_json_text(m->path), "model_type", type, "model_size", ew_json_integer(m->file_bytes), "model_n_params",
        ew_json_integer(m->n_params), "n_batch", batch, "n_ubatch", json_incref(batch), "n_threads",
        (json_int_t)(t->prefill ? r->prefill_threads : r->decode_threads), "cpu_mask", "0x0", "cpu_strict", 0, "poll",
        "type_k", type_k, "type_v", type_v, "n_gpu_layers", engine ? json_null() : json_integer(0), "n_cpu_moe",
        "split_mode", "main_gpu", "no_kv_offload", "flash_attn");
    json_t *more =
        json_pack("{s:n, s:n, s:n, s:o, s:n, s:b, s:n, s:n, s:I, s:I, s:I, s:o, s:I, s:I, s:f, s:f, s:o, s:o, s:b}",
                  "devices", "tensor_split", "tensor_buft_overrides", "use_mmap", engine ? json_null() : json_true(),
                  "use_direct_io", "embeddings", 0, "no_op_offload", "no_host", "n_prompt",
                  (json_int_t)(t->prefill ? t->tokens : 0), "n_gen", (json_int_t)(t->prefill ? 0 : t->tokens),
                  "n_depth", (json_int_t)r->depth, "test_time", ew_json_time(t->first_unix_ns), "avg_ns",
                  (json_int_t)llround(mean_ns), "stddev_ns", (json_int_t)llround(stddev_ns), "avg_ts", t->mean,
                  "stddev_ts", t->stddev, "samples_ns", ns, "samples_ts", ts, "synthetic", m->synthetic);
    if (out && more) json_object_update(out, more);
    json_decref(more);
    return out;
}

/* Of that object what is no list, as llama-bench -o csv: every value in quotes, truths as 0 and 1. */
static void csv_row(const json_t *object, bool head, FILE *out) {
    const char *key, *c;
    json_t *value;
    bool first = true;
    json_object_foreach((json_t *)object, key, value) {
        if (json_is_array(value)) continue;
        if (!first) fputc(',', out);
        first = false;
        if (head) {
            fputs(key, out);
            continue;
        }
        fputc('"', out);
        if (json_is_string(value))
            for (c = json_string_value(value); *c; c++) fprintf(out, *c == '"' ? "\"%c" : "%c", *c);
        else if (json_is_integer(value))
            fprintf(out, "%lld", (long long)json_integer_value(value));
        else if (json_is_real(value))
            fprintf(out, "%f", json_real_value(value));
        else if (json_is_boolean(value))
            fputc(json_is_true(value) ? '1' : '0', out);
        fputc('"', out);
    }
    fputc('\n', out);
}

static void markdown_row(const struct test *t, FILE *out) {
    const struct ew_config_record *r = t->config->record;
    const struct ew_model_record *m = t->config->model;
    char type[160], depth[32] = "";
    model_type(m, type);
    for (char *c = type; *c; c++) *c = *c == '|' ? '/' : *c;
    if (r->depth > 0) snprintf(depth, sizeof depth, " @ d%lld", (long long)r->depth);
    bool large = m->n_params >= 1000000000, big = m->file_bytes >= 1 << 30;
    fprintf(out, "| %s%s | %.2f %s | %.2f %s | CPU | %lld | %s%lld%s | %.2f ± %.2f |\n", type,
            m->synthetic ? " (synthetic)" : "", (double)m->file_bytes / (big ? 1073741824.0 : 1048576.0),
            big ? "GiB" : "MiB", (double)m->n_params / (large ? 1e9 : 1e6), large ? "B" : "M",
            (long long)(t->prefill ? r->prefill_threads : r->decode_threads), t->prefill ? "pp" : "tg",
            (long long)t->tokens, depth, t->mean, t->stddev);
}

static enum ew_status each_test(const struct ew_report *report, void (*put)(void *, const struct test *), void *context,
                                struct ew_error *err) {
    for (size_t i = 0; i < report->insight->n_configs; i++)
        for (int decode = 0; decode < 2; decode++) {
            struct test t;
            enum ew_status status = gather(report, i, !decode, &t, err);
            if (status != EW_OK) return status;
            if (t.n) put(context, &t);
            free(t.per_s);
        }
    return EW_OK;
}

struct writer {
    const struct ew_report *report;
    FILE *out;
    bool any;
};

static void put_json(void *context, const struct test *t) {
    struct writer *w = context;
    json_t *object = test_json(w->report, t);
    fputs(w->any ? ",\n  " : "\n  ", w->out);
    if (object) json_dumpf(object, w->out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    w->any = true;
}

static void put_line(void *context, const struct test *t) {
    struct writer *w = context;
    json_t *object = test_json(w->report, t);
    if (object) json_dumpf(object, w->out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', w->out);
    json_decref(object);
}

static void put_csv(void *context, const struct test *t) {
    struct writer *w = context;
    json_t *object = test_json(w->report, t);
    if (object && !w->any) csv_row(object, true, w->out);
    if (object) csv_row(object, false, w->out);
    json_decref(object);
    w->any = true;
}

static void put_row(void *context, const struct test *t) { markdown_row(t, ((struct writer *)context)->out); }

static enum ew_status finish(FILE *out, enum ew_status status, struct ew_error *err) {
    if (status == EW_OK && (fflush(out) != 0 || ferror(out)))
        return ew_error_set(err, EW_ERR_IO, "report: cannot be written");
    return status;
}

enum ew_status ew_report_write_llama_bench(const struct ew_report *report, FILE *out, struct ew_error *err) {
    struct writer w = {.report = report, .out = out};
    fputc('[', out);
    enum ew_status status = each_test(report, put_json, &w, err);
    fputs("\n]\n", out);
    return finish(out, status, err);
}

enum ew_status ew_report_write_llama_bench_lines(const struct ew_report *report, FILE *out, struct ew_error *err) {
    struct writer w = {.report = report, .out = out};
    return finish(out, each_test(report, put_line, &w, err), err);
}

enum ew_status ew_report_write_llama_bench_table(const struct ew_report *report, FILE *out, struct ew_error *err) {
    struct writer w = {.report = report, .out = out};
    fputs("| model | size | params | backend | threads | test | t/s |\n"
          "| --- | ---: | ---: | --- | ---: | ---: | ---: |\n",
          out);
    return finish(out, each_test(report, put_row, &w, err), err);
}

enum ew_status ew_report_write_llama_bench_csv(const struct ew_report *report, FILE *out, struct ew_error *err) {
    struct writer w = {.report = report, .out = out};
    return finish(out, each_test(report, put_csv, &w, err), err);
}
