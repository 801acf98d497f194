/* What the template language has built in, by name, and how arguments meet parameters. */
#ifndef EW_CHAT_BUILTIN_H
#define EW_CHAT_BUILTIN_H

#include "chat/chat_print.h"

/* NULL when there is none of that name (a string). */
const struct ew_chat_builtin *ew_chat_find_filter(struct ew_chat_value name);
const struct ew_chat_builtin *ew_chat_find_test(struct ew_chat_value name);
const struct ew_chat_builtin *ew_chat_find_function(struct ew_chat_value name); /* range, dict … */
const struct ew_chat_builtin *ew_chat_find_method(struct ew_chat_value owner, struct ew_chat_value name);

/* Runs a builtin on positional (a list) and named (a dict) arguments; fails where they do not fit its parameters. */
struct ew_chat_value ew_chat_run_builtin(struct ew_chat_machine *m, const struct ew_chat_builtin *builtin,
                                         struct ew_chat_value subject, struct ew_chat_value positional,
                                         struct ew_chat_value named);
/* As above, by the name of a filter or test; fails when there is none. */
struct ew_chat_value ew_chat_run_filter(struct ew_chat_machine *m, struct ew_chat_value name,
                                        struct ew_chat_value subject, struct ew_chat_value positional,
                                        struct ew_chat_value named);
bool ew_chat_run_test(struct ew_chat_machine *m, struct ew_chat_value name, struct ew_chat_value subject,
                      struct ew_chat_value positional, struct ew_chat_value named);

/* An argument as a whole number; fallback where it is missing or none. Fails for anything else. */
int64_t ew_chat_integer_arg(struct ew_chat_machine *m, struct ew_chat_value arg, const char *name, int64_t fallback);
/* A string argument; fails for anything else. */
struct ew_chat_value ew_chat_string_arg(struct ew_chat_machine *m, struct ew_chat_value arg, const char *name);
/* For messages: at most 60 bytes of a name. */
static inline int ew_chat_shown(struct ew_chat_value name) { return name.size < 60 ? (int)name.size : 60; }

/* owner.name: method, entry, or undefined. */
struct ew_chat_value ew_chat_attribute(struct ew_chat_machine *m, struct ew_chat_value owner,
                                       struct ew_chat_value name);
/* owner[index]: item, entry, method, or undefined. */
struct ew_chat_value ew_chat_item(struct ew_chat_machine *m, struct ew_chat_value owner, struct ew_chat_value index);
/* owner[from:to:step]; MISSING parts are left out. */
struct ew_chat_value ew_chat_slice(struct ew_chat_machine *m, struct ew_chat_value owner, struct ew_chat_value from,
                                   struct ew_chat_value to, struct ew_chat_value step);
/* "a.b.0": attributes and items, one after the other; name may also be a whole number. */
struct ew_chat_value ew_chat_path(struct ew_chat_machine *m, struct ew_chat_value owner, struct ew_chat_value path);

/* a op b, arithmetic; op as in template_node.h. */
struct ew_chat_value ew_chat_calculate(struct ew_chat_machine *m, int op, struct ew_chat_value a,
                                       struct ew_chat_value b);
/* Python's `format % args`: args a tuple, a dict, or one value. */
struct ew_chat_value ew_chat_percent(struct ew_chat_machine *m, struct ew_chat_value format, struct ew_chat_value args);

/* The tables, each in a file of its own. */
extern const struct ew_chat_builtin ew_chat_list_filters[], ew_chat_text_filters[], ew_chat_tests[],
    ew_chat_functions[], ew_chat_string_methods[], ew_chat_list_methods[], ew_chat_dict_methods[],
    ew_chat_loop_methods[];

#endif
