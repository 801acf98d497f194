/* What a model is asked: which items of a task are scored, and what stands before each: the preamble and the examples
 * of its group. Examples are the same for all items of a group, so that they are computed once. */
#ifndef EW_QUALITY_TASK_PROMPTS_H
#define EW_QUALITY_TASK_PROMPTS_H

#include "quality/task_set.h"

struct ew_task_examples {
    uint32_t shots;                   /* examples before each item */
    const struct ew_task_set *source; /* where they are from; NULL: the task itself, whose items they then are not */
    uint64_t seed;                    /* 0: the first of the source; else drawn by it */
};

struct ew_task_prompts {
    const struct ew_task_set *set; /* the caller's */
    size_t *items;                 /* [n_items] indices of the items that are scored */
    size_t n_items;
    char **heads; /* [set->n_groups] */
};

/* most_items: the first so many of each group; 0: all. Errors: MEMORY; ARGUMENT (fewer examples than shots, examples of
 * another kind, no item left). */
enum ew_status ew_task_prompts_open(const struct ew_task_set *set, const struct ew_task_examples *examples,
                                    size_t most_items, struct ew_task_prompts *out, struct ew_error *err);
void ew_task_prompts_close(struct ew_task_prompts *prompts);

/* What stands before ending i of an item, head included; the ending as it is scored, behind its delimiter. White space
 * at the end of the first is moved to the beginning of the second, so that words are cut into tokens as in running
 * text. Both are the caller's (free), NULL: out of memory. */
struct ew_task_pair {
    char *before, *behind;
};
struct ew_task_pair ew_task_prompts_pair(const struct ew_task_prompts *prompts, const struct ew_task_item *item,
                                         uint32_t ending);
/* The same without an ending, for a task whose answer is generated: nothing is moved. */
char *ew_task_prompts_question(const struct ew_task_prompts *prompts, const struct ew_task_item *item);

#endif
