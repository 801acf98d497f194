/* Whether a generated answer is one of those that count. Pure functions. Source of the rules: the tasks gsm8k and
 * triviaqa of lm-evaluation-harness (filters and exact match), in words in docs/tasks.md. */
#ifndef EW_QUALITY_ANSWER_MATCH_H
#define EW_QUALITY_ANSWER_MATCH_H

#include "quality/task_set.h"

struct ew_answer_match {
    bool strict;   /* text: equal but for case and punctuation. number: the one behind the first "#### " is equal */
    bool flexible; /* number: the last one in the text is equal; text: as strict */
};

struct ew_answer_match ew_answer_matches(enum ew_task_match how, const char *const *answers, uint32_t n,
                                         const char *text);

/* Where a number is in text: *n its bytes; NULL: there is none. */
const char *ew_answer_strict_number(const char *text, size_t *n);
const char *ew_answer_last_number(const char *text, size_t *n);

#endif
