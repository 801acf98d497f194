/* Owns the one number that stands for quality. Refuses to compare what does not compare: perplexities of different
 * vocabularies, shares of different tasks, figures of different texts or settings. What each step of quantization costs
 * is in quality_steps.c. */
#include "insight/rating.h"

#include "base/error.h"
#include "insight/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum ew_status no_memory(struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "quality: out of memory");
}

const char *ew_rating_kv(const char *kv_type) { return kv_type && *kv_type ? kv_type : "f16"; }

const char *ew_rating_key(enum ew_rating_basis basis) {
    static const char *const keys[] = {NULL, "tasks", "compression", "perplexity"};
    return keys[basis];
}

const char *ew_rating_unit(enum ew_rating_basis basis) {
    static const char *const units[] = {"", "share right", "× smaller", "of the largest"};
    return units[basis];
}

static bool same_text(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

bool ew_rating_comparable(const struct ew_quality_record *a, const struct ew_quality_record *b) {
    bool hashed = a->data_hash && *a->data_hash && b->data_hash && *b->data_hash;
    return same_text(a->measure, b->measure) && same_text(a->settings, b->settings) &&
           (hashed ? same_text(a->data_hash, b->data_hash) : same_text(a->data, b->data));
}

bool ew_rating_is_share(const struct ew_quality_record *record) {
    return same_text(record->measure, "accuracy") || same_text(record->measure, "exact_match") ||
           same_text(record->measure, "last_word");
}

const struct ew_insight_quality *ew_rating_figure(const struct ew_insight *insight, const struct ew_model_record *model,
                                                  const char *kv_type, const struct ew_quality_record *like) {
    for (size_t i = 0; i < insight->n_qualities; i++) {
        const struct ew_insight_quality *q = &insight->qualities[i];
        if (q->model == model && same_text(ew_rating_kv(q->record->kv_type), ew_rating_kv(kv_type)) &&
            ew_rating_comparable(q->record, like))
            return q;
    }
    return NULL;
}

/* ---- the figures, in reading order ---- */

static size_t rank_of(const struct ew_insight *insight, const struct ew_model_record *model) {
    for (size_t i = 0; i < insight->n_configs; i++)
        if (insight->configs[i].model == model) return i;
    return insight->n_configs;
}

struct sort_key {
    struct ew_insight_quality quality;
    size_t rank, place;
};

static int compare_keys(const void *pa, const void *pb) {
    const struct sort_key *a = pa, *b = pb;
    const struct ew_quality_record *x = a->quality.record, *y = b->quality.record;
    if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
    if (a->quality.model != b->quality.model) return a->quality.model->id < b->quality.model->id ? -1 : 1;
    int order = strcmp(ew_rating_kv(x->kv_type), ew_rating_kv(y->kv_type));
    if (!order) order = strcmp(x->measure, y->measure);
    if (!order) order = strcmp(x->data ? x->data : "", y->data ? y->data : "");
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

static enum ew_status collect_figures(struct ew_insight *insight, struct ew_error *err) {
    const struct ew_stored_study *study = insight->study;
    struct sort_key *keys = calloc(study->n_qualities + 1, sizeof *keys);
    insight->qualities = calloc(study->n_qualities + 1, sizeof *insight->qualities);
    if (!keys || !insight->qualities) {
        free(keys);
        return no_memory(err);
    }
    size_t n = 0;
    for (size_t i = 0; i < study->n_qualities; i++) {
        const struct ew_quality_record *record = &study->qualities[i];
        const struct ew_model_record *model = NULL;
        for (size_t m = 0; m < study->n_models && !model; m++)
            if (study->models[m].id == record->model_id) model = &study->models[m];
        if (!model || model->synthetic || !record->measure || !isfinite(record->value)) continue;
        keys[n] = (struct sort_key){
            {record, model, ew_quality_figures_read(record->figures_json)}, rank_of(insight, model), i};
        n++;
    }
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 0; i < n; i++) insight->qualities[i] = keys[i].quality;
    insight->n_qualities = n;
    free(keys);
    return EW_OK;
}

/* ---- one number per file ---- */

struct score {
    const struct ew_model_record *model;
    const char *kv;
    double value, low, high, chance;
};

/* The files of a study under one basis. */
struct rated {
    struct score *scores; /* [n] */
    size_t n, n_rated;
    const char *words;
};

static size_t collect_files(const struct ew_insight *insight, struct score *files) {
    size_t n = 0;
    for (size_t i = 0; i < insight->n_configs; i++) {
        const struct ew_insight_config *c = &insight->configs[i];
        const char *kv = ew_rating_kv(c->record->kv_type);
        bool again = false;
        for (size_t k = 0; k < n && !again; k++) again = files[k].model == c->model && same_text(files[k].kv, kv);
        if (!again) files[n++] = (struct score){c->model, kv, NAN, NAN, NAN, 0};
    }
    return n;
}

static void count_rated(struct rated *r) {
    r->n_rated = 0;
    for (size_t i = 0; i < r->n; i++) r->n_rated += isfinite(r->scores[i].value);
}

static const struct ew_insight_quality *figure_of(const struct ew_insight *insight, const struct score *file,
                                                  const struct ew_quality_record *like) {
    return ew_rating_figure(insight, file->model, file->kv, like);
}

/* How many files have a figure that compares with this one. */
static size_t files_with(const struct ew_insight *insight, const struct rated *r,
                         const struct ew_quality_record *like) {
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) n += figure_of(insight, &r->scores[i], like) != NULL;
    return n;
}

/* ---- tasks ---- */

/* Each task once. */
static size_t list_tasks(const struct ew_insight *insight, const struct ew_quality_record **tasks) {
    size_t n = 0;
    for (size_t i = 0; i < insight->n_qualities; i++) {
        const struct ew_quality_record *record = insight->qualities[i].record;
        bool again = !ew_rating_is_share(record);
        for (size_t k = 0; k < n && !again; k++) again = ew_rating_comparable(tasks[k], record);
        if (!again) tasks[n++] = record;
    }
    return n;
}

/* Keeps the tasks that every file with any task was asked; where there is none, the one that most were. */
static size_t keep_shared(const struct ew_insight *insight, const struct rated *r,
                          const struct ew_quality_record **tasks, size_t n_tasks) {
    size_t asked = 0, shared = 0, most = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool any = false;
        for (size_t t = 0; t < n_tasks && !any; t++) any = figure_of(insight, &r->scores[i], tasks[t]) != NULL;
        asked += any;
    }
    const struct ew_quality_record *best = NULL;
    for (size_t t = 0; t < n_tasks; t++) {
        size_t with = files_with(insight, r, tasks[t]);
        if (with > most) best = tasks[t], most = with;
        if (with == asked) tasks[shared++] = tasks[t];
    }
    if (!shared && best) tasks[shared++] = best;
    return shared;
}

/* Independent items: half-widths add as the root of the sum of their squares. */
static void rate_by_tasks(const struct ew_insight *insight, struct score *file,
                          const struct ew_quality_record *const *tasks, size_t n_tasks) {
    double sum = 0, chance = 0, below = 0, above = 0;
    for (size_t t = 0; t < n_tasks; t++) {
        const struct ew_insight_quality *q = figure_of(insight, file, tasks[t]);
        if (!q) return;
        sum += q->record->value;
        chance += isfinite(q->record->chance) ? q->record->chance : 0;
        below += pow(q->record->value - q->record->low, 2);
        above += pow(q->record->high - q->record->value, 2);
    }
    double n = (double)n_tasks;
    file->value = sum / n;
    file->chance = chance / n;
    file->low = file->value - sqrt(below) / n;
    file->high = file->value + sqrt(above) / n;
}

static const char *name_tasks(struct ew_insight *insight, const struct ew_quality_record *const *tasks, size_t n) {
    enum { NAMED = 4 };
    char names[NAMED * 72] = "";
    if (n == 1)
        return ew_words_keep(insight, "%s on %.60s",
                             same_text(tasks[0]->measure, "exact_match") ? "exact match"
                             : same_text(tasks[0]->measure, "last_word") ? "last words guessed"
                                                                         : "accuracy",
                             tasks[0]->data ? tasks[0]->data : "its items");
    for (size_t t = 0; t < n && t < NAMED; t++)
        ew_words_add(names, sizeof names, "%s%.60s",
                     !t           ? ""
                     : t + 1 == n ? " and "
                                  : ", ",
                     tasks[t]->data ? tasks[t]->data : "?");
    if (n > NAMED) ew_words_add(names, sizeof names, " and %zu more", n - NAMED);
    return ew_words_keep(insight, "mean accuracy over %s", names);
}

static enum ew_status rate_tasks(struct ew_insight *insight, struct rated *r, struct ew_error *err) {
    const struct ew_quality_record **tasks = calloc(insight->n_qualities + 1, sizeof *tasks);
    if (!tasks) return no_memory(err);
    size_t n = keep_shared(insight, r, tasks, list_tasks(insight, tasks));
    for (size_t i = 0; i < r->n && n; i++) rate_by_tasks(insight, &r->scores[i], tasks, n);
    count_rated(r);
    r->words = n ? name_tasks(insight, tasks, n) : "";
    free(tasks);
    return r->words ? EW_OK : no_memory(err);
}

/* ---- texts ---- */

/* The text whose perplexity most files have; the first where several do. NULL: none. */
static const struct ew_quality_record *find_text(const struct ew_insight *insight, const struct rated *r,
                                                 bool with_bytes) {
    const struct ew_quality_record *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < insight->n_qualities; i++) {
        const struct ew_insight_quality *q = &insight->qualities[i];
        if (!same_text(q->record->measure, "perplexity") || (with_bytes && !(q->figures.bits_per_byte > 0))) continue;
        size_t with = files_with(insight, r, q->record);
        if (with > most) best = q->record, most = with;
    }
    return best;
}

static enum ew_status rate_compression(struct ew_insight *insight, struct rated *r, struct ew_error *err) {
    const struct ew_quality_record *text = find_text(insight, r, true);
    for (size_t i = 0; i < r->n && text; i++) {
        const struct ew_insight_quality *q = figure_of(insight, &r->scores[i], text);
        if (!q || !(q->figures.bits_per_byte > 0)) continue;
        /* Bits are in proportion to the logarithm of the perplexity. */
        double nats = log(q->record->value), value = 8 / q->figures.bits_per_byte;
        r->scores[i] = (struct score){r->scores[i].model,
                                      r->scores[i].kv,
                                      value,
                                      value * nats / log(q->record->high),
                                      value * nats / log(q->record->low),
                                      1};
    }
    count_rated(r);
    r->words =
        text ? ew_words_keep(insight, "compression of %.60s (8 ÷ bits per byte)", text->data ? text->data : "its text")
             : "";
    return r->words ? EW_OK : no_memory(err);
}

/* Whether perplexities compare: files of one model, so of one vocabulary. */
static bool one_vocabulary(const struct ew_insight *insight, const struct rated *r,
                           const struct ew_quality_record *text, const struct score **largest) {
    *largest = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const struct score *file = &r->scores[i];
        if (!figure_of(insight, file, text)) continue;
        if (*largest && (!same_text(file->model->name, (*largest)->model->name) ||
                         file->model->n_vocab != (*largest)->model->n_vocab))
            return false;
        if (!*largest || file->model->file_bytes > (*largest)->model->file_bytes) *largest = file;
    }
    return *largest != NULL;
}

static enum ew_status rate_perplexity(struct ew_insight *insight, struct rated *r, struct ew_error *err) {
    const struct ew_quality_record *text = find_text(insight, r, false);
    const struct score *largest = NULL;
    bool compares = text && one_vocabulary(insight, r, text, &largest);
    double reference = compares ? figure_of(insight, largest, text)->record->value : NAN;
    for (size_t i = 0; i < r->n && compares; i++) {
        const struct ew_insight_quality *q = figure_of(insight, &r->scores[i], text);
        if (!q || !(q->record->value > 0)) continue;
        r->scores[i] = (struct score){r->scores[i].model,           r->scores[i].kv,
                                      reference / q->record->value, reference / q->record->high,
                                      reference / q->record->low,   0};
    }
    count_rated(r);
    r->words = compares ? ew_words_keep(insight, "perplexity of the largest file ÷ its own, on %.60s",
                                        text->data ? text->data : "its text")
                        : "";
    return r->words ? EW_OK : no_memory(err);
}

/* ---- the choice ---- */

typedef enum ew_status (*rater)(struct ew_insight *insight, struct rated *r, struct ew_error *err);

static void apply(struct ew_insight *insight, const struct rated *r) {
    for (size_t i = 0; i < insight->n_configs; i++) {
        struct ew_insight_config *c = &insight->configs[i];
        for (size_t k = 0; k < r->n; k++) {
            const struct score *s = &r->scores[k];
            if (s->model != c->model || !same_text(s->kv, ew_rating_kv(c->record->kv_type))) continue;
            c->quality = s->value;
            c->quality_low = s->low;
            c->quality_high = s->high;
            c->quality_chance = s->chance;
        }
    }
}

/* What rates most files wins; of equals, tasks before texts. */
enum ew_status ew_rating_find(struct ew_insight *insight, struct ew_error *err) {
    static const struct {
        enum ew_rating_basis basis;
        rater rate;
    } ways[] = {{EW_RATING_TASKS, rate_tasks},
                {EW_RATING_COMPRESSION, rate_compression},
                {EW_RATING_PERPLEXITY, rate_perplexity}};
    enum ew_status status = collect_figures(insight, err);
    if (status != EW_OK || !insight->n_qualities) return status;
    struct score *scores = calloc(insight->n_configs + 1, sizeof *scores);
    if (!scores) return no_memory(err);
    size_t most = 0;
    for (size_t w = 0; w < sizeof ways / sizeof *ways && status == EW_OK; w++) {
        struct rated r = {.scores = scores, .n = collect_files(insight, scores)};
        status = ways[w].rate(insight, &r, err);
        if (status != EW_OK || r.n_rated <= most) continue;
        most = r.n_rated;
        insight->rating = (struct ew_rating){ways[w].basis, r.words};
        apply(insight, &r);
    }
    free(scores);
    return status;
}

/* ---- what it costs ---- */

double ew_rating_per_joule(const struct ew_insight_config *c) {
    double joules = c->figure[EW_MEASURE_DECODE_ENERGY].value;
    return joules > 0 ? (c->quality - c->quality_chance) / joules : NAN;
}

double ew_rating_per_gb(const struct ew_insight_config *c) {
    double bytes = c->figure[EW_MEASURE_PEAK_MEMORY].value;
    return bytes > 0 ? (c->quality - c->quality_chance) / (bytes * 1e-9) : NAN;
}

size_t ew_rating_not_told_apart(const struct ew_insight *insight, const struct ew_insight_config *config) {
    size_t n = 0;
    if (!(config->quality_low < config->quality_high)) return 0;
    for (size_t i = 0; i < insight->n_configs; i++) {
        const struct ew_insight_config *c = &insight->configs[i];
        bool same_file = c->model == config->model && c->record && config->record &&
                         same_text(ew_rating_kv(c->record->kv_type), ew_rating_kv(config->record->kv_type));
        n += c->n_ok && !same_file && c->quality_low <= config->quality_high && c->quality_high >= config->quality_low;
    }
    return n;
}
