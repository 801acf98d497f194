/* Owns the project's own form of a task: lines of JSON, a header where one is wanted. docs/tasks.md describes it. */
#include "quality/task_reading.h"

#include <string.h>

/* ---- the header ---- */

static const char *const header_keys[] = {"task",     "kind", "normalize", "delimiter", "separator",
                                          "preamble", "stop", "tokens",    "match"};

static enum ew_status check_header_keys(const struct ew_task_reading *r, const json_t *object) {
    const int n = (int)(sizeof header_keys / sizeof *header_keys);
    for (void *at = json_object_iter((json_t *)object); at; at = json_object_iter_next((json_t *)object, at))
        if (ew_task_name_index(header_keys, n, json_object_iter_key(at)) < 0)
            return ew_task_refuse(r, "header: `%.60s` is not one of its members (docs/tasks.md lists them)",
                                  json_object_iter_key(at));
    return EW_OK;
}

/* A member that is one of n names; *out stays where it is missing. */
static enum ew_status read_name(const struct ew_task_reading *r, const json_t *object, const char *key,
                                const char *const *names, int n, int *out) {
    const char *text = NULL;
    enum ew_status status = ew_task_text_or(r, object, key, NULL, &text);
    if (status != EW_OK || !text) return status;
    int index = ew_task_name_index(names, n, text);
    char list[80] = "";
    for (int i = 0; i < n; i++) {
        strncat(list, i ? ", " : "", sizeof list - strlen(list) - 1);
        strncat(list, names[i], sizeof list - strlen(list) - 1);
    }
    if (index < 0) return ew_task_refuse(r, "`%s` is \"%.40s\": must be one of %s", key, text, list);
    *out = index;
    return EW_OK;
}

static enum ew_status read_stops(const struct ew_task_reading *r, const json_t *object, struct ew_task_rules *rules) {
    const char *const *stops;
    uint32_t n;
    if (!json_object_get(object, "stop")) return EW_OK;
    enum ew_status status = ew_task_texts(r, object, "stop", 0, &stops, &n);
    if (status != EW_OK) return status;
    if (n >= EW_TASK_MOST_STOPS)
        return ew_task_refuse(r, "`stop` has %u texts: must be at most %d", n, EW_TASK_MOST_STOPS - 1);
    memset(rules->stop, 0, sizeof rules->stop);
    for (uint32_t i = 0; i < n; i++) rules->stop[i] = stops[i];
    return EW_OK;
}

static enum ew_status read_header(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_set *set = r->set;
    struct ew_task_rules *rules = &set->rules;
    const char *preamble = "";
    int kind = EW_TASK_KINDS, length = rules->normalize, match = rules->match;
    uint32_t group, n_most = rules->n_most;
    enum ew_status status = check_header_keys(r, object);
    if (status == EW_OK) status = ew_task_text(r, object, "task", false, &set->name);
    if (status == EW_OK) status = read_name(r, object, "kind", ew_task_kind_names, EW_TASK_KINDS, &kind);
    if (status == EW_OK) status = read_name(r, object, "normalize", ew_task_length_names, EW_TASK_LENGTHS, &length);
    if (status == EW_OK) status = read_name(r, object, "match", ew_task_match_names, EW_TASK_MATCHES, &match);
    if (status == EW_OK) status = ew_task_text_or(r, object, "delimiter", rules->delimiter, &rules->delimiter);
    if (status == EW_OK) status = ew_task_text_or(r, object, "separator", rules->separator, &rules->separator);
    if (status == EW_OK) status = ew_task_text_or(r, object, "preamble", "", &preamble);
    if (status == EW_OK && json_object_get(object, "tokens"))
        status = ew_task_number(r, object, "tokens", 1, EW_TASK_MOST_TOKENS, &n_most);
    if (status == EW_OK) status = read_stops(r, object, rules);
    if (status != EW_OK) return status;
    rules->kind = (enum ew_task_kind)kind;
    rules->normalize = (enum ew_task_length)length;
    rules->match = (enum ew_task_match)match;
    rules->n_most = n_most;
    /* Made first, so that items without a group find it with this preamble. */
    return ew_task_set_group(set, "", preamble, &group) ? EW_OK : ew_task_no_memory(r);
}

/* ---- items ---- */

/* `answers` of a choice_multi: indices of the true endings. The best is the first, or `answer`. */
static enum ew_status read_truths(const struct ew_task_reading *r, const json_t *object, struct ew_task_item *item) {
    const json_t *list = json_object_get(object, "answers"), *value;
    size_t i, n_true = json_array_size(list);
    if (n_true == 0) return ew_task_refuse(r, "`answers` must be a list of the true endings' numbers");
    bool *is_true = ew_task_set_take(r->set, item->n_endings * sizeof *is_true);
    if (!is_true) return ew_task_no_memory(r);
    memset(is_true, 0, item->n_endings * sizeof *is_true);
    json_array_foreach(list, i, value) {
        json_int_t at = json_is_integer(value) ? json_integer_value(value) : -1;
        if (at < 0 || at >= (json_int_t)item->n_endings || is_true[at])
            return ew_task_refuse(r, "`answers[%zu]` must be a whole number from 0 to %u, each once", i,
                                  item->n_endings - 1);
        is_true[at] = true;
    }
    if (n_true == item->n_endings)
        return ew_task_refuse(r, "`answers`: all %zu endings are true, one must not be", n_true);
    item->is_true = is_true;
    item->answer = (uint32_t)json_integer_value(json_array_get(list, 0));
    if (!json_object_get(object, "answer")) return EW_OK;
    enum ew_status status = ew_task_number(r, object, "answer", 0, item->n_endings - 1, &item->answer);
    if (status == EW_OK && !is_true[item->answer])
        status = ew_task_refuse(r, "`answer` is %u: must be one of `answers`", item->answer);
    return status;
}

/* `contexts` and one `ending`: what is scored is the same text behind different beginnings. */
static enum ew_status read_contexts(const struct ew_task_reading *r, const json_t *object, struct ew_task_item *item) {
    const char *ending;
    enum ew_status status = ew_task_texts(r, object, "contexts", 2, &item->contexts, &item->n_endings);
    if (status == EW_OK) status = ew_task_text(r, object, "ending", false, &ending);
    if (status != EW_OK) return status;
    const char **endings = ew_task_set_take(r->set, item->n_endings * sizeof *endings);
    if (!endings) return ew_task_no_memory(r);
    for (uint32_t i = 0; i < item->n_endings; i++) endings[i] = ending;
    item->endings = endings;
    return EW_OK;
}

/* A text, or a list of texts, as the item's endings. */
static enum ew_status read_one_or_more(const struct ew_task_reading *r, const json_t *object, const char *key,
                                       struct ew_task_item *item) {
    if (json_is_array(json_object_get(object, key)))
        return ew_task_texts(r, object, key, 1, &item->endings, &item->n_endings);
    const char **one = ew_task_set_take(r->set, sizeof *one);
    if (!one) return ew_task_no_memory(r);
    item->endings = one;
    item->n_endings = 1;
    return ew_task_text(r, object, key, false, one);
}

static enum ew_status read_choices(const struct ew_task_reading *r, const json_t *object, struct ew_task_item *item) {
    if (json_object_get(object, "contexts")) return read_contexts(r, object, item);
    enum ew_status status = ew_task_text(r, object, "context", true, &item->context);
    return status == EW_OK ? ew_task_texts(r, object, "endings", 2, &item->endings, &item->n_endings) : status;
}

static enum ew_status read_item(const struct ew_task_reading *r, const json_t *object, struct ew_task_item *item) {
    enum ew_status status;
    switch (r->set->rules.kind) {
    case EW_TASK_CHOICE:
        status = read_choices(r, object, item);
        return status == EW_OK ? ew_task_number(r, object, "answer", 0, item->n_endings - 1, &item->answer) : status;
    case EW_TASK_CHOICE_MULTI:
        status = read_choices(r, object, item);
        return status == EW_OK ? read_truths(r, object, item) : status;
    case EW_TASK_LAST_WORD:
        status = ew_task_text(r, object, "context", false, &item->context);
        return status == EW_OK ? read_one_or_more(r, object, "ending", item) : status;
    case EW_TASK_GENERATE:
        status = ew_task_text(r, object, "context", false, &item->context);
        if (status == EW_OK) status = ew_task_text_or(r, object, "worked", NULL, &item->worked);
        return status == EW_OK ? read_one_or_more(r, object, "answer", item) : status;
    default: return ew_task_refuse(r, "`kind` is missing: the first item, or the header, must name one");
    }
}

enum ew_status ew_task_read_own(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_set *set = r->set;
    if (set->n_items == 0 && set->n_groups == 0 && json_object_get(object, "task")) return read_header(r, object);
    struct ew_task_item item = {0};
    const char *group = "";
    int kind = EW_TASK_KINDS;
    enum ew_status status = read_name(r, object, "kind", ew_task_kind_names, EW_TASK_KINDS, &kind);
    if (status != EW_OK) return status;
    if (kind < EW_TASK_KINDS) {
        if (set->rules.kind == EW_TASK_KINDS) set->rules.kind = (enum ew_task_kind)kind;
        if (set->rules.kind != (enum ew_task_kind)kind)
            return ew_task_refuse(r, "`kind` is \"%s\" after items of kind \"%s\": must be one in a task",
                                  ew_task_kind_names[kind], ew_task_kind_names[set->rules.kind]);
    }
    status = read_item(r, object, &item);
    if (status == EW_OK) status = ew_task_text_or(r, object, "group", "", &group);
    if (status == EW_OK && set->rules.kind == EW_TASK_LAST_WORD && item.n_endings != 1)
        status = ew_task_refuse(r, "`ending` has %u texts: must be one", item.n_endings);
    const char *preamble = set->n_groups > 0 ? set->groups[0].preamble : "";
    return status == EW_OK ? ew_task_add_item(r, item, group, preamble) : status;
}
