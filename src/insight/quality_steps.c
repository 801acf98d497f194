/* Owns what the smaller file of a model lost and gained against the next larger one, in figures and in words. Refuses
 * to claim a difference that the intervals do not show. The one number called quality is in rating.c. */
#include "insight/quality_steps.h"

#include "base/error.h"
#include "insight/rating.h"
#include "insight/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = 1024 };

typedef const struct ew_insight_config *config_ref;
typedef const struct ew_insight_quality *quality_ref;

static bool same_text(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

/* ---- the files ---- */

struct file {
    const struct ew_model_record *model;
    const char *kv;
};

/* Files with a figure, each once, in the order of the figures: models as the study names them. */
static size_t collect_files(const struct ew_insight *insight, struct file *files) {
    size_t n = 0;
    for (size_t i = 0; i < insight->n_qualities; i++) {
        const struct ew_model_record *model = insight->qualities[i].model;
        const char *kv = ew_rating_kv(insight->qualities[i].record->kv_type);
        bool again = false;
        for (size_t k = 0; k < n && !again; k++) again = files[k].model == model && same_text(files[k].kv, kv);
        if (!again) files[n++] = (struct file){model, kv};
    }
    return n;
}

/* The next larger file of the same model and KV type; for a KV type of its own also the same file with f16. */
static const struct file *next_larger(const struct file *files, size_t n, const struct file *of) {
    const struct file *best = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct file *f = &files[i];
        if (f == of || !same_text(f->model->name, of->model->name) || !same_text(f->kv, of->kv)) continue;
        bool larger =
            f->model->file_bytes > of->model->file_bytes || (f->model->file_bytes == of->model->file_bytes && f < of);
        if (larger && (!best || f->model->file_bytes < best->model->file_bytes)) best = f;
    }
    return best;
}

static const struct file *plain_kv(const struct file *files, size_t n, const struct file *of) {
    for (size_t i = 0; i < n; i++)
        if (files[i].model == of->model && !same_text(of->kv, "f16") && same_text(files[i].kv, "f16")) return &files[i];
    return NULL;
}

/* ---- speed and energy: two configurations that differ in the file alone ---- */

static bool alike_but_for_file(const struct ew_config_record *a, const struct ew_config_record *b) {
    return a->prefill_threads == b->prefill_threads && a->decode_threads == b->decode_threads &&
           a->prompt_tokens == b->prompt_tokens && a->generate_tokens == b->generate_tokens && a->depth == b->depth &&
           a->context == b->context && a->cpu_mask == b->cpu_mask && a->batch == b->batch &&
           a->sustained_ms == b->sustained_ms && a->frequency_cap_hz == b->frequency_cap_hz &&
           a->spin_us == b->spin_us && same_text(a->layout, b->layout) && same_text(a->engine, b->engine) &&
           same_text(a->cores, b->cores) && same_text(a->load, b->load) && same_text(a->backend, b->backend) &&
           same_text(a->speculate, b->speculate) && same_text(a->governor, b->governor) &&
           same_text(a->power_mode, b->power_mode) && same_text(a->epp, b->epp);
}

static bool is_of(config_ref c, const struct file *file) {
    return c->model == file->model && same_text(ew_rating_kv(c->record->kv_type), file->kv);
}

/* Of all such pairs the one in which the smaller file decodes fastest: that is how one would run it. */
static void find_pair(const struct ew_insight *insight, const struct file *from, const struct file *to,
                      struct ew_quality_step *step) {
    double best = 0;
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref b = &insight->configs[i];
        if (!is_of(b, to) || !(b->figure[EW_MEASURE_DECODE].value > best)) continue;
        for (size_t k = 0; k < insight->n_configs; k++) {
            config_ref a = &insight->configs[k];
            if (!is_of(a, from) || !a->n_ok || !alike_but_for_file(a->record, b->record)) continue;
            step->before = a;
            step->after = b;
            best = b->figure[EW_MEASURE_DECODE].value;
        }
    }
}

static double ratio_of(const struct ew_quality_step *s, enum ew_measure m) {
    return s->before ? s->after->figure[m].value / s->before->figure[m].value : NAN;
}

static bool told_apart(double low_a, double high_a, double low_b, double high_b) {
    return low_a > high_b || low_b > high_a;
}

static bool figures_told_apart(const struct ew_quality_step *s, enum ew_measure m) {
    if (!s->before) return false;
    const struct ew_figure *a = &s->before->figure[m], *b = &s->after->figure[m];
    return told_apart(a->low, a->high, b->low, b->high);
}

/* ---- quality ---- */

#define Z95 1.959963984540054 /* of the normal distribution: 95 % lie within */

/* What a divergence run calls its reference: name and type of the model; it ran with the plain KV type. */
static bool is_named(const char *reference, const struct file *file) {
    char name[256];
    snprintf(name, sizeof name, "%.100s %.20s", file->model->name ? file->model->name : "",
             file->model->file_type ? file->model->file_type : "");
    return reference && strcmp(reference, name) == 0 && same_text(file->kv, "f16");
}

/* The divergence of a file on the text of `like`, whatever was asked besides; NULL: none. */
static quality_ref divergence_on(const struct ew_insight *insight, const struct file *file,
                                 const struct ew_quality_record *like) {
    struct ew_quality_record wanted = *like;
    wanted.measure = "kl_divergence";
    return ew_rating_figure(insight, file->model, file->kv, &wanted);
}

/* Log ratio of the two perplexities with its standard error from paired differences; false: there are none. Both files
 * were held against one reference, or the larger one is the reference. */
static bool paired_log_ratio(const struct ew_insight *insight, const struct file *from, const struct file *to,
                             const struct ew_quality_record *like, double *value, double *error) {
    quality_ref b = divergence_on(insight, to, like), a = divergence_on(insight, from, like);
    if (!b || !isfinite(b->figures.log_ratio) || !isfinite(b->figures.log_ratio_error)) return false;
    if (is_named(b->record->reference, from)) {
        *value = b->figures.log_ratio;
        *error = b->figures.log_ratio_error;
        return true;
    }
    if (!a || !same_text(a->record->reference, b->record->reference) || !isfinite(a->figures.log_ratio_error))
        return false;
    *value = b->figures.log_ratio - a->figures.log_ratio;
    *error = hypot(a->figures.log_ratio_error, b->figures.log_ratio_error);
    return isfinite(*value);
}

static double log_error(const struct ew_quality_record *r) { return log(r->high / r->low) / (2 * Z95); }

static void hold_perplexities(const struct ew_insight *insight, const struct file *from, const struct file *to,
                              struct ew_step_perplexity *p) {
    for (size_t i = 0; i < insight->n_qualities; i++) {
        quality_ref b = &insight->qualities[i];
        if (b->model != to->model || !same_text(ew_rating_kv(b->record->kv_type), to->kv)) continue;
        bool is_perplexity = same_text(b->record->measure, "perplexity");
        if (!is_perplexity && !same_text(b->record->measure, "kl_divergence")) continue;
        double value = NAN, error = NAN;
        bool paired = paired_log_ratio(insight, from, to, b->record, &value, &error);
        quality_ref a = ew_rating_figure(insight, from->model, from->kv, b->record);
        if (!paired) {
            if (!is_perplexity || !a || from->model->n_vocab != to->model->n_vocab) continue;
            value = log(b->record->value / a->record->value);
            error = hypot(log_error(a->record), log_error(b->record));
        }
        if (p->data && (p->paired || !paired)) continue;
        *p = (struct ew_step_perplexity){.data = b->record->data ? b->record->data : "its text",
                                         .ratio = exp(value),
                                         .low = exp(value - Z95 * error),
                                         .high = exp(value + Z95 * error),
                                         .paired = paired,
                                         .n = b->record->n};
        p->told_apart = p->low > 1 || p->high < 1;
    }
}

static void find_divergence(const struct ew_insight *insight, const struct file *from, const struct file *to,
                            struct ew_step_divergence *d) {
    for (size_t i = 0; i < insight->n_qualities && !d->data; i++) {
        quality_ref b = &insight->qualities[i];
        if (b->model != to->model || !same_text(ew_rating_kv(b->record->kv_type), to->kv) ||
            !same_text(b->record->measure, "kl_divergence"))
            continue;
        quality_ref a = ew_rating_figure(insight, from->model, from->kv, b->record);
        bool same = a && same_text(a->record->reference, b->record->reference);
        *d = (struct ew_step_divergence){.data = b->record->data ? b->record->data : "its text",
                                         .reference = b->record->reference,
                                         .from_larger = is_named(b->record->reference, from),
                                         .kl = b->record->value,
                                         .same_top = b->figures.same_top,
                                         .kl_before = same ? a->record->value : NAN};
    }
}

static void hold_tasks(const struct ew_insight *insight, const struct file *from, const struct file *to,
                       struct ew_quality_step *step) {
    for (size_t i = 0; i < insight->n_qualities && step->n_tasks < EW_STEP_MOST_TASKS; i++) {
        quality_ref b = &insight->qualities[i];
        if (b->model != to->model || !same_text(ew_rating_kv(b->record->kv_type), to->kv) ||
            !ew_rating_is_share(b->record))
            continue;
        quality_ref a = ew_rating_figure(insight, from->model, from->kv, b->record);
        if (!a) continue;
        step->tasks[step->n_tasks++] =
            (struct ew_step_task){b->record->data ? b->record->data : "its items", a->record, b->record,
                                  told_apart(a->record->low, a->record->high, b->record->low, b->record->high)};
    }
}

/* ---- words ---- */

static void say_files(const struct ew_quality_step *s, char *text) {
    const char *from = s->from->file_type ? s->from->file_type : "?", *to = s->to->file_type ? s->to->file_type : "?";
    if (s->from == s->to)
        ew_words_add(text, TEXT_SIZE, "%.40s, KV %.20s → %.20s: ", to, s->kv_from, s->kv_to);
    else if (same_text(s->kv_to, "f16"))
        ew_words_add(text, TEXT_SIZE, "%.40s → %.40s: ", from, to);
    else
        ew_words_add(text, TEXT_SIZE, "%.40s → %.40s, KV %.20s: ", from, to, s->kv_to);
}

/* What stands between two clauses; nothing at the beginning. */
static void begin_clause(char *text, const char *mark) {
    size_t n = strlen(text);
    bool first = n > 1 && text[n - 2] == ':';
    if (!first) ew_words_add(text, TEXT_SIZE, "%s ", mark);
}

/* "41 % smaller", "12 % slower decode", "1.6 times faster decode". more, less: the words for either way. */
static void say_ratio(char *text, double ratio, const char *more, const char *less, bool as_factor) {
    double percent = 100 * fabs(ratio - 1);
    if (as_factor && ratio >= 1.2)
        ew_words_add(text, TEXT_SIZE, "%.*f times %s", ratio < 10 ? 1 : 0, ratio, more);
    else
        ew_words_add(text, TEXT_SIZE, "%.*f %% %s", percent < 1 ? 1 : 0, percent, ratio > 1 ? more : less);
}

static void say_costs(const struct ew_quality_step *s, char *text) {
    if (s->from == s->to && isfinite(s->memory_ratio))
        say_ratio(text, s->memory_ratio, "more peak memory", "less peak memory", false);
    else if (s->from != s->to && fabs(s->size_ratio - 1) < 0.0005)
        ew_words_add(text, TEXT_SIZE, "as large");
    else if (s->from != s->to && isfinite(s->size_ratio))
        say_ratio(text, s->size_ratio, "larger", "smaller", false);
    if (isfinite(s->decode_ratio)) {
        begin_clause(text, ",");
        if (s->decode_told_apart)
            say_ratio(text, s->decode_ratio, "faster decode", "slower decode", true);
        else
            ew_words_add(text, TEXT_SIZE, "decode speed not told apart");
    }
    if (!isfinite(s->joules_ratio)) return;
    begin_clause(text, ",");
    if (s->joules_told_apart)
        say_ratio(text, s->joules_ratio, "more energy per token", "less energy per token", false);
    else
        ew_words_add(text, TEXT_SIZE, "energy per token not told apart");
}

static void say_not_told_apart(char *text, int64_t n, const char *of_what) {
    char number[EW_NUMBER_SIZE];
    ew_words_number(number, n > 0 ? (double)n : NAN, 0);
    ew_words_add(text, TEXT_SIZE, ": not told apart by %s %s", n > 0 ? number : "these", of_what);
}

/* "+0.5 %", with the sign of either way. */
static void add_change(char *text, double ratio, int decimals) {
    double percent = 100 * (ratio - 1);
    char number[EW_NUMBER_SIZE];
    ew_words_number(number, fabs(percent), decimals);
    ew_words_add(text, TEXT_SIZE, "%s%s", percent < 0 ? "−" : "+", number);
}

/* The first digit of the half-width, in percentage points: +0.1 (−0.1 … +0.3), but +0.012 (+0.008 … +0.016). */
static int decimals_of_change(double half) {
    if (!(half > 0)) return 1;
    int digits = -(int)floor(log10(half));
    return digits < 0 ? 0 : digits > 4 ? 4 : digits;
}

static void say_perplexity(const struct ew_step_perplexity *p, char *text) {
    if (!p->data) return;
    int decimals = decimals_of_change(50 * (p->high - p->low));
    begin_clause(text, ";");
    ew_words_add(text, TEXT_SIZE, "perplexity on %.60s ", p->data);
    add_change(text, p->ratio, decimals);
    ew_words_add(text, TEXT_SIZE, " %% (");
    add_change(text, p->low, decimals);
    ew_words_add(text, TEXT_SIZE, " … ");
    add_change(text, p->high, decimals);
    ew_words_add(text, TEXT_SIZE, ")");
    if (!p->told_apart) say_not_told_apart(text, p->n, "tokens");
}

static void say_divergence(const struct ew_step_divergence *d, char *text) {
    char number[EW_NUMBER_SIZE];
    if (!d->data) return;
    ew_words_number(number, d->kl, -1);
    begin_clause(text, ";");
    ew_words_add(text, TEXT_SIZE, "KL divergence ");
    if (!d->from_larger && d->reference) ew_words_add(text, TEXT_SIZE, "from %.100s ", d->reference);
    ew_words_add(text, TEXT_SIZE, "%s nats", number);
    if (isfinite(d->kl_before)) {
        ew_words_number(number, d->kl_before, -1);
        ew_words_add(text, TEXT_SIZE, " (the larger file: %s)", number);
    }
    if (isfinite(d->same_top)) {
        double percent = 100 * d->same_top; /* 99.6 % is not 100 % */
        ew_words_add(text, TEXT_SIZE, ", top token the same in %.*f %%", percent > 99 ? 1 : 0, percent);
    }
}

static const char *share_name(const struct ew_quality_record *r) {
    return same_text(r->measure, "exact_match") ? "exact match"
           : same_text(r->measure, "last_word") ? "last words"
                                                : "accuracy";
}

static void say_task(const struct ew_step_task *t, char *text) {
    const struct ew_quality_record *a = t->from, *b = t->to;
    bool guessing = a->low <= a->chance && a->chance <= a->high && b->low <= b->chance && b->chance <= b->high;
    begin_clause(text, ";");
    ew_words_add(text, TEXT_SIZE, "%s on %.60s %.0f %% → %.0f %%", share_name(b), t->data, 100 * a->value,
                 100 * b->value);
    if (guessing)
        ew_words_add(text, TEXT_SIZE, ": neither is told apart from guessing (%.0f %%)", 100 * b->chance);
    else if (!t->told_apart)
        say_not_told_apart(text, b->n, "items");
}

static const char *say_step(struct ew_insight *insight, const struct ew_quality_step *s) {
    enum { SAID = 3 };
    char text[TEXT_SIZE] = "";
    say_files(s, text);
    say_costs(s, text);
    say_perplexity(&s->perplexity, text);
    say_divergence(&s->divergence, text);
    for (size_t i = 0; i < s->n_tasks && i < SAID; i++) say_task(&s->tasks[i], text);
    if (s->n_tasks > SAID) ew_words_add(text, TEXT_SIZE, "; and %zu more tasks", s->n_tasks - SAID);
    return ew_words_keep(insight, "%s.", text);
}

/* ---- the whole ---- */

/* false: nothing compares. */
static bool make_step(const struct ew_insight *insight, const struct file *from, const struct file *to,
                      struct ew_quality_step *step) {
    *step = (struct ew_quality_step){
        .from = from->model, .to = to->model, .kv_from = from->kv, .kv_to = to->kv, .size_ratio = NAN};
    hold_perplexities(insight, from, to, &step->perplexity);
    find_divergence(insight, from, to, &step->divergence);
    hold_tasks(insight, from, to, step);
    if (!step->perplexity.data && !step->divergence.data && !step->n_tasks) return false;
    find_pair(insight, from, to, step);
    if (from->model->file_bytes > 0 && to->model->file_bytes > 0)
        step->size_ratio = (double)to->model->file_bytes / (double)from->model->file_bytes;
    step->memory_ratio = ratio_of(step, EW_MEASURE_PEAK_MEMORY);
    step->decode_ratio = ratio_of(step, EW_MEASURE_DECODE);
    step->joules_ratio = ratio_of(step, EW_MEASURE_DECODE_ENERGY);
    step->decode_told_apart = figures_told_apart(step, EW_MEASURE_DECODE);
    step->joules_told_apart = figures_told_apart(step, EW_MEASURE_DECODE_ENERGY);
    return true;
}

static bool add_step(struct ew_insight *insight, const struct file *from, const struct file *to) {
    struct ew_quality_step step;
    if (!from || !make_step(insight, from, to, &step)) return true;
    step.text = say_step(insight, &step);
    insight->steps[insight->n_steps++] = step;
    return step.text != NULL;
}

/* By model, then from the largest file down. */
static int compare_steps(const void *pa, const void *pb) {
    const struct ew_quality_step *a = pa, *b = pb;
    return (a->from->file_bytes < b->from->file_bytes) - (a->from->file_bytes > b->from->file_bytes);
}

enum ew_status ew_quality_steps_find(struct ew_insight *insight, struct ew_error *err) {
    size_t n = 0, begun = 0;
    struct file *files = calloc(insight->n_qualities + 1, sizeof *files);
    if (files) n = collect_files(insight, files);
    insight->steps = calloc(2 * n + 1, sizeof *insight->steps);
    bool ok = files && insight->steps;
    for (size_t i = 0; i < n && ok; i++) {
        ok = add_step(insight, next_larger(files, n, &files[i]), &files[i]) &&
             add_step(insight, plain_kv(files, n, &files[i]), &files[i]);
        bool last = i + 1 == n || !same_text(files[i].model->name, files[i + 1].model->name);
        if (!last) continue;
        qsort(insight->steps + begun, insight->n_steps - begun, sizeof *insight->steps, compare_steps);
        begun = insight->n_steps;
    }
    free(files);
    return ok ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "quality: out of memory");
}
