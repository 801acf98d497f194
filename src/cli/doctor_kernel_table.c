/* Owns `edgewise doctor --kernels`: the contest of kernels, held where it has not been or again, and its figures. */
#include "base/error.h"
#include "cli/doctor_view.h"
#include "cli/kernel_memory.h"
#include "cli/meter_json.h"
#include "insight/words.h"
#include "machine/cpu_features.h"

#include <stdlib.h>
#include <string.h>

/* Formats that people use. A model's own take their place where one is named. */
static const enum ew_type usual[] = {EW_TYPE_Q4_0,   EW_TYPE_Q4_K,   EW_TYPE_Q5_K, EW_TYPE_Q6_K, EW_TYPE_Q8_0,
                                     EW_TYPE_IQ4_NL, EW_TYPE_IQ4_XS, EW_TYPE_F16,  EW_TYPE_BF16};
static const double usual_budget_s = 8, model_budget_s = 3;
enum { PICKS = 128, LINE = 512 };

struct contest_view {
    struct ew_kernel_choices *choices;
    char *path;
    bool kept;                        /* the file holds what is shown */
    char note[EW_ERROR_MESSAGE_SIZE]; /* why not, or what is not decided; "" = nothing */
    const struct ew_kernel_figure *figures;
    size_t n_figures;
    struct ew_kernel_pick picks[PICKS];
    size_t n_picks;
};

static void note_error(struct contest_view *v, const struct ew_error *err) {
    snprintf(v->note, sizeof v->note, "%s", err->message);
}

static enum ew_status decide(const struct ew_doctor_request *request, struct contest_view *v, struct ew_error *err) {
    struct ew_model *model = NULL;
    if (!request->model_path)
        return ew_kernel_choices_decide_types(v->choices, usual, sizeof usual / sizeof *usual, usual_budget_s, err);
    enum ew_status status = ew_model_open(request->model_path, &model, err);
    if (status == EW_OK) status = ew_kernel_choices_decide(v->choices, model, model_budget_s, err);
    ew_model_close(&model);
    return status;
}

/* Loads, decides what is open, saves. Without a place to keep it the contest is shown all the same. */
static enum ew_status fill(const struct ew_doctor_request *request, bool again, struct contest_view *v,
                           struct ew_error *err) {
    enum ew_status status = ew_kernel_choices_open(request->cpu_mask, &v->choices, err);
    if (status != EW_OK) return status;
    struct ew_error problem = {0};
    v->path = ew_kernel_choices_path(v->choices);
    status = again || !v->path ? EW_ERR_NOT_FOUND : ew_kernel_choices_load(v->choices, v->path, &problem);
    v->kept = status == EW_OK;
    if (status != EW_OK && status != EW_ERR_NOT_FOUND) note_error(v, &problem);
    const struct ew_kernel_figure *figures;
    size_t before = ew_kernel_choices_figures(v->choices, &figures);
    ew_doctor_say_progress(request, "kernels take turns …");
    status = decide(request, v, err);
    ew_doctor_say_progress(request, "");
    if (status == EW_ERR_LIMIT)
        note_error(v, err);
    else if (status != EW_OK)
        return status;
    v->n_figures = ew_kernel_choices_figures(v->choices, &v->figures);
    v->n_picks = ew_kernel_choices_picks(v->choices, v->picks, PICKS);
    if (v->n_picks > PICKS) v->n_picks = PICKS;
    if (v->n_figures == before || !v->path) return EW_OK;
    v->kept = ew_kernel_choices_save(v->choices, v->path, &problem) == EW_OK;
    if (!v->kept) note_error(v, &problem);
    return EW_OK;
}

/* ---- text ---- */

static void share_cell(struct ew_text_table *table, double share) {
    char text[EW_NUMBER_SIZE];
    snprintf(text, sizeof text, "%.0f %%", 100 * share);
    ew_text_table_add(table, text, NULL);
}

static void print_table(const struct contest_view *v, FILE *out, const struct ew_text_style *style) {
    static const struct ew_text_column columns[] = {
        {"weights", NULL, false, true},        {"tokens", NULL, true, false},  {"kernel", NULL, false, false},
        {"reads", "GB/s", true, false},        {"does", "Gop/s", true, false}, {"of the limit", NULL, true, false},
        {"quartiles apart", NULL, true, false}};
    struct ew_text_table *table = v->n_figures ? ew_text_table_open(columns, 7) : NULL;
    for (size_t i = 0; table && i < 2 * v->n_figures; i++) { /* attention is decided first and shown last */
        const struct ew_kernel_figure *f = &v->figures[i % v->n_figures];
        char text[LINE];
        if ((strcmp(f->layout, "kv") == 0) != (i >= v->n_figures)) continue;
        snprintf(text, sizeof text, "%s %s", f->type, f->layout);
        ew_text_table_add(table, text, NULL);
        snprintf(text, sizeof text, "%u", f->tokens);
        ew_text_table_add(table, text, NULL);
        snprintf(text, sizeof text, "%s%s", f->chosen ? "✓ " : "  ", f->kernel);
        ew_text_table_add(table, text, NULL);
        ew_words_number(text, f->bytes_per_s * 1e-9, -1);
        ew_text_table_add(table, text, NULL);
        ew_words_number(text, f->ops_per_s * 1e-9, -1);
        ew_text_table_add(table, text, NULL);
        share_cell(table, f->of_limit);
        share_cell(table, f->spread);
    }
    if (table) ew_text_table_print(table, out, style);
    ew_text_table_close(&table);
}

static void print_picks(const struct contest_view *v, FILE *out, const struct ew_text_style *style) {
    for (size_t i = 0; i < v->n_picks; i++) {
        const struct ew_kernel_pick *p = &v->picks[i];
        char head[32], text[LINE] = "";
        bool attention = strcmp(p->layout, "kv") == 0;
        if (attention)
            ew_words_add(text, LINE, "norms, gates and attention: %s", p->one);
        else if (p->few_tokens > 0)
            ew_words_add(text, LINE, "up to %u token%s %s, more %s%s", p->few_tokens, p->few_tokens == 1 ? "" : "s",
                         p->one, p->many, p->by_auto ? " ← --weights auto" : "");
        else
            ew_words_add(text, LINE, "%s%s", p->many, p->by_auto ? " ← --weights auto" : "");
        snprintf(head, sizeof head, "%s %s", attention ? "vectors" : p->type, attention ? "" : p->layout);
        ew_text_paragraph(out, style, 14, head, text);
    }
}

static void print_text(const struct contest_view *v, FILE *out, const struct ew_text_style *style) {
    char features[256], text[2 * LINE] = "";
    const char *date = ew_kernel_choices_date(v->choices);
    ew_cpu_features_text(ew_kernel_choices_features(v->choices), features, sizeof features);
    ew_words_add(text, sizeof text, "%s (%s)", ew_kernel_choices_processor(v->choices),
                 *features ? features : "plain C");
    if (*date) ew_words_add(text, sizeof text, " · decided %s", date);
    if (v->kept) ew_words_add(text, sizeof text, " · remembered in %s", v->path);
    ew_text_paragraph(out, style, 0, "", text);
    if (v->note[0]) ew_text_paragraph(out, style, 14, "! note", v->note);
    if (v->n_picks == 0 && !v->note[0])
        ew_text_paragraph(out, style, 0, "", "There is one kernel for each purpose here, and nothing to choose.");
    print_table(v, out, style);
    print_picks(v, out, style);
    if (*date)
        ew_text_paragraph(out, style, 0, "",
                          "✓ is chosen: a challenger must be 5 % faster than the kernel that the features name. "
                          "One token: share of the speed of reading; more: of the arithmetic's peak.");
}

/* ---- JSON ---- */

static json_t *figures_json(const struct contest_view *v) {
    json_t *list = json_array();
    for (size_t i = 0; i < v->n_figures; i++) {
        const struct ew_kernel_figure *f = &v->figures[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:f, s:f, s:f, s:f, s:b}", "type", f->type,
                                              "layout", f->layout, "tokens", (int)f->tokens, "kernel", f->kernel,
                                              "bytes_per_s", f->bytes_per_s, "ops_per_s", f->ops_per_s, "of_limit",
                                              f->of_limit, "spread", f->spread, "chosen", (int)f->chosen));
    }
    return list;
}

static json_t *picks_json(const struct contest_view *v) {
    json_t *list = json_array();
    for (size_t i = 0; i < v->n_picks; i++) {
        const struct ew_kernel_pick *p = &v->picks[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:i, s:b}", "type", p->type, "layout", p->layout,
                                              "one", p->one, "many", p->many, "few_tokens", (int)p->few_tokens, "auto",
                                              (int)p->by_auto));
    }
    return list;
}

static json_t *text_or_null(const char *text) { return text && *text ? ew_meter_json_text(text) : json_null(); }

static bool print_json(const struct contest_view *v, FILE *out) {
    char names[256];
    ew_cpu_features_text(ew_kernel_choices_features(v->choices), names, sizeof names);
    json_t *features = json_array();
    for (char *word = strtok(names, " "); word; word = strtok(NULL, " "))
        json_array_append_new(features, json_string(word));
    json_t *root =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "format", "edgewise-kernels-1", "processor",
                  text_or_null(ew_kernel_choices_processor(v->choices)), "features", features, "decided",
                  text_or_null(ew_kernel_choices_date(v->choices)), "path", text_or_null(v->path), "remembered",
                  (int)v->kept, "note", text_or_null(v->note), "choices", picks_json(v), "figures", figures_json(v));
    return ew_meter_json_print(root, true, out);
}

enum ew_status ew_doctor_show_kernels(const struct ew_doctor_request *request, bool again, bool json, FILE *out,
                                      const struct ew_text_style *style, struct ew_error *err) {
    static struct contest_view view; /* large */
    view = (struct contest_view){0};
    enum ew_status status = fill(request, again, &view, err);
    if (status == EW_OK && !json) print_text(&view, out, style);
    if (status == EW_OK && json && !print_json(&view, out))
        status = ew_error_set(err, EW_ERR_IO, "standard output: cannot be written");
    ew_kernel_choices_close(&view.choices);
    free(view.path);
    return status;
}
