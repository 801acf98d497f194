/* The report as text: the answer and its caveats first, then one table, then failures. Markdown is the same content. */
#include "report/report.h"

#include "base/error.h"
#include "insight/quality_steps.h"
#include "insight/rating.h"
#include "insight/words.h"
#include "report/money_table.h"
#include "report/quality_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SYNTHETIC_MARK " ¹"
#define INTERVAL_NOTE                                                                                                  \
    "Medians with their 95 % interval: ± is its larger half, + and - where it is lopsided (the range, with fewer "    \
    "than "                                                                                                            \
    "five runs)."
#define SYNTHETIC_NOTE "¹ synthetic weights: speed and memory are real, the text is not."

enum { INDENT = 22, MOST_COLUMNS = 24, MOST_FLAGS = 8 };

static const char *or_dash(const char *text) { return text && *text ? text : "–"; }

/* ---- the columns ---- */

enum content { C_MODEL, C_TYPE, C_THREADS, C_WORK, C_MEASURE, C_SAID, C_ERROR, C_GRADE, C_QUALITY, C_FOR, C_RUNS };

struct column {
    enum content content;
    enum ew_measure measure;
    struct ew_text_column text;
};

static struct column fixed(enum content content, const char *head, const char *unit, bool number, bool key) {
    return (struct column){.content = content, .text = {head, unit, number, key}};
}

static struct column figure(enum ew_measure measure) {
    const struct ew_measure_info *info = ew_measure_info(measure);
    return (struct column){.content = C_MEASURE, .measure = measure, .text = {info->head, info->unit, true, false}};
}

/* Work (prompt, answer, depth) is a column only where it differs. */
static bool has_several_works(const struct ew_insight *insight) {
    for (size_t i = 1; i < insight->n_configs; i++) {
        const struct ew_config_record *a = insight->configs[0].record, *b = insight->configs[i].record;
        if (a->prompt_tokens != b->prompt_tokens || a->generate_tokens != b->generate_tokens || a->depth != b->depth)
            return true;
    }
    return false;
}

static size_t choose_columns(const struct ew_insight *insight, struct column out[MOST_COLUMNS]) {
    size_t n = 0;
    out[n++] = fixed(C_MODEL, "model", NULL, false, true);
    out[n++] = fixed(C_TYPE, "type", NULL, false, true);
    out[n++] = fixed(C_THREADS, "threads", "pre/dec", true, true);
    if (has_several_works(insight)) out[n++] = fixed(C_WORK, "tokens", "in+out@depth", true, true);
    out[n++] = figure(EW_MEASURE_LOAD);
    out[n++] = figure(EW_MEASURE_TTFT);
    out[n++] = figure(EW_MEASURE_PREFILL);
    out[n++] = figure(EW_MEASURE_DECODE);
    out[n++] = figure(EW_MEASURE_GAP_P90);
    out[n++] = figure(EW_MEASURE_PEAK_MEMORY);
    out[n++] = fixed(C_SAID, "predicted", "MiB", true, false);
    out[n++] = fixed(C_ERROR, "error", "%", true, false);
    if (insight->has_energy) {
        out[n++] = figure(EW_MEASURE_DECODE_ENERGY);
        out[n++] = figure(EW_MEASURE_DECODE_ENERGY_NET);
        out[n++] = fixed(C_GRADE, "grade", NULL, false, false);
        out[n++] = figure(EW_MEASURE_S_T);
    }
    if (insight->rating.basis != EW_RATING_NONE)
        out[n++] = fixed(C_QUALITY, "quality", ew_rating_unit(insight->rating.basis), true, false);
    out[n++] = fixed(C_FOR, "good for", NULL, false, false);
    out[n++] = fixed(C_RUNS, "runs", NULL, true, false);
    return n;
}

static const char *best_use(const struct ew_insight_config *c) {
    for (int u = 0; u < EW_USE_CLASSES; u++)
        if (c->use[u] == 1) return ew_use_threshold((enum ew_use_class)u)->key;
    return "–";
}

static void add_cell(struct ew_text_table *table, const struct column *column, const struct ew_insight_config *c) {
    char value[256] = "–", spread[EW_NUMBER_SIZE] = "";
    const struct ew_config_record *r = c->record;
    switch (column->content) {
    case C_MODEL: snprintf(value, sizeof value, "%.200s%s", c->name, c->model->synthetic ? SYNTHETIC_MARK : ""); break;
    case C_TYPE: snprintf(value, sizeof value, "%.200s", or_dash(c->model->file_type)); break;
    case C_THREADS:
        snprintf(value, sizeof value, "%lld/%lld", (long long)r->prefill_threads, (long long)r->decode_threads);
        break;
    case C_WORK:
        snprintf(value, sizeof value, "%lld+%lld@%lld", (long long)r->prompt_tokens, (long long)r->generate_tokens,
                 (long long)r->depth);
        break;
    case C_MEASURE:
        ew_words_figure(&c->figure[column->measure], ew_measure_info(column->measure)->scale, value, spread);
        break;
    case C_SAID:
        if (c->ledger.present) ew_words_number(value, (double)c->ledger.total / 1048576, 0);
        break;
    case C_ERROR:
        if (isfinite(c->memory_error_percent)) snprintf(value, sizeof value, "%+.1f", c->memory_error_percent);
        break;
    case C_GRADE:
        snprintf(value, sizeof value, "%s", c->grade == EW_GRADE_NONE ? "–" : ew_trust_grade_name(c->grade));
        break;
    case C_QUALITY:
        ew_words_figure(&(struct ew_figure){c->quality, c->quality_low, c->quality_high, 1, false}, 1, value, spread);
        break;
    case C_FOR: snprintf(value, sizeof value, "%s", best_use(c)); break;
    case C_RUNS:
        if (c->n_failed)
            snprintf(value, sizeof value, "%zu, %zu failed", c->n_ok, c->n_failed);
        else
            snprintf(value, sizeof value, "%zu", c->n_ok);
        break;
    }
    ew_text_table_add(table, value, spread);
}

static struct ew_text_table *configurations(const struct ew_insight *insight) {
    struct column columns[MOST_COLUMNS];
    struct ew_text_column text[MOST_COLUMNS];
    size_t n = choose_columns(insight, columns);
    for (size_t i = 0; i < n; i++) text[i] = columns[i].text;
    struct ew_text_table *table = ew_text_table_open(text, n);
    for (size_t r = 0; table && r < insight->n_configs; r++)
        for (size_t i = 0; i < n; i++) add_cell(table, &columns[i], &insight->configs[r]);
    return table;
}

static struct ew_text_table *failures(const struct ew_insight *insight) {
    static const struct ew_text_column text[] = {{"configuration", NULL, false, true},
                                                 {"run", NULL, true, false},
                                                 {"outcome", NULL, false, false},
                                                 {"predicted", "MiB", true, false},
                                                 {"reason", NULL, false, false}};
    struct ew_text_table *table = ew_text_table_open(text, 5);
    for (size_t i = 0; table && i < insight->n_runs; i++) {
        const struct ew_insight_run *run = &insight->runs[i];
        const struct ew_insight_config *c = &insight->configs[run->config];
        if (!ew_insight_failed(run->trial->status)) continue;
        char number[EW_NUMBER_SIZE];
        ew_text_table_add(table, c->label, NULL);
        snprintf(number, sizeof number, "%lld", (long long)run->trial->repeat + 1);
        ew_text_table_add(table, number, NULL);
        ew_text_table_add(table, ew_trial_status_name(run->trial->status), NULL);
        ew_words_number(number, c->ledger.present ? (double)c->ledger.total / 1048576 : NAN, 0);
        ew_text_table_add(table, number, NULL);
        ew_text_table_add(table, or_dash(run->trial->reason), NULL);
    }
    return table;
}

/* ---- around the tables ---- */

static void print_head(const struct ew_report *report, FILE *out, const struct ew_text_style *style) {
    const struct ew_stored_study *study = report->study;
    const struct ew_insight *insight = report->insight;
    char text[512], memory[EW_NUMBER_SIZE + 4] = "", size[EW_NUMBER_SIZE];
    const struct ew_machine_record *m = study->n_machines ? &study->machines[study->n_machines - 1] : NULL;
    if (m && m->memory_bytes > 0) {
        ew_words_size(size, (double)m->memory_bytes);
        snprintf(memory, sizeof memory, " · %s", size);
    }
    snprintf(text, sizeof text, "%.200s%s", m ? or_dash(m->name) : "unknown", memory);
    ew_text_paragraph(out, style, INDENT, "machine", text);
    snprintf(text, sizeof text, "%.200s · %zu of %zu runs%s", or_dash(study->study.name), insight->n_ok,
             insight->n_runs, insight->n_failed ? ", some failed" : "");
    ew_text_paragraph(out, style, INDENT, "study", text);
    fputc('\n', out);
}

/* "first token within 1 s …: 2 of 6 configurations: A; B". */
static void say_own_use(const struct ew_report *report, const struct ew_own_use *use, char *out, size_t size) {
    const struct ew_insight *insight = report->insight;
    size_t met = 0, all = 0, n = 0;
    char names[512] = "";
    for (size_t i = 0; i < insight->n_configs; i++) {
        const struct ew_insight_config *c = &insight->configs[i];
        all += c->n_ok > 0;
        if (!c->n_ok ||
            ew_use_meets_own(use, c->figure[EW_MEASURE_TTFT].value, c->figure[EW_MEASURE_DECODE].value) != 1)
            continue;
        if (met++ < 4) n += (size_t)snprintf(names + n, sizeof names - n, "%s%.100s", n ? "; " : "", c->label);
    }
    snprintf(out, size, "%s: %zu of %zu configurations%s%s%s", use->rule, met, all, met ? ": " : "", names,
             met > 4 ? " …" : "");
}

/* The first few flags in words; put is called once a line. */
static void each_flag(const struct ew_insight *insight, void (*put)(FILE *, const void *, const char *), FILE *out,
                      const void *how) {
    size_t n = 0;
    char line[512];
    for (size_t i = 0; i < insight->n_configs; i++)
        for (size_t k = 0; k < insight->configs[i].n_flags; k++, n++) {
            if (n >= MOST_FLAGS) continue;
            snprintf(line, sizeof line, "%.200s: %.250s", insight->configs[i].label, insight->configs[i].flags[k].text);
            put(out, how, line);
        }
    if (n <= MOST_FLAGS) return;
    snprintf(line, sizeof line, "and %zu more; --json and the page have all", n - MOST_FLAGS);
    put(out, how, line);
}

static void put_flag_line(FILE *out, const void *how, const char *line) {
    ew_text_paragraph(out, how, INDENT, "flag", line);
}

static void print_words(const struct ew_report *report, FILE *out, const struct ew_text_style *style) {
    const struct ew_insight *insight = report->insight;
    if (report->recommendation.text) {
        ew_text_paragraph(out, style, INDENT, "Recommended for you", report->recommendation.text);
        ew_text_paragraph(out, style, INDENT, "", report->recommendation.reason);
    }
    for (size_t i = 0; i < insight->n_answers; i++) {
        ew_text_paragraph(out, style, INDENT, insight->answers[i].heading, insight->answers[i].text);
        if (insight->answers[i].reason) ew_text_paragraph(out, style, INDENT, "", insight->answers[i].reason);
    }
    for (size_t i = 0; i < report->n_uses; i++) {
        char text[768];
        say_own_use(report, &report->uses[i], text, sizeof text);
        ew_text_paragraph(out, style, INDENT, report->uses[i].name, text);
    }
    if (!insight->n_answers) fputs("No run has ended well yet, so there is no answer.\n", out);
    for (size_t i = 0; i < insight->n_caveats; i++) {
        char head[64];
        snprintf(head, sizeof head, "! %s", insight->caveats[i].heading);
        ew_text_paragraph(out, style, INDENT, head, insight->caveats[i].text);
    }
}

static enum ew_status finished(FILE *out, bool ok, struct ew_error *err) {
    if (!ok) return ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
    if (fflush(out) != 0 || ferror(out)) return ew_error_set(err, EW_ERR_IO, "report: cannot be written");
    return EW_OK;
}

static bool has_synthetic(const struct ew_insight *insight) {
    for (size_t i = 0; i < insight->n_configs; i++)
        if (insight->configs[i].model->synthetic) return true;
    return false;
}

enum ew_status ew_report_write_answer(const struct ew_report *report, FILE *out, const struct ew_text_style *style,
                                      struct ew_error *err) {
    print_words(report, out, style);
    return finished(out, true, err);
}

/* Every figure of quality, what the one number stands on, and the cost of each step. */
static bool print_quality(const struct ew_insight *insight, FILE *out, const struct ew_text_style *style) {
    char note[512];
    if (!insight->n_qualities) return true;
    fputc('\n', out);
    struct ew_text_table *table = ew_quality_table(insight);
    bool ok = table && ew_text_table_print(table, out, style);
    ew_text_table_close(&table);
    ew_quality_note(insight, note, sizeof note);
    ew_text_paragraph(out, style, 0, "", note);
    for (size_t i = 0; i < insight->n_steps; i++)
        ew_text_paragraph(out, style, INDENT, or_dash(insight->steps[i].to->name), insight->steps[i].text);
    return ok;
}

enum ew_status ew_report_write_terminal(const struct ew_report *report, FILE *out, const struct ew_text_style *style,
                                        struct ew_error *err) {
    print_head(report, out, style);
    print_words(report, out, style);
    fputc('\n', out);
    struct ew_text_table *table = configurations(report->insight);
    bool ok = table && ew_text_table_print(table, out, style);
    ew_text_table_close(&table);
    fputs(INTERVAL_NOTE "\n", out);
    each_flag(report->insight, put_flag_line, out, style);
    if (has_synthetic(report->insight)) fputs(SYNTHETIC_NOTE "\n", out);
    ok = ok && print_quality(report->insight, out, style);
    if (ok && ew_money_is_stated(report)) {
        fputc('\n', out);
        table = ew_money_table(report);
        ok = table && ew_text_table_print(table, out, style);
        ew_text_table_close(&table);
        ew_money_note(report, out);
    }
    if (ok && report->insight->n_failed) {
        fputc('\n', out);
        table = failures(report->insight);
        ok = table && ew_text_table_print(table, out, style);
        ew_text_table_close(&table);
    }
    return finished(out, ok, err);
}

static void print_escaped(FILE *out, const char *text) {
    char *clean = ew_text_clean(text);
    for (const char *c = clean; c && *c; c++) {
        if (*c == '<')
            fputs("&lt;", out);
        else if (strchr("\\`*[]", *c))
            fprintf(out, "\\%c", *c);
        else
            fputc(*c, out);
    }
    free(clean);
}

static void put_flag_item(FILE *out, const void *how, const char *line) {
    (void)how;
    fputs("- Flag: ", out);
    print_escaped(out, line);
    fputc('\n', out);
}

static bool print_quality_markdown(const struct ew_insight *insight, FILE *out) {
    char note[512];
    if (!insight->n_qualities) return true;
    fputs("\n## Quality\n\n", out);
    struct ew_text_table *table = ew_quality_table(insight);
    bool ok = table && ew_text_table_print_markdown(table, out);
    ew_text_table_close(&table);
    ew_quality_note(insight, note, sizeof note);
    fputc('\n', out);
    print_escaped(out, note);
    fputs("\n\n", out);
    for (size_t i = 0; i < insight->n_steps; i++) {
        fputs("- **", out);
        print_escaped(out, or_dash(insight->steps[i].to->name));
        fputs(":** ", out);
        print_escaped(out, insight->steps[i].text);
        fputc('\n', out);
    }
    return ok;
}

enum ew_status ew_report_write_markdown(const struct ew_report *report, FILE *out, struct ew_error *err) {
    const struct ew_insight *insight = report->insight;
    fputs("# ", out);
    print_escaped(out, or_dash(report->study->study.name));
    fputs("\n\n", out);
    if (report->recommendation.text) {
        fputs("- **Recommended for you:** ", out);
        print_escaped(out, report->recommendation.text);
        fputc(' ', out);
        print_escaped(out, report->recommendation.reason);
        fputc('\n', out);
    }
    for (size_t i = 0; i < insight->n_answers; i++) {
        fprintf(out, "- **%s:** ", insight->answers[i].heading);
        print_escaped(out, insight->answers[i].text);
        fputc('\n', out);
    }
    for (size_t i = 0; i < report->n_uses; i++) {
        char text[768];
        say_own_use(report, &report->uses[i], text, sizeof text);
        fputs("- **", out);
        print_escaped(out, report->uses[i].name);
        fputs(":** ", out);
        print_escaped(out, text);
        fputc('\n', out);
    }
    for (size_t i = 0; i < insight->n_caveats; i++) {
        fprintf(out, "- **%s:** ", insight->caveats[i].heading);
        print_escaped(out, insight->caveats[i].text);
        fputc('\n', out);
    }
    fputc('\n', out);
    struct ew_text_table *table = configurations(insight);
    bool ok = table && ew_text_table_print_markdown(table, out);
    ew_text_table_close(&table);
    fputs("\n" INTERVAL_NOTE "\n\n", out);
    each_flag(insight, put_flag_item, out, NULL);
    if (has_synthetic(insight)) fputs("\n" SYNTHETIC_NOTE "\n", out);
    ok = ok && print_quality_markdown(insight, out);
    if (ok && ew_money_is_stated(report)) {
        fputs("\n## Money\n\n", out);
        table = ew_money_table(report);
        ok = table && ew_text_table_print_markdown(table, out);
        ew_text_table_close(&table);
        fputc('\n', out);
        ew_money_note(report, out);
    }
    if (ok && insight->n_failed) {
        fputs("\n## What failed\n\n", out);
        table = failures(insight);
        ok = table && ew_text_table_print_markdown(table, out);
        ew_text_table_close(&table);
    }
    return finished(out, ok, err);
}
