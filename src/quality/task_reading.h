/* What the readers of task files share: where they are, how they refuse, and members of a line of JSON. Every refusal
 * names file, line, member, value and rule. Inside the room. */
#ifndef EW_QUALITY_TASK_READING_H
#define EW_QUALITY_TASK_READING_H

#include "quality/task_set.h"
#include <jansson.h>

struct ew_task_reading {
    struct ew_task_set *set;
    const char *file;
    const char *text; /* [n_bytes] */
    size_t n_bytes;
    uint32_t line, file_index;
    struct ew_error *err;
};

/* FORMAT: "FILE: line N: " and the message. */
__attribute__((format(printf, 2, 3))) enum ew_status ew_task_refuse(const struct ew_task_reading *r, const char *format,
                                                                    ...);
enum ew_status ew_task_no_memory(const struct ew_task_reading *r);

/* A member's text, copied into the set. Missing, of another type, or empty (unless that is allowed): FORMAT. */
enum ew_status ew_task_text(const struct ew_task_reading *r, const json_t *object, const char *key, bool may_be_empty,
                            const char **out);
/* The same where the member may be missing: *out is `otherwise` then. */
enum ew_status ew_task_text_or(const struct ew_task_reading *r, const json_t *object, const char *key,
                               const char *otherwise, const char **out);
/* A list of `least` texts or more, none empty. */
enum ew_status ew_task_texts(const struct ew_task_reading *r, const json_t *object, const char *key, size_t least,
                             const char *const **out, uint32_t *n);
/* A whole number least … most, or a text that is one. */
enum ew_status ew_task_number(const struct ew_task_reading *r, const json_t *object, const char *key, uint32_t least,
                              uint32_t most, uint32_t *out);

/* Adds an item with the reading's file and line, and the group of this name ("" for none). */
enum ew_status ew_task_add_item(const struct ew_task_reading *r, struct ew_task_item item, const char *group,
                                const char *preamble);

/* ---- readers ---- */

/* Files of JSON lines: our own form and those of public data sets. */
struct ew_task_json_form {
    const char *name, *words;
    const char *keys[4]; /* members by which the first object is recognised */
    struct ew_task_rules rules;
    enum ew_status (*read)(struct ew_task_reading *r, const json_t *object);
};
extern const struct ew_task_json_form ew_task_json_forms[];
extern const size_t ew_task_json_form_count;

/* One line of the project's own form: header or item. */
enum ew_status ew_task_read_own(struct ew_task_reading *r, const json_t *object);

/* Whole files of other forms; each sets the rules, too. */
bool ew_task_is_hellaswag_text(const char *text, size_t n_bytes);
enum ew_status ew_task_read_hellaswag_text(struct ew_task_reading *r);
enum ew_status ew_task_read_truthfulqa(struct ew_task_reading *r);
enum ew_status ew_task_read_mmlu(struct ew_task_reading *r);

/* The next line of the text at *at, without its end; false at the end of the text. Counts in r->line. */
bool ew_task_next_line(struct ew_task_reading *r, size_t *at, const char **line, size_t *n);

#endif
