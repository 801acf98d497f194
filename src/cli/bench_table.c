/* Owns bench's output. Every figure comes from src/insight; docs/bench.md explains the columns and members. */
#include "cli/bench_table.h"
#include "base/error.h"
#include "insight/stored_energy.h"
#include "insight/words.h"
#include "report/text_table.h"
#include "study/study_value.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void ew_bench_result_close(struct ew_bench_result *r) {
    ew_insight_close(&r->insight);
    free(r->energies);
    free(r->shares);
    ew_store_free_study(&r->study);
    *r = (struct ew_bench_result){0};
}

enum ew_status ew_bench_result_read(struct ew_store *store, int64_t study_id, struct ew_bench_result *out,
                                    struct ew_error *err) {
    struct ew_bench_result r = {0};
    enum ew_status status = ew_store_read_study(store, study_id, &r.study, err);
    if (status == EW_OK) {
        r.energies = calloc(r.study->n_trials + 1, sizeof *r.energies);
        if (!r.energies) status = ew_error_set(err, EW_ERR_MEMORY, "bench: out of memory");
    }
    if (status == EW_OK) status = ew_stored_energy_read(store, r.study, r.energies, err);
    if (status == EW_OK) status = ew_insight_build(r.study, r.energies, &r.insight, err);
    if (status != EW_OK) {
        ew_bench_result_close(&r);
        return status;
    }
    *out = r;
    return EW_OK;
}

enum ew_status ew_bench_result_hold(struct ew_bench_result *r, const struct ew_bench_limits *limits,
                                    struct ew_error *err) {
    r->shares = calloc(r->insight->n_configs + 1, sizeof *r->shares);
    if (!r->shares) return ew_error_set(err, EW_ERR_MEMORY, "bench: out of memory");
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < r->insight->n_configs; i++)
        status = ew_bench_share_of(limits, r->insight, i, &r->shares[i], err);
    return status;
}

/* ---- JSON ---- */

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }
static json_t *whole(int64_t value) { return value == EW_MISSING ? json_null() : json_integer(value); }

static json_t *figure_json(const struct ew_figure *f) {
    return json_pack("{s:o, s:o, s:o, s:I, s:b}", "median", number(f->value), "low", number(f->low), "high",
                     number(f->high), "n", (json_int_t)f->n, "is_range", f->is_range);
}

static json_t *run_json(const struct ew_insight_run *run) {
    const struct ew_trial_record *t = run->trial;
    json_t *stamps = json_array(), *values = json_object();
    for (size_t i = 0; i < t->n_stamps; i++) json_array_append_new(stamps, json_integer(t->stamps_ns[i]));
    for (int m = 0; m < EW_MEASURES; m++)
        json_object_set_new(values, ew_measure_info((enum ew_measure)m)->key, number(run->value[m]));
    return json_pack("{s:I, s:s, s:s*, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "run", (json_int_t)t->repeat, "status",
                     ew_trial_status_name(t->status), "reason", t->reason, "figures", values, "peak_rss_bytes",
                     whole(t->peak_rss_bytes), "peak_pss_bytes", whole(t->peak_pss_bytes), "user_cpu_ns",
                     whole(t->user_cpu_ns), "system_cpu_ns", whole(t->system_cpu_ns), "major_faults",
                     whole(t->major_faults), "token_stamps_ns", stamps);
}

static json_t *ledger_json(const struct ew_ledger_record *l) {
    if (!l->present) return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "weights_mapped_bytes", whole(l->weights_mapped),
                     "weights_packed_bytes", whole(l->weights_packed), "kv_cache_bytes", whole(l->kv_cache),
                     "activations_bytes", whole(l->activations), "scratch_bytes", whole(l->scratch), "tokenizer_bytes",
                     whole(l->tokenizer), "runtime_bytes", whole(l->runtime), "total_bytes", whole(l->total));
}

static json_t *work_json(const struct ew_model_work *w) {
    return json_pack("{s:o, s:o, s:o}", "bytes", number(w->bytes), "int8_ops", number(w->int8_ops), "float_ops",
                     number(w->float_ops));
}

static void add_share(json_t *object, const struct ew_bench_share *s) {
    json_object_set_new(object, "limits",
                        json_pack("{s:o, s:o, s:o}", "read_bytes_per_s", number(s->read_bytes_per_s), "int8_ops_per_s",
                                  number(s->int8_ops_per_s), "f32_ops_per_s", number(s->f32_ops_per_s)));
    json_object_set_new(object, "work",
                        json_pack("{s:o, s:o}", "prompt", work_json(&s->prompt), "token", work_json(&s->token)));
    json_object_set_new(object, "of_limit",
                        json_pack("{s:o, s:o}", "prefill", number(s->prefill), "decode", number(s->decode)));
}

static json_t *config_json(const struct ew_bench_result *r, size_t index) {
    const struct ew_insight_config *c = &r->insight->configs[index];
    json_t *runs = json_array(), *figures = json_object();
    for (size_t i = 0; i < r->insight->n_runs; i++)
        if (r->insight->runs[i].config == index && r->insight->runs[i].trial->status > EW_TRIAL_RUNNING)
            json_array_append_new(runs, run_json(&r->insight->runs[i]));
    for (int m = 0; m < EW_MEASURES; m++)
        json_object_set_new(figures, ew_measure_info((enum ew_measure)m)->key, figure_json(&c->figure[m]));
    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:s, s:s*, s:o, s:o, s:s, s:s*, s:o}",
                     "model", c->model->name, "path", c->model->path, "type", c->model->file_type, "synthetic",
                     c->model->synthetic, "weights_bytes", whole(c->model->weights_bytes), "parameters",
                     whole(c->model->n_params), "prefill_threads", (json_int_t)c->record->prefill_threads,
                     "decode_threads", (json_int_t)c->record->decode_threads, "prompt_tokens",
                     (json_int_t)c->record->prompt_tokens, "generate_tokens", (json_int_t)c->record->generate_tokens,
                     "depth", (json_int_t)c->record->depth, "layout", c->record->layout, "kernels", c->kernels,
                     "ledger", ledger_json(&c->ledger), "figures", figures, "grade", ew_trust_grade_name(c->grade),
                     "energy_none", r->insight->energy_none, "runs", runs);
}

static enum ew_status print_json(const struct ew_bench_result *r, FILE *out, struct ew_error *err) {
    for (size_t i = 0; i < r->insight->n_configs; i++) {
        json_t *object = config_json(r, i);
        if (!object) return ew_error_set(err, EW_ERR_MEMORY, "bench: out of memory");
        if (r->shares) add_share(object, &r->shares[i]);
        json_dumpf(object, out, JSON_COMPACT);
        fputc('\n', out);
        json_decref(object);
    }
    return EW_OK;
}

/* ---- table ---- */

static struct ew_text_style style_of(FILE *out) {
    struct ew_text_style style = {0};
    struct winsize size;
    if (!isatty(fileno(out))) return style;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0) style.width = size.ws_col;
    const char *no_colour = getenv("NO_COLOR");
    style.colour = !no_colour || !*no_colour;
    return style;
}

static void print_head(const struct ew_bench_result *r, FILE *out) {
    const struct ew_stored_study *s = r->study;
    if (s->n_machines > 0) {
        const struct ew_machine_record *m = &s->machines[s->n_machines - 1];
        fprintf(out, "machine  %s, %lld core%s · %s", m->name, (long long)m->n_cores, m->n_cores == 1 ? "" : "s",
                m->cpu_features);
        if (m->memory_bytes != EW_MISSING) fprintf(out, " · %.1f GiB", (double)m->memory_bytes / 1073741824.0);
        fputc('\n', out);
    }
    if (r->insight->n_configs > 0 && r->insight->configs[0].record->cores)
        fprintf(out, "cores    %s\n", r->insight->configs[0].record->cores);
    if (r->insight->has_energy) {
        for (size_t i = 0; i < s->n_meters; i++) {
            if (!s->meters[i].used || strcmp(s->meters[i].quantity, "energy") != 0) continue;
            if (strcmp(s->meters[i].name, "assumed") == 0)
                fprintf(out, "energy   assumed watts, not measured\n");
            else
                fprintf(out, "energy   %s, boundary: %s\n", s->meters[i].name, s->meters[i].boundary);
        }
    } else {
        const char *why = r->insight->energy_none ? r->insight->energy_none : "no run gave joules";
        bool unwanted = strncmp(why, "not asked for", 13) == 0;
        fprintf(out, "energy   none — %s%s\n", why, unwanted ? "" : "  (edgewise doctor says what to do)");
    }
    fputc('\n', out);
}

static void add_figure(struct ew_text_table *table, const struct ew_insight_config *c, enum ew_measure measure,
                       double scale) {
    char value[EW_NUMBER_SIZE], spread[EW_NUMBER_SIZE];
    ew_words_figure(&c->figure[measure], scale, value, spread);
    ew_text_table_add(table, value, *spread ? spread : NULL);
}

static void add_value(struct ew_text_table *table, const struct ew_insight_config *c, enum ew_measure measure,
                      double scale) {
    char value[EW_NUMBER_SIZE];
    ew_words_number(value, c->figure[measure].value * scale, -1);
    ew_text_table_add(table, value, NULL);
}

static void add_percent(struct ew_text_table *table, double share) {
    char value[EW_NUMBER_SIZE];
    ew_words_number(value, 100 * share, 0);
    ew_text_table_add(table, value, NULL);
}

static void add_memory(struct ew_text_table *table, const struct ew_insight_config *c) {
    char value[EW_NUMBER_SIZE], said[EW_NUMBER_SIZE], tail[EW_NUMBER_SIZE + 16];
    ew_words_number(value, c->figure[EW_MEASURE_PEAK_MEMORY].value / 1048576.0, 0);
    ew_words_number(said, (double)c->ledger.total / 1048576.0, 0);
    snprintf(tail, sizeof tail, "(said %s)", said);
    ew_text_table_add(table, value, c->ledger.present ? tail : NULL);
}

static void add_row(struct ew_text_table *table, const struct ew_bench_result *r, const struct ew_study_file *study,
                    size_t index) {
    const struct ew_insight_config *c = &r->insight->configs[index];
    char text[300], threads[48];
    snprintf(text, sizeof text, "%.200s%s", c->model->name, c->model->synthetic ? " ¹" : "");
    ew_text_table_add(table, text, NULL);
    ew_text_table_add(table, c->model->file_type, NULL);
    snprintf(threads, sizeof threads, "%lld/%lld", (long long)c->record->prefill_threads,
             (long long)c->record->decode_threads);
    ew_text_table_add(table, threads, NULL);
    if (study->depth.n > 1 || study->depth.value[0] > 0) {
        snprintf(text, sizeof text, "%lld", (long long)c->record->depth);
        ew_text_table_add(table, text, NULL);
    }
    if (study->layout.n > 1) ew_text_table_add(table, c->record->layout, NULL);
    if (study->spin.n > 1) {
        int64_t us = c->record->spin_us;
        snprintf(text, sizeof text, "%lld", (long long)(us > 0 ? us : us < 0 ? 0 : EW_STUDY_SPIN_US));
        ew_text_table_add(table, text, NULL);
    }
    add_value(table, c, EW_MEASURE_LOAD, 1);
    add_value(table, c, EW_MEASURE_TTFT, 1);
    add_figure(table, c, EW_MEASURE_PREFILL, 1);
    if (r->shares) add_percent(table, r->shares[index].prefill);
    add_figure(table, c, EW_MEASURE_DECODE, 1);
    if (r->shares) add_percent(table, r->shares[index].decode);
    add_memory(table, c);
    if (!r->insight->has_energy) return;
    add_figure(table, c, EW_MEASURE_DECODE_ENERGY, 1);
    ew_text_table_add(table, ew_trust_grade_name(c->grade), NULL);
}

static struct ew_text_table *make_table(const struct ew_bench_result *r, const struct ew_study_file *study,
                                        char heads[2][48]) {
    const struct ew_text_column of_limit = {"of limit", "%", true, false};
    snprintf(heads[0], 48, "prefill %lld", (long long)study->prompt_tokens.value[0]);
    snprintf(heads[1], 48, "decode %lld", (long long)study->generate_tokens.value[0]);
    struct ew_text_column columns[16] = {
        {"model", NULL, false, true}, {"type", NULL, false, true}, {"threads", "pre/dec", true, true}};
    size_t n = 3;
    if (study->depth.n > 1 || study->depth.value[0] > 0)
        columns[n++] = (struct ew_text_column){"depth", "tokens", true, true};
    if (study->layout.n > 1) columns[n++] = (struct ew_text_column){"weights", NULL, false, true};
    if (study->spin.n > 1) columns[n++] = (struct ew_text_column){"spin", "µs", true, true};
    columns[n++] = (struct ew_text_column){"load", "s", true, false};
    columns[n++] = (struct ew_text_column){"TTFT", "s", true, false};
    columns[n++] = (struct ew_text_column){heads[0], "tok/s", true, false};
    if (r->shares) columns[n++] = of_limit;
    columns[n++] = (struct ew_text_column){heads[1], "tok/s", true, false};
    if (r->shares) columns[n++] = of_limit;
    columns[n++] = (struct ew_text_column){"peak memory", "MiB", true, false};
    if (r->insight->has_energy) {
        columns[n++] = (struct ew_text_column){"energy", "J/token", true, false};
        columns[n++] = (struct ew_text_column){"grade", NULL, false, false};
    }
    struct ew_text_table *table = ew_text_table_open(columns, n);
    for (size_t i = 0; table && i < r->insight->n_configs; i++) add_row(table, r, study, i);
    return table;
}

/* Time of all runs, from stamps. */
static double seconds_of(const struct ew_stored_study *s) {
    double sum = 0;
    for (size_t i = 0; i < s->n_trials; i++)
        if (s->trials[i].status > EW_TRIAL_RUNNING) sum += (double)(s->trials[i].end_ns - s->trials[i].begin_ns) * 1e-9;
    return sum;
}

static void print_notes(const struct ew_bench_result *r, const struct ew_study_file *study, FILE *out) {
    const struct ew_insight *in = r->insight;
    char time[32];
    bool synthetic = false, range = false;
    for (size_t i = 0; i < in->n_configs; i++) {
        synthetic = synthetic || in->configs[i].model->synthetic;
        range = range || in->configs[i].figure[EW_MEASURE_DECODE].is_range;
    }
    ew_value_print_duration(seconds_of(r->study), time, sizeof time);
    fprintf(out, "\n%lld run%s each, %s. Medians, ± the larger half of %s.", (long long)study->repeats_max,
            study->repeats_max == 1 ? "" : "s", time,
            range ? "the whole range (too few runs for an interval)" : "the 95 % interval");
    fputs(" Memory: peak resident set, and what was said before loading.\n", out);
    if (r->shares && in->n_configs > 0) {
        const struct ew_bench_share *s = &r->shares[0];
        fprintf(out, "limit    beside the runs: reading %.1f GB/s, 8-bit %.0f Gop/s, float %.0f Gop/s\n",
                s->read_bytes_per_s * 1e-9, s->int8_ops_per_s * 1e-9, s->f32_ops_per_s * 1e-9);
    }
    if (synthetic) fputs("¹ synthetic weights: speed and memory are real, the text is not.\n", out);
    for (size_t i = 0; i < in->n_configs; i++)
        if (in->configs[i].kernels &&
            (i == 0 || !in->configs[i - 1].kernels || strcmp(in->configs[i].kernels, in->configs[i - 1].kernels) != 0))
            fprintf(out, "kernels  %s: %s\n", in->configs[i].model->file_type, in->configs[i].kernels);
    for (size_t i = 0; i < in->n_runs; i++) {
        const struct ew_trial_record *t = in->runs[i].trial;
        if (ew_insight_failed(t->status))
            fprintf(out, "%s: %s: %s\n", in->configs[in->runs[i].config].label, ew_trial_status_name(t->status),
                    t->reason);
    }
}

enum ew_status ew_bench_print(const struct ew_bench_result *r, const struct ew_study_drive *drive, bool json, FILE *out,
                              struct ew_error *err) {
    if (json) return print_json(r, out, err);
    char heads[2][48];
    struct ew_text_style style = style_of(out);
    struct ew_text_table *table = make_table(r, drive->study, heads);
    print_head(r, out);
    bool printed = table && ew_text_table_print(table, out, &style);
    ew_text_table_close(&table);
    if (!printed) return ew_error_set(err, EW_ERR_MEMORY, "bench: out of memory");
    print_notes(r, drive->study, out);
    return EW_OK;
}
