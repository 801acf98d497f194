/* An evaluation task in memory: items, and the rules by which they are asked and scored. docs/tasks.md has the form in
 * which tasks are written and the definition of every rule. Texts are NUL-terminated and live as long as the set. */
#ifndef EW_QUALITY_TASK_SET_H
#define EW_QUALITY_TASK_SET_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ew_task_kind {
    EW_TASK_CHOICE,       /* one of the endings is right */
    EW_TASK_CHOICE_MULTI, /* several are true: MC1 and MC2 */
    EW_TASK_GENERATE,     /* the model writes, and its answer is compared */
    EW_TASK_LAST_WORD,    /* the one ending is what really came next */
    EW_TASK_KINDS
};

/* What the log-likelihood of an ending is divided by before endings are compared. */
enum ew_task_length { EW_TASK_BY_NONE, EW_TASK_BY_TOKEN, EW_TASK_BY_BYTE, EW_TASK_BY_CHAR, EW_TASK_LENGTHS };

/* How a generated answer is compared. */
enum ew_task_match { EW_TASK_MATCH_TEXT, EW_TASK_MATCH_NUMBER, EW_TASK_MATCHES };

/* The names of the form: "choice_multi", "char", "number". */
extern const char *const ew_task_kind_names[EW_TASK_KINDS];
extern const char *const ew_task_length_names[EW_TASK_LENGTHS];
extern const char *const ew_task_match_names[EW_TASK_MATCHES];
/* The index of a name among n; -1 where it is none of them. */
int ew_task_name_index(const char *const *names, int n, const char *name);

enum {
    EW_TASK_MOST_STOPS = 8,
    EW_TASK_MOST_TOKENS = 1 << 16,
    EW_TASK_DEFAULT_TOKENS = 256,
    EW_TASK_MOST_ENDINGS = 256
};

struct ew_task_rules {
    enum ew_task_kind kind;
    enum ew_task_length normalize; /* of a choice: which accuracy is the figure */
    const char *delimiter;         /* between a context and its ending */
    const char *separator;         /* behind each example */
    /* Of a generated answer: it ends before the first of these, or after n_most tokens. */
    const char *stop[EW_TASK_MOST_STOPS]; /* NULL after the last */
    uint32_t n_most;
    enum ew_task_match match;
};

struct ew_task_item {
    const char *context;
    const char *const *contexts; /* [n_endings] where each ending has a context of its own; then context is NULL */
    const char *const *endings;  /* [n_endings] choices; or the answers that count as right; or the last word */
    uint32_t n_endings;
    uint32_t answer;     /* the right ending; of several true ones the best */
    const bool *is_true; /* [n_endings] of a choice_multi; else NULL */
    const char *worked;  /* what stands behind the context where the item is an example; NULL: the right ending */
    uint32_t group;
    uint32_t file, line; /* where it is written */
};

struct ew_task_group {
    const char *name;     /* "" for items without one */
    const char *preamble; /* before the examples */
};

struct ew_task_set {
    const char *name; /* "hellaswag" */
    struct ew_task_rules rules;
    struct ew_task_item *items;
    struct ew_task_group *groups;
    const char **files;
    size_t n_items, n_groups, n_files;
    uint64_t data_hash; /* XXH3 over the bytes of the files */
    /* Room of the three lists, and the memory of all texts: task_set.c's. */
    size_t item_room, group_room, file_room;
    struct ew_task_block *blocks;
};

struct ew_task_set *ew_task_set_new(void);        /* empty; NULL: out of memory */
void ew_task_set_close(struct ew_task_set **set); /* NULL and *NULL are fine */

/* Memory that lives as long as the set; NULL: out of memory. */
void *ew_task_set_take(struct ew_task_set *set, size_t size);
const char *ew_task_set_copy(struct ew_task_set *set, const char *text, size_t n_bytes);
__attribute__((format(printf, 2, 3))) const char *ew_task_set_print(struct ew_task_set *set, const char *format, ...);

/* Append; false: out of memory. */
bool ew_task_set_add(struct ew_task_set *set, const struct ew_task_item *item);
bool ew_task_set_add_file(struct ew_task_set *set, const char *path);
/* The group of this name, made where there is none yet. */
bool ew_task_set_group(struct ew_task_set *set, const char *name, const char *preamble, uint32_t *group);

#endif
