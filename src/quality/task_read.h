/* Opens evaluation tasks: the project's own form and the files in which public data sets come, told apart by what is in
 * them. docs/tasks.md lists the forms. */
#ifndef EW_QUALITY_TASK_READ_H
#define EW_QUALITY_TASK_READ_H

#include "quality/task_set.h"

/* path: a file, or a folder of MMLU tables (or with a folder `test` of them). format: the name of a form; NULL: what
 * the file looks like. *out is the caller's: ew_task_set_close. Errors: NOT_FOUND, IO, MEMORY; ARGUMENT (no such form);
 * FORMAT, naming file, line, member, value and rule, also for a file without items. */
enum ew_status ew_task_open(const char *path, const char *format, struct ew_task_set **out, struct ew_error *err);

/* "edgewise, hellaswag, …": the names of all forms, for people. */
const char *ew_task_format_names(void);

#endif
