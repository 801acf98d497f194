/* See quality_text.h. Formulas: docs/insight.md, "Quality". */
#include "report/quality_text.h"

#include "insight/rating.h"
#include "insight/words.h"

#include <math.h>
#include <string.h>

/* Files of one model share the text, so perplexities differ by less than their intervals: four digits at least. */
static void perplexity_in_words(const struct ew_quality_record *r, char value[EW_NUMBER_SIZE],
                                char spread[EW_NUMBER_SIZE]) {
    int decimals = r->value < 10 ? 3 : r->value < 100 ? 2 : r->value < 1000 ? 1 : 0;
    char half[EW_NUMBER_SIZE];
    ew_words_number(value, r->value, decimals);
    ew_words_number(half, fmax(r->high - r->value, r->value - r->low), decimals);
    snprintf(spread, EW_NUMBER_SIZE, "± %.30s", half);
    if (!isfinite(r->low)) *spread = 0;
}

/* Shares are shown in percent. */
static void add_value(struct ew_text_table *table, const struct ew_quality_record *r) {
    char value[EW_NUMBER_SIZE], spread[EW_NUMBER_SIZE];
    const struct ew_figure figure = {.value = r->value, .low = r->low, .high = r->high, .n = 1};
    bool share = ew_rating_is_share(r);
    if (strcmp(r->measure, "perplexity") == 0)
        perplexity_in_words(r, value, spread);
    else
        ew_words_figure(&figure, share ? 100 : 1, value, spread);
    ew_text_table_add(table, value, spread);
    snprintf(value, sizeof value, "%s", share ? "%" : strcmp(r->measure, "kl_divergence") == 0 ? "nats" : "");
    ew_text_table_add(table, *value ? value : "–", NULL);
}

static void add_chance(struct ew_text_table *table, const struct ew_quality_record *r) {
    char number[EW_NUMBER_SIZE];
    ew_words_number(number, 100 * r->chance, 0);
    ew_text_table_add(table, number, NULL);
}

/* What the evaluation said besides. */
static void add_more(struct ew_text_table *table, const struct ew_insight_quality *q) {
    const struct ew_quality_figures *f = &q->figures;
    char text[192] = "", number[EW_NUMBER_SIZE];
    bool divergence = strcmp(q->record->measure, "kl_divergence") == 0;
    if (!divergence && strcmp(q->record->measure, "perplexity") == 0 && isfinite(f->bits_per_byte)) {
        ew_words_number(number, f->bits_per_byte, 4);
        ew_words_add(text, sizeof text, "%s bits a byte", number);
    }
    if (divergence && isfinite(f->same_top))
        ew_words_add(text, sizeof text, "same top token %.1f %%", 100 * f->same_top);
    if (divergence && q->record->reference)
        ew_words_add(text, sizeof text, "%sagainst %.80s", *text ? ", " : "", q->record->reference);
    ew_text_table_add(table, *text ? text : "–", NULL);
}

static void measure_in_words(char *out, size_t size, const char *measure) {
    if (strcmp(measure, "kl_divergence") == 0) measure = "KL divergence";
    snprintf(out, size, "%.60s", measure);
    for (char *c = out; *c; c++) *c = *c == '_' ? ' ' : *c;
}

struct ew_text_table *ew_quality_table(const struct ew_insight *insight) {
    static const struct ew_text_column columns[] = {
        {"model", NULL, false, true},     {"type", NULL, false, true},  {"KV", NULL, false, true},
        {"measure", NULL, false, true},   {"data", NULL, false, true},  {"value", NULL, true, false},
        {"unit", NULL, false, false},     {"chance", "%", true, false}, {"n", NULL, true, false},
        {"settings", NULL, false, false}, {"more", NULL, false, false}};
    struct ew_text_table *table = ew_text_table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; table && i < insight->n_qualities; i++) {
        const struct ew_insight_quality *q = &insight->qualities[i];
        char n[EW_NUMBER_SIZE], measure[64];
        ew_text_table_add(table, q->model->name ? q->model->name : "–", NULL);
        ew_text_table_add(table, q->model->file_type ? q->model->file_type : "–", NULL);
        ew_text_table_add(table, ew_rating_kv(q->record->kv_type), NULL);
        measure_in_words(measure, sizeof measure, q->record->measure);
        ew_text_table_add(table, measure, NULL);
        ew_text_table_add(table, q->record->data ? q->record->data : "–", NULL);
        add_value(table, q->record);
        add_chance(table, q->record);
        ew_words_number(n, q->record->n >= 0 ? (double)q->record->n : NAN, 0);
        ew_text_table_add(table, n, NULL);
        ew_text_table_add(table, q->record->settings ? q->record->settings : "–", NULL);
        add_more(table, q);
    }
    return table;
}

void ew_quality_note(const struct ew_insight *insight, char *out, size_t size) {
    snprintf(out, size,
             "Quality: %.200s. Figures belong to a model's file; ± is the larger half of the 95 %% interval. Where "
             "intervals overlap, nothing is claimed.",
             insight->rating.basis == EW_RATING_NONE
                 ? "nothing that compares over the study, so no configuration has one number"
                 : insight->rating.words);
}
