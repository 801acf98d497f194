/* See quality_json.h. Form: docs/report-data.md. */
#include "report/quality_json.h"

#include "insight/quality_steps.h"
#include "insight/rating.h"
#include "report/run_json.h"

#include <jansson.h>
#include <math.h>

static json_t *text_or_null(const char *text) { return text ? ew_json_text(text) : json_null(); }

json_t *ew_quality_json(const struct ew_insight *insight) {
    const struct ew_rating *r = &insight->rating;
    return json_pack("{s:o, s:o, s:s}", "basis", text_or_null(ew_rating_key(r->basis)), "words",
                     text_or_null(r->basis == EW_RATING_NONE ? NULL : r->words), "unit", ew_rating_unit(r->basis));
}

json_t *ew_config_quality_json(const struct ew_insight_config *c) {
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "file", (json_int_t)c->model->id, "quality",
                     ew_json_number(c->quality), "quality_low", ew_json_number(c->quality_low), "quality_high",
                     ew_json_number(c->quality_high), "quality_chance",
                     isnan(c->quality) ? json_null() : ew_json_number(c->quality_chance), "quality_per_joule",
                     ew_json_number(ew_rating_per_joule(c)), "quality_per_gb", ew_json_number(ew_rating_per_gb(c)));
}

/* What the evaluation printed, as an object; null where it is none. */
static json_t *figures_json(const char *text) {
    json_t *figures = text ? json_loads(text, 0, NULL) : NULL;
    if (json_is_object(figures)) return figures;
    json_decref(figures);
    return json_null();
}

static json_t *file_json(const struct ew_model_record *model, const char *kv_type) {
    return json_pack("{s:I, s:o, s:o, s:s, s:o}", "file", (json_int_t)model->id, "model", ew_json_text(model->name),
                     "type", ew_json_text(model->file_type), "kv_type", ew_rating_kv(kv_type), "file_size_bytes",
                     ew_json_integer(model->file_bytes));
}

/* Adds the keys of `more`, which it takes; NULL when either is. */
static json_t *joined(json_t *object, json_t *more) {
    if (object && more && json_object_update(object, more) == 0) {
        json_decref(more);
        return object;
    }
    json_decref(object);
    json_decref(more);
    return NULL;
}

json_t *ew_qualities_json(const struct ew_insight *insight) {
    json_t *list = json_array();
    for (size_t i = 0; i < insight->n_qualities; i++) {
        const struct ew_insight_quality *q = &insight->qualities[i];
        const struct ew_quality_record *r = q->record;
        json_t *figure =
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "measure",
                      ew_json_text(r->measure), "data", ew_json_text(r->data), "data_hash", text_or_null(r->data_hash),
                      "settings", text_or_null(r->settings), "reference", text_or_null(r->reference), "n",
                      ew_json_integer(r->n), "value", ew_json_number(r->value), "low", ew_json_number(r->low), "high",
                      ew_json_number(r->high), "chance", ew_json_number(r->chance), "seconds",
                      r->seconds_ns > 0 ? json_real((double)r->seconds_ns * 1e-9) : json_null(), "joules",
                      ew_json_number(r->joules), "made", ew_json_time(r->made_unix_ns), "version",
                      text_or_null(r->version), "figures", figures_json(r->figures_json));
        json_array_append_new(list, joined(file_json(q->model, r->kv_type), figure));
    }
    return list;
}

/* ---- steps ---- */

static json_t *perplexity_json(const struct ew_step_perplexity *p) {
    if (!p->data) return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "data", ew_json_text(p->data), "ratio",
                     ew_json_number(p->ratio), "low", ew_json_number(p->low), "high", ew_json_number(p->high), "paired",
                     p->paired, "told_apart", p->told_apart, "n", ew_json_integer(p->n));
}

static json_t *divergence_json(const struct ew_step_divergence *d) {
    if (!d->data) return json_null();
    return json_pack("{s:o, s:o, s:b, s:o, s:o, s:o}", "data", ew_json_text(d->data), "reference",
                     text_or_null(d->reference), "from_larger", d->from_larger, "kl", ew_json_number(d->kl),
                     "kl_before", ew_json_number(d->kl_before), "same_top", ew_json_number(d->same_top));
}

static json_t *tasks_json(const struct ew_quality_step *s) {
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_tasks; i++) {
        const struct ew_step_task *t = &s->tasks[i];
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "data", ew_json_text(t->data),
                                              "measure", ew_json_text(t->to->measure), "before",
                                              ew_json_number(t->from->value), "after", ew_json_number(t->to->value),
                                              "told_apart", t->told_apart, "n", ew_json_integer(t->to->n)));
    }
    return list;
}

json_t *ew_quality_steps_json(const struct ew_insight *insight) {
    json_t *list = json_array();
    for (size_t i = 0; i < insight->n_steps; i++) {
        const struct ew_quality_step *s = &insight->steps[i];
        json_array_append_new(
            list,
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o}", "text",
                      ew_json_text(s->text), "model", ew_json_text(s->to->name), "from", file_json(s->from, s->kv_from),
                      "to", file_json(s->to, s->kv_to), "size_ratio", ew_json_number(s->size_ratio), "memory_ratio",
                      ew_json_number(s->memory_ratio), "decode_ratio", ew_json_number(s->decode_ratio), "joules_ratio",
                      ew_json_number(s->joules_ratio), "decode_told_apart", s->decode_told_apart, "joules_told_apart",
                      s->joules_told_apart, "perplexity", perplexity_json(&s->perplexity), "divergence",
                      divergence_json(&s->divergence), "tasks", tasks_json(s)));
    }
    return list;
}

/* ---- answers ---- */

/* Of real models only: what random weights write is noise. */
json_t *ew_prompt_answers_json(const struct ew_insight *insight) {
    const struct ew_stored_study *study = insight->study;
    json_t *list = json_array();
    for (size_t i = 0; i < study->n_answers; i++) {
        const struct ew_answer_record *a = &study->answers[i];
        const struct ew_model_record *model = NULL;
        for (size_t m = 0; m < study->n_models && !model; m++)
            if (study->models[m].id == a->model_id) model = &study->models[m];
        if (!model || model->synthetic) continue;
        json_t *answer = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "set", ew_json_text(a->set), "position",
                                   ew_json_integer(a->position), "prompt", ew_json_text(a->prompt), "text",
                                   ew_json_text(a->text), "tokens", ew_json_integer(a->n_tokens), "most_tokens",
                                   ew_json_integer(a->n_most), "made", ew_json_time(a->made_unix_ns));
        json_array_append_new(list, joined(file_json(model, a->kv_type), answer));
    }
    return list;
}
