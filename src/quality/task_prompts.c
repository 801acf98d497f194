/* Owns the choice of examples and the joining of preamble, examples, context and ending. */
#include "quality/task_prompts.h"

#include "base/error.h"
#include "base/seeded_random.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *context_of(const struct ew_task_item *item, uint32_t ending) {
    return item->contexts ? item->contexts[ending] : item->context;
}

/* The source's items that may be examples of a group: its own, where both sets have groups; else all. */
static size_t list_candidates(const struct ew_task_set *source, const char *group, size_t *out) {
    bool grouped = false;
    for (size_t i = 0; i < source->n_groups; i++) grouped = grouped || source->groups[i].name[0];
    size_t n = 0;
    for (size_t i = 0; i < source->n_items; i++)
        if (!grouped || !group[0] || strcmp(source->groups[source->items[i].group].name, group) == 0) out[n++] = i;
    return n;
}

static enum ew_status write_head(const struct ew_task_set *set, const struct ew_task_set *source, uint32_t group,
                                 const size_t *chosen, uint32_t shots, char **head, struct ew_error *err) {
    size_t size = 0;
    FILE *out = open_memstream(head, &size);
    if (!out) return ew_error_set(err, EW_ERR_MEMORY, "examples: out of memory");
    fputs(set->groups[group].preamble, out);
    for (uint32_t i = 0; i < shots; i++) {
        const struct ew_task_item *item = &source->items[chosen[i]];
        const char *answer = item->worked ? item->worked : item->endings[item->answer];
        fprintf(out, "%s%s%s%s", context_of(item, item->answer), set->rules.delimiter, answer, set->rules.separator);
    }
    if (fclose(out) == 0 && *head) return EW_OK;
    return ew_error_set(err, EW_ERR_MEMORY, "examples: out of memory");
}

/* The head of one group; its examples are marked where they are items of the task itself. */
static enum ew_status make_head(struct ew_task_prompts *p, const struct ew_task_examples *examples, uint32_t group,
                                size_t *candidates, bool *is_example, struct ew_error *err) {
    const struct ew_task_set *source = examples->source ? examples->source : p->set;
    const char *name = p->set->groups[group].name;
    size_t n = examples->shots > 0 ? list_candidates(source, name, candidates) : 0;
    if (n < examples->shots)
        return ew_error_set(err, EW_ERR_ARGUMENT, "--shots: %u examples%s%s are wanted, %s has %zu", examples->shots,
                            name[0] ? " of " : "", name, source->files[0], n);
    uint64_t state = examples->seed;
    for (uint32_t i = 0; i < examples->shots; i++) {
        size_t other = examples->seed ? i + (size_t)ew_random_below(&state, n - i) : i, taken = candidates[other];
        candidates[other] = candidates[i];
        candidates[i] = taken;
        if (!examples->source) is_example[taken] = true;
    }
    return write_head(p->set, source, group, candidates, examples->shots, &p->heads[group], err);
}

static void list_items(struct ew_task_prompts *p, size_t most, const bool *is_example, size_t *in_group) {
    for (size_t i = 0; i < p->set->n_items; i++) {
        size_t *n = &in_group[p->set->items[i].group];
        if (is_example[i] || (most > 0 && *n == most)) continue;
        ++*n;
        p->items[p->n_items++] = i;
    }
}

enum ew_status ew_task_prompts_open(const struct ew_task_set *set, const struct ew_task_examples *examples,
                                    size_t most_items, struct ew_task_prompts *out, struct ew_error *err) {
    const struct ew_task_set *source = examples->source ? examples->source : set;
    if (source->rules.kind != set->rules.kind)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: items of kind %s cannot be examples for items of kind %s",
                            source->files[0], ew_task_kind_names[source->rules.kind],
                            ew_task_kind_names[set->rules.kind]);
    struct ew_task_prompts p = {.set = set};
    size_t *candidates = calloc(source->n_items + 1, sizeof *candidates);
    size_t *in_group = calloc(set->n_groups + 1, sizeof *in_group);
    bool *is_example = calloc(set->n_items + 1, sizeof *is_example);
    p.heads = calloc(set->n_groups + 1, sizeof *p.heads);
    p.items = calloc(set->n_items + 1, sizeof *p.items);
    enum ew_status status = EW_OK;
    if (!candidates || !in_group || !is_example || !p.heads || !p.items)
        status = ew_error_set(err, EW_ERR_MEMORY, "%zu items: out of memory", set->n_items);
    for (size_t i = 0; i < set->n_items && status == EW_OK; i++) in_group[set->items[i].group]++;
    for (uint32_t i = 0; i < set->n_groups && status == EW_OK; i++)
        if (in_group[i] > 0) status = make_head(&p, examples, i, candidates, is_example, err);
    if (status == EW_OK) {
        memset(in_group, 0, set->n_groups * sizeof *in_group);
        list_items(&p, most_items, is_example, in_group);
        if (p.n_items == 0)
            status =
                ew_error_set(err, EW_ERR_ARGUMENT, "--shots: all %zu items of %s are examples, none is left to score",
                             set->n_items, set->files[0]);
    }
    free(candidates);
    free(in_group);
    free(is_example);
    if (status == EW_OK)
        *out = p;
    else
        ew_task_prompts_close(&p);
    return status;
}

void ew_task_prompts_close(struct ew_task_prompts *p) {
    if (p->heads)
        for (size_t i = 0; i < p->set->n_groups; i++) free(p->heads[i]);
    free(p->heads);
    free(p->items);
    *p = (struct ew_task_prompts){0};
}

struct ew_task_pair ew_task_prompts_pair(const struct ew_task_prompts *p, const struct ew_task_item *item,
                                         uint32_t ending) {
    const char *head = p->heads[item->group], *context = context_of(item, ending);
    struct ew_task_pair pair = {0};
    int n = asprintf(&pair.before, "%s%s", head, context);
    if (n < 0) return (struct ew_task_pair){0};
    size_t end = (size_t)n;
    while (end > 0 && isspace((unsigned char)pair.before[end - 1])) end--;
    if (asprintf(&pair.behind, "%s%s%s", pair.before + end, p->set->rules.delimiter, item->endings[ending]) < 0) {
        free(pair.before);
        return (struct ew_task_pair){0};
    }
    pair.before[end] = 0;
    return pair;
}

char *ew_task_prompts_question(const struct ew_task_prompts *p, const struct ew_task_item *item) {
    char *text = NULL;
    return asprintf(&text, "%s%s", p->heads[item->group], context_of(item, 0)) < 0 ? NULL : text;
}
