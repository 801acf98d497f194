/* Owns the value of expressions: names, operators, calls. Statements: template_run.c; parts of values:
 * template_access.c; arithmetic: template_arithmetic.c. */
#include "chat/chat_builtin.h"
#include "chat/template_run.h"

#include <string.h>

typedef struct ew_template_node node;

/* ---- names ---- */

static struct ew_template_variable *find_here(struct ew_template_run *r, struct ew_template_scope *scope,
                                              struct ew_chat_value name) {
    size_t n = 0;
    struct ew_template_variable *v = scope->first;
    while (v && (v->name.size != name.size || memcmp(v->name.text, name.text, name.size) != 0)) {
        v = v->next;
        n++;
    }
    ew_chat_charge(r->m, n);
    return v;
}

struct ew_chat_value ew_template_look_up(struct ew_template_run *r, struct ew_chat_value name) {
    for (struct ew_template_scope *scope = r->scope; scope; scope = scope->outer) {
        struct ew_template_variable *v = find_here(r, scope, name);
        if (v) return v->value;
    }
    const struct ew_chat_builtin *function = ew_chat_find_function(name);
    if (!function) return ew_chat_undefined(name.text, name.size);
    struct ew_chat_bound *bound = ew_chat_alloc(r->m, 1, sizeof *bound);
    bound->builtin = function;
    return (struct ew_chat_value){.kind = EW_CHAT_BUILTIN, .bound = bound};
}

void ew_template_define(struct ew_template_run *r, struct ew_chat_value name, struct ew_chat_value value) {
    struct ew_template_variable *v = find_here(r, r->scope, name);
    if (!v) {
        v = ew_chat_alloc(r->m, 1, sizeof *v);
        *v = (struct ew_template_variable){.name = name, .next = r->scope->first};
        r->scope->first = v;
    }
    v->value = value;
}

struct ew_template_scope *ew_template_open_scope(struct ew_template_run *r, struct ew_template_scope *outer) {
    struct ew_template_scope *scope = ew_chat_alloc(r->m, 1, sizeof *scope);
    scope->outer = outer;
    return scope;
}

/* ---- calls ---- */

/* Arguments of a call: *positional becomes a list, *named a dict. */
static void evaluate_args(struct ew_template_run *r, const node *args, struct ew_chat_value *positional,
                          struct ew_chat_value *named) {
    *positional = ew_chat_list(r->m);
    *named = ew_chat_dict(r->m);
    for (const node *arg = args; arg; arg = arg->next) {
        struct ew_chat_value v = ew_template_evaluate(r, arg->a);
        if (arg->op == 0) {
            ew_chat_append(r->m, *positional, v);
        } else if (arg->op == '=') {
            ew_chat_put(r->m, named->dict, arg->value, v);
        } else if (arg->op == '*') {
            const struct ew_chat_list *list = ew_chat_iterate(r->m, v);
            for (size_t i = 0; i < list->n; i++) ew_chat_append(r->m, *positional, list->items[i]);
        } else {
            if (v.kind != EW_CHAT_DICT)
                ew_chat_fail(r->m, EW_ERR_ARGUMENT, "`**` wants a dict, not %s", ew_chat_kind_name(v));
            for (size_t i = 0; i < v.dict->n; i++)
                ew_chat_put(r->m, named->dict, ew_chat_string_arg(r->m, v.dict->entries[i].key, "a name after `**`"),
                            v.dict->entries[i].value);
        }
    }
}

/* Takes an entry out of the named arguments; MISSING when there is none. */
static struct ew_chat_value take(struct ew_chat_machine *m, struct ew_chat_dict *named, struct ew_chat_value name) {
    struct ew_chat_value *found = ew_chat_find(m, named, name);
    if (!found) return (struct ew_chat_value){.kind = EW_CHAT_MISSING};
    struct ew_chat_value v = *found;
    size_t at = (size_t)((char *)found - (char *)named->entries) / sizeof *named->entries;
    memmove(&named->entries[at], &named->entries[at + 1], (--named->n - at) * sizeof *named->entries);
    return v;
}

/* Parameters become variables of the current scope; what is left over becomes varargs and kwargs, or is refused. */
static void bind_macro(struct ew_template_run *r, const node *macro, struct ew_chat_value positional,
                       struct ew_chat_value named) {
    struct ew_chat_machine *m = r->m;
    size_t n = 0;
    for (const node *param = macro->a; param; param = param->next, n++) {
        struct ew_chat_value v = take(m, named.dict, param->value);
        if (n < positional.list->n && ew_chat_given(v))
            ew_chat_fail(m, EW_ERR_ARGUMENT, "macro `%.*s`: two values for `%.*s`", ew_chat_shown(macro->value),
                         macro->value.text, ew_chat_shown(param->value), param->value.text);
        if (n < positional.list->n)
            v = positional.list->items[n];
        else if (!ew_chat_given(v))
            v = param->a ? ew_template_evaluate(r, param->a) : ew_chat_undefined(param->value.text, param->value.size);
        ew_template_define(r, param->value, v);
    }
    struct ew_chat_value rest = ew_chat_list(m);
    rest.list->tuple = true;
    for (size_t i = n; i < positional.list->n; i++) ew_chat_append(m, rest, positional.list->items[i]);
    if (macro->op & EW_MACRO_USES_VARARGS)
        ew_template_define(r, ew_chat_text("varargs"), rest);
    else if (rest.list->n > 0)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "macro `%.*s`: %zu arguments where it takes %zu", ew_chat_shown(macro->value),
                     macro->value.text, positional.list->n, n);
    if (macro->op & EW_MACRO_USES_KWARGS)
        ew_template_define(r, ew_chat_text("kwargs"), named);
    else if (named.dict->n > 0)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "macro `%.*s`: it has no parameter `%.*s`", ew_chat_shown(macro->value),
                     macro->value.text, ew_chat_shown(named.dict->entries[0].key), named.dict->entries[0].key.text);
}

static struct ew_chat_value call_macro(struct ew_template_run *r, const struct ew_chat_macro *macro,
                                       struct ew_chat_value positional, struct ew_chat_value named,
                                       struct ew_chat_value caller) {
    struct ew_template_scope *before = r->scope;
    struct ew_template_scope *scope = ew_template_open_scope(r, macro->scope);
    r->scope = scope;
    if (!ew_chat_given(caller)) caller = take(r->m, named.dict, ew_chat_text("caller"));
    if (ew_chat_given(caller)) ew_template_define(r, ew_chat_text("caller"), caller);
    bind_macro(r, macro->node, positional, named);
    r->scope = before;
    return ew_template_collect(r, macro->node->c, scope);
}

struct ew_chat_value ew_template_call(struct ew_template_run *r, const node *call, struct ew_chat_value caller) {
    struct ew_chat_value positional, named, callee = ew_template_evaluate(r, call->a);
    evaluate_args(r, call->b, &positional, &named);
    uint32_t line = r->m->line = call->line;
    struct ew_chat_value result;
    if (callee.kind == EW_CHAT_MACRO)
        result = call_macro(r, callee.macro, positional, named, caller);
    else if (callee.kind == EW_CHAT_BUILTIN)
        result = ew_chat_run_builtin(r->m, callee.bound->builtin, callee.bound->self, positional, named);
    else if (callee.kind == EW_CHAT_UNDEFINED)
        ew_chat_fail(r->m, EW_ERR_ARGUMENT, "`%.*s` is undefined and cannot be called", ew_chat_shown(callee),
                     callee.text);
    else
        ew_chat_fail(r->m, EW_ERR_ARGUMENT, "a value of kind %s cannot be called", ew_chat_kind_name(callee));
    r->m->line = line;
    return result;
}

struct ew_chat_value ew_template_filter(struct ew_template_run *r, const node *filter, struct ew_chat_value text) {
    struct ew_chat_value positional, named, subject = text;
    if (filter->a && filter->a->kind == EW_NODE_FILTER && ew_chat_given(text))
        subject = ew_template_filter(r, filter->a, text);
    else if (filter->a)
        subject = ew_template_evaluate(r, filter->a);
    evaluate_args(r, filter->b, &positional, &named);
    r->m->line = filter->line;
    return ew_chat_run_filter(r->m, filter->value, subject, positional, named);
}

static struct ew_chat_value evaluate_test(struct ew_template_run *r, const node *test) {
    struct ew_chat_value positional, named, subject = ew_template_evaluate(r, test->a);
    evaluate_args(r, test->b, &positional, &named);
    r->m->line = test->line;
    return ew_chat_bool(ew_chat_run_test(r->m, test->value, subject, positional, named) != (test->op == 1));
}

/* ---- operators ---- */

static struct ew_chat_value evaluate_list(struct ew_template_run *r, const node *items, bool tuple) {
    struct ew_chat_value list = ew_chat_list(r->m);
    for (const node *item = items; item; item = item->next) ew_chat_append(r->m, list, ew_template_evaluate(r, item));
    list.list->tuple = tuple;
    return list;
}

static struct ew_chat_value evaluate_dict(struct ew_template_run *r, const node *pairs) {
    struct ew_chat_value dict = ew_chat_dict(r->m);
    for (const node *pair = pairs; pair; pair = pair->next) {
        struct ew_chat_value key = ew_template_evaluate(r, pair->a);
        ew_chat_put(r->m, dict.dict, key, ew_template_evaluate(r, pair->b));
    }
    return dict;
}

static struct ew_chat_value evaluate_concat(struct ew_template_run *r, const node *items) {
    struct ew_chat_buffer b = {.m = r->m};
    for (const node *item = items; item; item = item->next) ew_chat_write_str(&b, ew_template_evaluate(r, item));
    return ew_chat_written(&b);
}

static bool holds(struct ew_chat_machine *m, int op, struct ew_chat_value a, struct ew_chat_value b) {
    switch (op) {
    case EW_OPERATOR('=', '='): return ew_chat_equal(m, a, b);
    case EW_OPERATOR('!', '='): return !ew_chat_equal(m, a, b);
    case 'i': return ew_chat_contains(m, b, a);
    case 'n': return !ew_chat_contains(m, b, a);
    case '<': return ew_chat_compare(m, a, b) < 0;
    case '>': return ew_chat_compare(m, a, b) > 0;
    case EW_OPERATOR('<', '='): return ew_chat_compare(m, a, b) <= 0;
    default: return ew_chat_compare(m, a, b) >= 0;
    }
}

static struct ew_chat_value evaluate_compare(struct ew_template_run *r, const node *compare) {
    struct ew_chat_value left = ew_template_evaluate(r, compare->a);
    for (const node *operand = compare->b; operand; operand = operand->next) {
        struct ew_chat_value right = ew_template_evaluate(r, operand->a);
        r->m->line = operand->line;
        if (!holds(r->m, operand->op, left, right)) return ew_chat_bool(false);
        left = right;
    }
    return ew_chat_bool(true);
}

static struct ew_chat_value evaluate_sign(struct ew_template_run *r, const node *sign) {
    struct ew_chat_value v = ew_template_evaluate(r, sign->a);
    if (!ew_chat_is_number(v))
        ew_chat_fail(r->m, EW_ERR_ARGUMENT, "`%c` wants a number, not %s", sign->op, ew_chat_kind_name(v));
    return ew_chat_calculate(r->m, sign->op, ew_chat_int(0), v);
}

static struct ew_chat_value evaluate_slice(struct ew_template_run *r, const node *slice) {
    const struct ew_chat_value missing = {.kind = EW_CHAT_MISSING};
    struct ew_chat_value owner = ew_template_evaluate(r, slice->a);
    struct ew_chat_value from = slice->b ? ew_template_evaluate(r, slice->b) : missing;
    struct ew_chat_value to = slice->c ? ew_template_evaluate(r, slice->c) : missing;
    struct ew_chat_value step = slice->d ? ew_template_evaluate(r, slice->d) : missing;
    r->m->line = slice->line;
    return ew_chat_slice(r->m, owner, from, to, step);
}

static struct ew_chat_value evaluate_pair(struct ew_template_run *r, const node *n) {
    struct ew_chat_value a = ew_template_evaluate(r, n->a);
    struct ew_chat_value b = ew_template_evaluate(r, n->b);
    r->m->line = n->line;
    return n->kind == EW_NODE_ITEM ? ew_chat_item(r->m, a, b) : ew_chat_calculate(r->m, n->op, a, b);
}

static struct ew_chat_value evaluate_choice(struct ew_template_run *r, const node *n) {
    struct ew_chat_value first = ew_template_evaluate(r, n->a);
    bool truth = ew_chat_truth(first);
    if (n->kind == EW_NODE_AND) return truth ? ew_template_evaluate(r, n->b) : first;
    if (n->kind == EW_NODE_OR) return truth ? first : ew_template_evaluate(r, n->b);
    if (truth) return ew_template_evaluate(r, n->b);
    return n->c ? ew_template_evaluate(r, n->c) : ew_chat_undefined("the value of an `if` without `else`", 35);
}

static struct ew_chat_value evaluate(struct ew_template_run *r, const node *n) {
    struct ew_chat_value v;
    switch (n->kind) {
    case EW_NODE_CONSTANT: return n->value;
    case EW_NODE_NAME: return ew_template_look_up(r, n->value);
    case EW_NODE_LIST: return evaluate_list(r, n->a, false);
    case EW_NODE_TUPLE: return evaluate_list(r, n->a, true);
    case EW_NODE_DICT: return evaluate_dict(r, n->a);
    case EW_NODE_ATTRIBUTE:
        v = ew_template_evaluate(r, n->a);
        r->m->line = n->line;
        return ew_chat_attribute(r->m, v, n->value);
    case EW_NODE_SLICE: return evaluate_slice(r, n);
    case EW_NODE_CALL: return ew_template_call(r, n, (struct ew_chat_value){.kind = EW_CHAT_MISSING});
    case EW_NODE_FILTER: return ew_template_filter(r, n, (struct ew_chat_value){.kind = EW_CHAT_MISSING});
    case EW_NODE_TEST: return evaluate_test(r, n);
    case EW_NODE_NOT: return ew_chat_bool(!ew_chat_truth(ew_template_evaluate(r, n->a)));
    case EW_NODE_SIGN: return evaluate_sign(r, n);
    case EW_NODE_CONCAT: return evaluate_concat(r, n->a);
    case EW_NODE_COMPARE: return evaluate_compare(r, n);
    case EW_NODE_AND:
    case EW_NODE_OR:
    case EW_NODE_CONDITION: return evaluate_choice(r, n);
    default: return evaluate_pair(r, n); /* ITEM, BINARY */
    }
}

struct ew_chat_value ew_template_evaluate(struct ew_template_run *r, const node *n) {
    ew_chat_step(r->m, 1);
    ew_chat_enter(r->m);
    r->m->line = n->line;
    struct ew_chat_value v = evaluate(r, n);
    ew_chat_leave(r->m);
    return v;
}
