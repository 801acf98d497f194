/* A fixed set of prompts: a file with a JSON object a line, {"prompt": "…"}. docs/eval.md, "Answers". */
#ifndef EW_STUDY_PROMPT_SET_H
#define EW_STUDY_PROMPT_SET_H

#include "edgewise/status.h"
#include <stddef.h>

enum { EW_PROMPT_SET_MOST = 10000 };

struct ew_prompt_set {
    char *name;     /* of the file, without folder and ending */
    char **prompts; /* [n] */
    size_t n;
};

/* Members beside `prompt` are for whoever reads the file; empty lines are skipped. Errors: NOT_FOUND, PERMISSION, IO;
 * FORMAT with file, line and rule; MEMORY. *out: ew_prompt_set_close. */
enum ew_status ew_prompt_set_read(const char *path, struct ew_prompt_set *out, struct ew_error *err);
void ew_prompt_set_close(struct ew_prompt_set *set);

#endif
