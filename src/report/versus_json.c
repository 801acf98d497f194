/* Two stores against each other as one document, which `report A B --json` prints and the page shows. Form:
 * docs/report-data.md, "Two stores". The sums are insight/versus.c's. */
#include "report/report.h"

#include "base/error.h"
#include "report/run_json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *side_json(const struct ew_report *report) {
    const struct ew_insight *insight = report->insight;
    json_t *caveats = json_array();
    for (size_t i = 0; i < insight->n_caveats; i++)
        json_array_append_new(caveats,
                              json_pack("{s:s, s:s, s:o}", "kind", ew_caveat_key(insight->caveats[i].kind), "heading",
                                        insight->caveats[i].heading, "text", ew_json_text(insight->caveats[i].text)));
    return json_pack("{s:o, s:o, s:o, s:o}", "title", ew_json_text(report->study->study.name), "study",
                     ew_report_study_json(report), "machine", ew_report_machine_json(report), "caveats", caveats);
}

static json_t *figure_json(const struct ew_versus_figure *f) {
    json_t *out =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "before", ew_json_number(f->a), "after",
                  ew_json_number(f->b), "ratio", ew_json_number(f->ratio), "low", ew_json_number(f->low), "high",
                  ew_json_number(f->high), "verdict", ew_versus_verdict_name(f->verdict), "different_p",
                  ew_json_number(f->different_p), "equivalent_p", ew_json_number(f->equivalent_p));
    json_t *more =
        json_pack("{s:o, s:o, s:b, s:I, s:I, s:I}", "cliff_delta", ew_json_number(f->cliff_delta), "hedges_g",
                  ew_json_number(f->hedges_g), "paired", f->paired, "runs_before", (json_int_t)f->n_a, "runs_after",
                  (json_int_t)f->n_b, "runs_wanted", (json_int_t)f->runs_wanted);
    if (out && more) json_object_update(out, more);
    json_decref(more);
    return out;
}

static json_t *pair_json(const struct ew_versus *v, const struct ew_versus_pair *pair) {
    json_t *figures = json_object();
    for (int m = 0; m < EW_MEASURES; m++)
        if (pair->figure[m].n_a && pair->figure[m].n_b)
            json_object_set_new(figures, ew_measure_info((enum ew_measure)m)->key, figure_json(&pair->figure[m]));
    json_t *label = v->a == v->b ? json_sprintf("%s → %s", pair->a->label, pair->b->label) : NULL;
    if (!label) label = ew_json_text(pair->a->label);
    return json_pack("{s:o, s:o, s:o, s:b, s:b, s:o, s:I, s:I, s:o}", "label", label, "model",
                     ew_json_text(pair->a->name), "type", ew_json_text(pair->a->model->file_type), "synthetic",
                     pair->a->model->synthetic, "alike", pair->alike, "differs",
                     pair->alike ? json_string(pair->differs) : json_null(), "before", (json_int_t)pair->a->record->id,
                     "after", (json_int_t)pair->b->record->id, "figures", figures);
}

static json_t *measures_json(const struct ew_versus *v) {
    json_t *list = json_array();
    for (int m = 0; m < EW_MEASURES; m++) {
        const struct ew_measure_info *info = ew_measure_info((enum ew_measure)m);
        const size_t *n = v->count[m];
        if (!(n[EW_VERSUS_UNKNOWN] + n[EW_VERSUS_BETTER] + n[EW_VERSUS_WORSE] + n[EW_VERSUS_SAME])) continue;
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:f, s:i, s:I, s:I, s:I, s:I, s:o}", "key", info->key, "name", info->head,
                            "unit", info->unit ? info->unit : "", "scale", info->scale, "sense", info->sense, "better",
                            (json_int_t)n[EW_VERSUS_BETTER], "worse", (json_int_t)n[EW_VERSUS_WORSE], "no_difference",
                            (json_int_t)n[EW_VERSUS_SAME], "not_known", (json_int_t)n[EW_VERSUS_UNKNOWN],
                            "middle_ratio", ew_json_number(v->middle[m])));
    }
    return list;
}

static json_t *labels_json(const struct ew_insight_config *const *configs, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, ew_json_text(configs[i]->label));
    return list;
}

static json_t *commands_json(const struct ew_report *report) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fputs("edgewise report ", out);
    ew_json_put_quoted(out, ew_store_path(report->store));
    const struct ew_versus *v = report->versus;
    if (v->a == v->b) {
        fputs(" --compare ", out);
        ew_json_put_quoted(out, v->pairs[0].a->label);
        fputs(" --compare ", out);
        ew_json_put_quoted(out, v->pairs[0].b->label);
    } else {
        fputc(' ', out);
        ew_json_put_quoted(out, ew_store_path(report->against->store));
    }
    fprintf(out, " --margin '%g %%' --html comparison.html", 100 * report->versus->margin);
    fclose(out);
    json_t *list = json_pack("[o]", ew_json_text(text));
    free(text);
    return list;
}

static json_t *title_json(const struct ew_report *report) {
    const struct ew_versus *v = report->versus;
    if (v->a == v->b) return json_sprintf("%.200s against %.200s", v->pairs[0].b->label, v->pairs[0].a->label);
    return json_sprintf("%.100s against %.100s", ew_store_path(report->against->store), ew_store_path(report->store));
}

static enum ew_status make_document(const struct ew_report *report, json_t **out, struct ew_error *err) {
    const struct ew_versus *v = report->versus;
    json_t *pairs = json_array();
    for (size_t i = 0; i < v->n_pairs; i++) json_array_append_new(pairs, pair_json(v, &v->pairs[i]));
    json_t *document = json_pack(
        "{s:s, s:i, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o}", "format", "edgewise-comparison", "version", 1,
        "title", title_json(report), "before", side_json(report), "after", side_json(report->against), "margin",
        v->margin, "measures", measures_json(v), "pairs", pairs, "only_before", labels_json(v->only_a, v->n_only_a),
        "only_after", labels_json(v->only_b, v->n_only_b), "repeat_commands", commands_json(report));
    if (!document) return ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
    *out = document;
    return EW_OK;
}

static enum ew_status finished(FILE *out, struct ew_error *err) {
    if (fflush(out) != 0 || ferror(out)) return ew_error_set(err, EW_ERR_IO, "report: cannot be written");
    return EW_OK;
}

enum ew_status ew_report_write_versus_json(const struct ew_report *report, FILE *out, struct ew_error *err) {
    json_t *document = NULL;
    enum ew_status status = make_document(report, &document, err);
    if (status != EW_OK) return status;
    json_dumpf(document, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(document);
    fputc('\n', out);
    return finished(out, err);
}

enum ew_status ew_report_write_versus_jsonl(const struct ew_report *report, FILE *out, struct ew_error *err) {
    for (size_t i = 0; i < report->versus->n_pairs; i++) {
        json_t *pair = pair_json(report->versus, &report->versus->pairs[i]);
        int failed = pair ? json_dumpf(pair, out, JSON_COMPACT | JSON_REAL_PRECISION(9)) : -1;
        json_decref(pair);
        if (failed && !ferror(out)) return ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
        fputc('\n', out);
    }
    return finished(out, err);
}

enum ew_status ew_report_write_versus_html(const struct ew_report *report, FILE *out, struct ew_error *err) {
    json_t *document = NULL;
    enum ew_status status = make_document(report, &document, err);
    if (status != EW_OK) return status;
    const char *title = json_string_value(json_object_get(document, "title"));
    status = ew_report_write_page(document, title ? title : "Edgewise comparison",
                                  "The plots of this page need JavaScript; `edgewise report` with both stores prints "
                                  "the table.",
                                  out, err);
    json_decref(document);
    return status;
}
