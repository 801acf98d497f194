/* Owns the words and the JSON of edgewise eval --task. */
#include "cli/eval_task_view.h"

#include "base/text_parts.h"
#include "report/run_json.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *source_name(const struct ew_eval_task_result *r) {
    return r->examples.source ? r->examples.source->name : r->set->name;
}

void ew_eval_task_settings(const struct ew_eval_task_result *r, char settings[EW_TASK_SETTINGS]) {
    const struct ew_task_rules *rules = &r->set->rules;
    snprintf(settings, EW_TASK_SETTINGS, "%s", ew_task_kind_names[rules->kind]);
    if (rules->kind == EW_TASK_CHOICE)
        ew_text_add_part(settings, EW_TASK_SETTINGS, ", ", "by %s", ew_task_length_names[rules->normalize]);
    if (rules->kind == EW_TASK_GENERATE)
        ew_text_add_part(settings, EW_TASK_SETTINGS, ", ", "%" PRIu32 " tokens", rules->n_most);
    ew_text_add_part(settings, EW_TASK_SETTINGS, ", ", "%" PRIu32 " shots", r->examples.shots);
    if (r->examples.shots > 0) ew_text_add_part(settings, EW_TASK_SETTINGS, " of ", "%s", source_name(r));
    if (r->examples.seed) ew_text_add_part(settings, EW_TASK_SETTINGS, ", ", "seed %" PRIu64, r->examples.seed);
    if (r->most_items)
        ew_text_add_part(settings, EW_TASK_SETTINGS, ", ", "first %" PRIu32 " items%s", r->most_items,
                         r->set->n_groups > 1 ? " of each group" : "");
    if (r->result.n_skipped)
        ew_text_add_part(settings, EW_TASK_SETTINGS, ", ", "%" PRIu64 " left out", r->result.n_skipped);
}

/* ---- text ---- */

static bool is_perplexity(const struct ew_task_figure *f) { return strcmp(f->name, "perplexity") == 0; }

void ew_eval_task_show_progress(size_t done, size_t total, const struct ew_task_result *result) {
    const struct ew_task_figure *f = &result->figures[result->main];
    fprintf(stderr, "\r%zu of %zu items", done, total);
    if (result->n) fprintf(stderr, " · %s %.2f %% ", f->name, 100 * f->value);
}

static void print_figure(const struct ew_task_figure *f) {
    double scale = is_perplexity(f) ? 1 : 100;
    const char *unit = is_perplexity(f) ? "" : " %";
    printf("%s %.2f%s", f->name, scale * f->value, unit);
    if (!isnan(f->low)) printf(" (%.2f … %.2f)", scale * f->low, scale * f->high);
    if (!isnan(f->chance)) printf(" · chance %.2f%s", scale * f->chance, unit);
    putchar('\n');
}

enum { MOST_GROUP_LINES = 64 };

static void print_groups(const struct ew_eval_task_result *r) {
    for (size_t i = 0; i < r->set->n_groups && i < MOST_GROUP_LINES && r->set->n_groups > 1; i++) {
        if (r->groups[i].n == 0) continue;
        printf("  %-36s %6.2f %% of %" PRIu64 "\n", r->set->groups[i].name[0] ? r->set->groups[i].name : "(no group)",
               100 * (double)r->groups[i].right / (double)r->groups[i].n, r->groups[i].n);
    }
}

void ew_eval_task_print(const struct ew_eval_task_result *r) {
    char settings[EW_TASK_SETTINGS];
    print_figure(&r->result.figures[r->result.main]);
    for (size_t i = 0; i < r->result.n_figures; i++)
        if (i != r->result.main) {
            fputs("  ", stdout);
            print_figure(&r->result.figures[i]);
        }
    print_groups(r);
    ew_eval_task_settings(r, settings);
    printf("%s · %" PRIu64 " items · %s\n", r->path, r->result.n, settings);
    printf("%" PRIu64 " tokens evaluated in %.1f s\n", r->n_evaluated, r->seconds);
    if (r->result.n_skipped)
        printf("%" PRIu64 " items are longer than the context of %" PRIu32 " tokens and were left out\n",
               r->result.n_skipped, r->n_ctx);
    if (r->synthetic) puts("synthetic weights: these figures say nothing about a model");
    if (r->items_out) printf("items written to %s\n", r->items_out);
}

/* ---- JSON ---- */

static json_t *figure_json(const struct ew_task_figure *f) {
    return json_pack("{s:o, s:o, s:o, s:o}", "value", ew_json_number(f->value), "low", ew_json_number(f->low), "high",
                     ew_json_number(f->high), "chance", ew_json_number(f->chance));
}

static json_t *groups_json(const struct ew_eval_task_result *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->set->n_groups; i++)
        if (r->groups[i].n > 0)
            json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name", r->set->groups[i].name, "items",
                                                  (json_int_t)r->groups[i].n, "right", (json_int_t)r->groups[i].right));
    return list;
}

/* What examples there were, and what ends an answer. */
static void set_rules(json_t *task, const struct ew_eval_task_result *r) {
    const struct ew_task_rules *rules = &r->set->rules;
    json_object_set_new(task, "shots", json_integer(r->examples.shots));
    if (r->examples.shots) json_object_set_new(task, "shots_from", json_string(source_name(r)));
    json_object_set_new(task, "seed", json_integer((json_int_t)r->examples.seed));
    if (rules->kind == EW_TASK_CHOICE)
        json_object_set_new(task, "normalize", json_string(ew_task_length_names[rules->normalize]));
    if (rules->kind != EW_TASK_GENERATE) return;
    json_t *stop = json_array();
    for (int i = 0; i < EW_TASK_MOST_STOPS && rules->stop[i]; i++)
        json_array_append_new(stop, json_string(rules->stop[i]));
    json_object_set_new(task, "tokens", json_integer(rules->n_most));
    json_object_set_new(task, "match", json_string(ew_task_match_names[rules->match]));
    json_object_set_new(task, "stop", stop);
}

json_t *ew_eval_task_json(const struct ew_eval_task_result *r) {
    const struct ew_task_figure *main = &r->result.figures[r->result.main];
    char settings[EW_TASK_SETTINGS], hash[17];
    ew_eval_task_settings(r, settings);
    snprintf(hash, sizeof hash, "%016" PRIx64, r->set->data_hash);
    json_t *figures = json_object();
    for (size_t i = 0; i < r->result.n_figures; i++)
        json_object_set_new(figures, r->result.figures[i].name, figure_json(&r->result.figures[i]));
    json_t *task = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:f}", "task", r->set->name,
        "path", r->path, "data_hash", hash, "kind", ew_task_kind_names[r->set->rules.kind], "settings", settings,
        "measure", r->result.measure, "items", (json_int_t)r->result.n, "skipped", (json_int_t)r->result.n_skipped,
        "figure", main->name, "value", ew_json_number(main->value), "low", ew_json_number(main->low), "high",
        ew_json_number(main->high), "chance", ew_json_number(main->chance), "figures", figures, "groups",
        groups_json(r), "evaluated_tokens", (json_int_t)r->n_evaluated, "seconds", r->seconds);
    if (!task) return NULL;
    set_rules(task, r);
    return json_pack("{s:s, s:b, s:I, s:[o]}", "model", r->model, "synthetic", (int)r->synthetic, "context",
                     (json_int_t)r->n_ctx, "tasks", task);
}

/* ---- items ---- */

static json_t *endings_json(const struct ew_task_outcome *o) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < o->item->n_endings; i++) {
        const struct ew_ending_score *e = &o->endings[i];
        json_array_append_new(list, json_pack("{s:f, s:f, s:I, s:I, s:I, s:b}", "log_p", e->log_p, "token_mean",
                                              e->token_mean, "tokens", (json_int_t)e->n_tokens, "bytes",
                                              (json_int_t)e->n_bytes, "chars", (json_int_t)e->n_chars, "greedy",
                                              (int)e->greedy));
    }
    return list;
}

static json_t *item_json(const struct ew_task_set *set, const struct ew_task_item *item) {
    json_t *object = json_pack("{s:I, s:s, s:I}", "item", (json_int_t)(item - set->items), "file",
                               set->files[item->file], "line", (json_int_t)item->line);
    const char *group = set->groups[item->group].name;
    if (group[0]) json_object_set_new(object, "group", json_string(group));
    return object;
}

/* The texts of a model may be no UTF-8: a character cut in two at the last token. */
static json_t *generated_json(const char *text) {
    json_t *string = json_string(text);
    return string ? string : json_stringn_nocheck("\xef\xbf\xbd", 3);
}

json_t *ew_eval_item_json(const struct ew_task_set *set, const struct ew_task_outcome *o) {
    json_t *object = item_json(set, o->item);
    if (o->skipped) {
        json_object_set_new(object, "skipped", json_true());
        return object;
    }
    json_object_set_new(object, "right", json_boolean(o->right));
    if (set->rules.kind == EW_TASK_GENERATE) {
        json_object_set_new(object, "text", generated_json(o->text));
        json_object_set_new(object, "tokens", json_integer(o->n_tokens));
        json_object_set_new(object, "flexible", json_boolean(o->match.flexible));
        return object;
    }
    if (set->rules.kind == EW_TASK_CHOICE) {
        json_object_set_new(object, "answer", json_integer(o->item->answer));
        json_object_set_new(object, "chosen", json_integer(o->chosen[set->rules.normalize]));
        for (int by = 0; by < EW_TASK_LENGTHS; by++) {
            char key[32];
            snprintf(key, sizeof key, "chosen_%s", ew_task_length_names[by]);
            json_object_set_new(object, key, json_integer(o->chosen[by]));
        }
    }
    if (set->rules.kind == EW_TASK_CHOICE_MULTI) {
        json_object_set_new(object, "answer", json_integer(o->item->answer));
        json_object_set_new(object, "true_mass", ew_json_number(o->true_mass));
    }
    json_object_set_new(object, "endings", endings_json(o));
    return object;
}

json_t *ew_eval_prompt_json(const struct ew_task_prompts *p, const struct ew_task_item *item) {
    json_t *object = item_json(p->set, item), *prompts = json_array(), *endings = json_array();
    const bool generates = p->set->rules.kind == EW_TASK_GENERATE;
    bool whole = object != NULL;
    for (uint32_t i = 0; i < item->n_endings && whole; i++) {
        struct ew_task_pair pair = {0};
        if (!generates)
            pair = ew_task_prompts_pair(p, item, i);
        else if ((pair.before = ew_task_prompts_question(p, item)))
            pair.behind = strdup(item->endings[i]);
        whole = pair.before && pair.behind;
        if (whole && (i == 0 || item->contexts)) json_array_append_new(prompts, json_string(pair.before));
        if (whole) json_array_append_new(endings, json_string(pair.behind));
        free(pair.before);
        free(pair.behind);
    }
    json_object_set_new(object, "prompts", prompts);
    json_object_set_new(object, generates ? "answers" : "endings", endings);
    if (!generates) json_object_set_new(object, "answer", json_integer(item->answer));
    if (whole) return object;
    json_decref(object);
    return NULL;
}
