/* CSV of configurations and JSON lines of runs, for spreadsheets and scripts. Keys: docs/report.md. */
#include "report/report.h"

#include "base/error.h"
#include "insight/rating.h"
#include "report/run_json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A cell that begins like a formula is kept from being one; quotes are doubled. */
static void put_text(FILE *out, const char *text) {
    if (!text) return;
    fputc('"', out);
    if (*text && strchr("=+-@\t\r", *text)) fputc('\'', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_number(FILE *out, double value) {
    if (isfinite(value)) fprintf(out, "%.9g", value);
}

static void put_head(FILE *out) {
    fputs(
        "model,synthetic,type,parameters,file_size_bytes,prefill_threads,decode_threads,prompt_tokens,generate_tokens,"
        "depth,context,layout,runs_ok,runs_failed,runs_left",
        out);
    for (int m = 0; m < EW_MEASURES; m++) {
        const char *key = ew_measure_info((enum ew_measure)m)->key;
        fprintf(out, ",%s,%s_low,%s_high,%s_n", key, key, key, key);
    }
    fputs(",predicted_memory_bytes,memory_error_percent,energy_grade,on_front,on_front_of_model", out);
    for (int u = 0; u < EW_USE_CLASSES; u++) fprintf(out, ",%s", ew_use_threshold((enum ew_use_class)u)->key);
    fputs(",flags,quality,quality_low,quality_high,quality_basis,quality_per_joule,quality_per_gb\r\n", out);
}

static void put_integer(FILE *out, int64_t value) {
    fputc(',', out);
    if (value != EW_MISSING) fprintf(out, "%lld", (long long)value);
}

/* One number per configuration; every figure with its data and settings is in --json. */
static void put_quality(FILE *out, const struct ew_insight_config *c, const char *basis) {
    const double figures[] = {c->quality, c->quality_low, c->quality_high};
    for (int i = 0; i < 3; i++) {
        fputc(',', out);
        put_number(out, figures[i]);
    }
    fprintf(out, ",%s,", isfinite(c->quality) && basis ? basis : "");
    put_number(out, ew_rating_per_joule(c));
    fputc(',', out);
    put_number(out, ew_rating_per_gb(c));
    fputs("\r\n", out);
}

static void put_row(FILE *out, const struct ew_insight_config *c, const char *basis) {
    const struct ew_config_record *r = c->record;
    put_text(out, c->name);
    fputs(c->model->synthetic ? ",yes," : ",no,", out);
    put_text(out, c->model->file_type);
    put_integer(out, c->model->n_params);
    put_integer(out, c->model->file_bytes);
    put_integer(out, r->prefill_threads);
    put_integer(out, r->decode_threads);
    put_integer(out, r->prompt_tokens);
    put_integer(out, r->generate_tokens);
    put_integer(out, r->depth);
    put_integer(out, r->context);
    fputc(',', out);
    put_text(out, r->layout);
    fprintf(out, ",%zu,%zu,%zu", c->n_ok, c->n_failed, c->n_left);
    for (int m = 0; m < EW_MEASURES; m++) {
        const struct ew_figure *f = &c->figure[m];
        const double parts[3] = {f->value, f->low, f->high};
        for (int i = 0; i < 3; i++) {
            fputc(',', out);
            put_number(out, f->n ? parts[i] : NAN);
        }
        fprintf(out, ",%zu", f->n);
    }
    put_integer(out, c->ledger.present ? c->ledger.total : EW_MISSING);
    fputc(',', out);
    put_number(out, c->memory_error_percent);
    fprintf(out, ",%s,%s,%s", ew_trust_grade_name(c->grade), c->front ? "yes" : "no", c->front_of_model ? "yes" : "no");
    for (int u = 0; u < EW_USE_CLASSES; u++) fprintf(out, ",%s", c->use[u] < 0 ? "" : c->use[u] ? "yes" : "no");
    fputs(",\"", out);
    for (size_t i = 0; i < c->n_flags; i++)
        fprintf(out, "%s%s of %s", i ? "; " : "", ew_flag_key(c->flags[i].kind),
                ew_measure_info(c->flags[i].measure)->key);
    fputc('"', out);
    put_quality(out, c, basis);
}

static enum ew_status finished(FILE *out, struct ew_error *err) {
    if (fflush(out) != 0 || ferror(out)) return ew_error_set(err, EW_ERR_IO, "report: cannot be written");
    return EW_OK;
}

enum ew_status ew_report_write_csv(const struct ew_report *report, FILE *out, struct ew_error *err) {
    put_head(out);
    const char *basis = ew_rating_key(report->insight->rating.basis);
    for (size_t i = 0; i < report->insight->n_configs; i++) put_row(out, &report->insight->configs[i], basis);
    return finished(out, err);
}

enum ew_status ew_report_write_jsonl(const struct ew_report *report, FILE *out, struct ew_error *err) {
    for (size_t i = 0; i < report->insight->n_runs; i++) {
        json_t *run = ew_run_json(report->insight, i);
        int failed = run ? json_dumpf(run, out, JSON_COMPACT | JSON_REAL_PRECISION(9)) : -1;
        json_decref(run);
        if (failed && !ferror(out)) return ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
        fputc('\n', out);
    }
    return finished(out, err);
}
