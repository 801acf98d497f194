/* Owns the search for builtins by name and the binding of arguments to their parameters. The builtins themselves:
 * list_filters.c, text_filters.c, template_tests.c, template_functions.c, string_methods.c, object_methods.c. */
#include "chat/chat_builtin.h"

#include <string.h>

static const struct ew_chat_builtin *find(const struct ew_chat_builtin *table, struct ew_chat_value name) {
    for (; table->name; table++)
        if (ew_chat_equals_text(name, table->name)) return table;
    return NULL;
}

const struct ew_chat_builtin *ew_chat_find_filter(struct ew_chat_value name) {
    const struct ew_chat_builtin *found = find(ew_chat_list_filters, name);
    return found ? found : find(ew_chat_text_filters, name);
}

const struct ew_chat_builtin *ew_chat_find_test(struct ew_chat_value name) { return find(ew_chat_tests, name); }

const struct ew_chat_builtin *ew_chat_find_function(struct ew_chat_value name) { return find(ew_chat_functions, name); }

const struct ew_chat_builtin *ew_chat_find_method(struct ew_chat_value owner, struct ew_chat_value name) {
    switch (owner.kind) {
    case EW_CHAT_STRING: return find(ew_chat_string_methods, name);
    case EW_CHAT_LIST: return owner.list->lazy ? NULL : find(ew_chat_list_methods, name);
    case EW_CHAT_DICT: return find(ew_chat_dict_methods, name);
    case EW_CHAT_LOOP: return find(ew_chat_loop_methods, name);
    default: return NULL;
    }
}

/* ---- arguments ---- */

/* The place of a name among params (names, blanks between); -1 = not there. Counts them all into *n. */
static int place_of(const char *params, struct ew_chat_value name, unsigned *n) {
    int place = -1;
    *n = 0;
    for (const char *at = params; *at; (*n)++) {
        size_t size = strcspn(at, " ");
        if (name.size == size && memcmp(name.text, at, size) == 0) place = (int)*n;
        at += size + (at[size] == ' ');
    }
    return place;
}

static void bind(struct ew_chat_machine *m, const struct ew_chat_builtin *f, const struct ew_chat_list *positional,
                 const struct ew_chat_dict *named, struct ew_chat_value *out) {
    unsigned n;
    place_of(f->params, ew_chat_string("", 0), &n);
    if (positional->n > n)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: %zu arguments where it takes %u", f->name, positional->n, n);
    for (unsigned i = 0; i < EW_CHAT_MAX_PARAMS; i++)
        out[i] = i < positional->n ? positional->items[i] : (struct ew_chat_value){.kind = EW_CHAT_MISSING};
    for (size_t i = 0; i < named->n; i++) {
        struct ew_chat_value name = named->entries[i].key;
        int place = place_of(f->params, name, &n);
        if (place < 0)
            ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: it has no parameter `%.*s`", f->name, ew_chat_shown(name), name.text);
        if (ew_chat_given(out[place]))
            ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: two values for `%.*s`", f->name, ew_chat_shown(name), name.text);
        out[place] = named->entries[i].value;
    }
    for (unsigned i = 0; i < f->n_required; i++)
        if (!ew_chat_given(out[i]))
            ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: argument %u of (%s) is missing", f->name, i + 1, f->params);
}

struct ew_chat_value ew_chat_run_builtin(struct ew_chat_machine *m, const struct ew_chat_builtin *builtin,
                                         struct ew_chat_value subject, struct ew_chat_value positional,
                                         struct ew_chat_value named) {
    struct ew_chat_value args[EW_CHAT_MAX_PARAMS] = {positional, named};
    ew_chat_enter(m);
    if (builtin->params[0] != '*') bind(m, builtin, positional.list, named.dict, args);
    struct ew_chat_value result = builtin->run(m, subject, args);
    ew_chat_leave(m);
    return result;
}

struct ew_chat_value ew_chat_run_filter(struct ew_chat_machine *m, struct ew_chat_value name,
                                        struct ew_chat_value subject, struct ew_chat_value positional,
                                        struct ew_chat_value named) {
    const struct ew_chat_builtin *filter = ew_chat_find_filter(name);
    if (!filter) ew_chat_fail(m, EW_ERR_UNSUPPORTED, "`%.*s` is not a filter", ew_chat_shown(name), name.text);
    return ew_chat_run_builtin(m, filter, subject, positional, named);
}

bool ew_chat_run_test(struct ew_chat_machine *m, struct ew_chat_value name, struct ew_chat_value subject,
                      struct ew_chat_value positional, struct ew_chat_value named) {
    const struct ew_chat_builtin *test = ew_chat_find_test(name);
    if (!test) ew_chat_fail(m, EW_ERR_UNSUPPORTED, "`%.*s` is not a test", ew_chat_shown(name), name.text);
    return ew_chat_truth(ew_chat_run_builtin(m, test, subject, positional, named));
}

int64_t ew_chat_integer_arg(struct ew_chat_machine *m, struct ew_chat_value arg, const char *name, int64_t fallback) {
    if (arg.kind == EW_CHAT_MISSING || arg.kind == EW_CHAT_NONE) return fallback;
    if (arg.kind != EW_CHAT_INT && arg.kind != EW_CHAT_BOOL)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: a whole number is expected, not %s", name, ew_chat_kind_name(arg));
    return ew_chat_integer_of(arg);
}

struct ew_chat_value ew_chat_string_arg(struct ew_chat_machine *m, struct ew_chat_value arg, const char *name) {
    if (arg.kind == EW_CHAT_UNDEFINED)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: `%.*s` is undefined", name, ew_chat_shown(arg), arg.text);
    if (arg.kind != EW_CHAT_STRING)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: a string is expected, not %s", name, ew_chat_kind_name(arg));
    return arg;
}
