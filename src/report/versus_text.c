/* Two stores against each other on the terminal, in Markdown and as CSV: counts in words first, then one row per
 * configuration and figure. */
#include "report/report.h"

#include "base/error.h"
#include "insight/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATIO_NOTE                                                                                                     \
    "Ratio: median after ÷ median before, with its 95 % interval. Effect: Cliff's delta, the share of pairs of runs " \
    "in which after is higher less the share in which it is lower. Verdicts on two stores are adjusted for the "       \
    "number of "                                                                                                       \
    "configurations; \"not known\" is not \"no difference\"."

enum { INDENT = 16 };

/* The rows of the table; JSON and CSV have every figure. */
static const enum ew_measure shown[] = {EW_MEASURE_LOAD,         EW_MEASURE_TTFT,        EW_MEASURE_PREFILL,
                                        EW_MEASURE_DECODE,       EW_MEASURE_PEAK_MEMORY, EW_MEASURE_PREFILL_ENERGY,
                                        EW_MEASURE_DECODE_ENERGY};
enum { SHOWN = sizeof shown / sizeof *shown };

static size_t compared(const struct ew_versus *v, enum ew_measure measure) {
    size_t n = 0;
    for (int i = 0; i < EW_VERSUS_VERDICTS; i++) n += v->count[measure][i];
    return n;
}

static void print_ratio(char out[EW_NUMBER_SIZE], double ratio) { ew_words_number(out, ratio, ratio < 10 ? 3 : 1); }

/* "decode: better in 3 of 6, no difference in 2, not known in 1; the middle ratio is 1.04". */
static void say_figure(const struct ew_versus *v, enum ew_measure measure, char *out, size_t size) {
    static const enum ew_versus_verdict order[] = {EW_VERSUS_BETTER, EW_VERSUS_WORSE, EW_VERSUS_SAME,
                                                   EW_VERSUS_UNKNOWN};
    char ratio[EW_NUMBER_SIZE];
    size_t n = 0, all = compared(v, measure);
    for (int i = 0; i < EW_VERSUS_VERDICTS && n < size; i++) {
        size_t count = v->count[measure][order[i]];
        if (!count) continue;
        n += (size_t)snprintf(out + n, size - n, "%s%s in %zu", n ? ", " : "", ew_versus_verdict_name(order[i]), count);
    }
    print_ratio(ratio, v->middle[measure]);
    if (n < size) snprintf(out + n, size - n, " of %zu; ratio in the middle %s", all, ratio);
}

static struct ew_text_table *make_table(const struct ew_versus *v) {
    static const struct ew_text_column columns[] = {
        {"configuration", NULL, false, true}, {"figure", NULL, false, true},  {"before", NULL, true, false},
        {"after", NULL, true, false},         {"ratio", NULL, true, false},   {"95 %", "of the ratio", true, false},
        {"effect", "delta", true, false},     {"verdict", NULL, false, false}};
    struct ew_text_table *table = ew_text_table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; table && i < v->n_pairs; i++)
        for (int k = 0; k < SHOWN; k++) {
            const struct ew_versus_pair *pair = &v->pairs[i];
            const struct ew_versus_figure *f = &pair->figure[shown[k]];
            const struct ew_measure_info *info = ew_measure_info(shown[k]);
            char text[256], low[EW_NUMBER_SIZE], high[EW_NUMBER_SIZE], spread[EW_NUMBER_SIZE], value[EW_NUMBER_SIZE];
            if (!f->n_a || !f->n_b) continue;
            if (v->a == v->b)
                snprintf(text, sizeof text, "second against first");
            else
                snprintf(text, sizeof text, "%.200s%s", pair->a->label, pair->alike ? " ~" : "");
            ew_text_table_add(table, text, NULL);
            snprintf(text, sizeof text, "%s, %s", info->head, info->unit ? info->unit : "");
            ew_text_table_add(table, text, NULL);
            ew_words_figure(&pair->a->figure[shown[k]], info->scale, value, spread);
            ew_text_table_add(table, value, spread);
            ew_words_figure(&pair->b->figure[shown[k]], info->scale, value, spread);
            ew_text_table_add(table, value, spread);
            print_ratio(value, f->ratio);
            ew_text_table_add(table, value, NULL);
            print_ratio(low, f->low);
            print_ratio(high, f->high);
            snprintf(text, sizeof text, "%s to %s", low, high);
            ew_text_table_add(table, isfinite(f->low) ? text : "–", NULL);
            ew_words_number(value, f->cliff_delta, 2);
            ew_text_table_add(table, value, NULL);
            ew_text_table_add(table, ew_versus_verdict_name(f->verdict), NULL);
        }
    return table;
}

/* ---- words ---- */

typedef void (*put_line)(FILE *out, const void *how, const char *head, const char *text);

static void say_side(const struct ew_report *report, FILE *out, const void *how, const char *head, put_line put) {
    const struct ew_stored_study *study = report->study;
    const struct ew_machine_record *m = study->n_machines ? &study->machines[study->n_machines - 1] : NULL;
    const struct ew_invocation_record *v = study->n_invocations ? &study->invocations[study->n_invocations - 1] : NULL;
    char text[768];
    snprintf(text, sizeof text, "%.200s · %.200s · %.150s · Edgewise %.40s · %zu of %zu runs",
             ew_store_path(report->store), study->study.name ? study->study.name : "–",
             m && m->name ? m->name : "unknown machine", v && v->version ? v->version : "–", report->insight->n_ok,
             report->insight->n_runs);
    put(out, how, head, text);
}

static void say_only(FILE *out, const void *how, put_line put, const char *where,
                     const struct ew_insight_config *const *configs, size_t n) {
    char text[768] = "";
    size_t used = 0;
    if (!n) return;
    for (size_t i = 0; i < n && i < 6; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.100s", i ? "; " : "", configs[i]->label);
    if (n > 6) snprintf(text + used, sizeof text - used, "; and %zu more", n - 6);
    put(out, how, where, text);
}

static void say_all(const struct ew_report *report, FILE *out, const void *how, put_line put) {
    const struct ew_versus *v = report->versus;
    char text[512], margin[32];
    snprintf(margin, sizeof margin, "%g", 100 * v->margin);
    if (v->a == v->b) {
        put(out, how, "first, before", v->pairs[0].a->label);
        put(out, how, "second, after", v->pairs[0].b->label);
        snprintf(text, sizeof text, "up to %s %% either way count as no difference", margin);
        put(out, how, "margin", text);
        return;
    }
    say_side(report, out, how, "before", put);
    say_side(report->against, out, how, "after", put);
    snprintf(text, sizeof text, "%zu configuration%s in both; up to %s %% either way counts as no difference",
             v->n_pairs, v->n_pairs == 1 ? "" : "s", margin);
    put(out, how, "matched", text);
    for (int k = 0; k < SHOWN; k++) {
        if (!compared(v, shown[k])) continue;
        say_figure(v, shown[k], text, sizeof text);
        put(out, how, ew_measure_info(shown[k])->head, text);
    }
    say_only(out, how, put, "! only before", v->only_a, v->n_only_a);
    say_only(out, how, put, "! only after", v->only_b, v->n_only_b);
    for (size_t i = 0; i < v->n_pairs; i++)
        if (v->pairs[i].alike) {
            put(out, how, "! ~", "Not the same to the last setting: JSON and the page say what differs.");
            break;
        }
}

static void put_paragraph(FILE *out, const void *how, const char *head, const char *text) {
    ew_text_paragraph(out, how, INDENT, head, text);
}

static void put_item(FILE *out, const void *how, const char *head, const char *text) {
    (void)how;
    char *clean = ew_text_clean(text);
    fprintf(out, "- **%s:** ", head);
    for (const char *c = clean; c && *c; c++) {
        if (*c == '<')
            fputs("&lt;", out);
        else
            fprintf(out, strchr("\\`*[]", *c) ? "\\%c" : "%c", *c);
    }
    fputc('\n', out);
    free(clean);
}

static enum ew_status finished(FILE *out, bool ok, struct ew_error *err) {
    if (!ok) return ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
    if (fflush(out) != 0 || ferror(out)) return ew_error_set(err, EW_ERR_IO, "report: cannot be written");
    return EW_OK;
}

enum ew_status ew_report_write_versus_terminal(const struct ew_report *report, FILE *out,
                                               const struct ew_text_style *style, struct ew_error *err) {
    say_all(report, out, style, put_paragraph);
    fputc('\n', out);
    if (!report->versus->n_pairs) {
        fputs("The two stores share no configuration: same model, threads and tokens are needed.\n", out);
        return finished(out, true, err);
    }
    struct ew_text_table *table = make_table(report->versus);
    bool ok = table && ew_text_table_print(table, out, style);
    ew_text_table_close(&table);
    ew_text_paragraph(out, style, 0, "", RATIO_NOTE);
    return finished(out, ok, err);
}

enum ew_status ew_report_write_versus_markdown(const struct ew_report *report, FILE *out, struct ew_error *err) {
    fputs("# Before and after\n\n", out);
    say_all(report, out, NULL, put_item);
    fputc('\n', out);
    struct ew_text_table *table = make_table(report->versus);
    bool ok = table && ew_text_table_print_markdown(table, out);
    ew_text_table_close(&table);
    fputs("\n" RATIO_NOTE "\n", out);
    return finished(out, ok, err);
}

/* ---- CSV ---- */

/* A cell that begins like a formula is kept from being one; quotes are doubled. */
static void put_cell(FILE *out, const char *text) {
    fputc('"', out);
    if (text && *text && strchr("=+-@\t\r", *text)) fputc('\'', out);
    for (; text && *text; text++) fprintf(out, *text == '"' ? "\"%c" : "%c", *text);
    fputc('"', out);
}

static void put_number(FILE *out, double value) {
    fputc(',', out);
    if (isfinite(value)) fprintf(out, "%.9g", value);
}

enum ew_status ew_report_write_versus_csv(const struct ew_report *report, FILE *out, struct ew_error *err) {
    const struct ew_versus *v = report->versus;
    fputs("configuration,match,figure,before,after,ratio,low,high,different_p,equivalent_p,cliff_delta,hedges_g,"
          "runs_before,runs_after,verdict\r\n",
          out);
    for (size_t i = 0; i < v->n_pairs; i++)
        for (int m = 0; m < EW_MEASURES; m++) {
            const struct ew_versus_figure *f = &v->pairs[i].figure[m];
            if (!f->n_a || !f->n_b) continue;
            put_cell(out, v->pairs[i].a->label);
            fprintf(out, ",%s,%s", v->pairs[i].alike ? "alike" : "same", ew_measure_info((enum ew_measure)m)->key);
            const double numbers[] = {
                f->a, f->b, f->ratio, f->low, f->high, f->different_p, f->equivalent_p, f->cliff_delta, f->hedges_g};
            for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) put_number(out, numbers[k]);
            fprintf(out, ",%zu,%zu,%s\r\n", f->n_a, f->n_b, ew_versus_verdict_name(f->verdict));
        }
    return finished(out, true, err);
}
