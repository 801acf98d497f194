/* Owns the statements: what a template writes, sets, repeats and leaves out. Scopes are Jinja's: loops, macros and
 * collecting blocks have variables of their own, `if` has not; only a namespace carries a value out of a loop. */
#include "chat/template_run.h"
#include "chat/chat_builtin.h"

typedef struct ew_template_node node;

static void assign(struct ew_template_run *r, const node *target, struct ew_chat_value v);

static void assign_attribute(struct ew_template_run *r, const node *target, struct ew_chat_value v) {
    struct ew_chat_value owner = ew_template_look_up(r, target->a->value);
    if (owner.kind != EW_CHAT_NAMESPACE)
        ew_chat_fail(r->m, EW_ERR_ARGUMENT, "`%.*s`: only a namespace's attributes can be set, this is of kind %s",
                     ew_chat_shown(target->a->value), target->a->value.text, ew_chat_kind_name(owner));
    ew_chat_put(r->m, owner.dict, target->value, v);
}

static void assign_each(struct ew_template_run *r, const node *targets, struct ew_chat_value v) {
    const struct ew_chat_list *list = ew_chat_iterate(r->m, v);
    size_t n = 0;
    for (const node *target = targets; target; target = target->next) n++;
    if (n != list->n) ew_chat_fail(r->m, EW_ERR_ARGUMENT, "%zu values for %zu names", list->n, n);
    n = 0;
    for (const node *target = targets; target; target = target->next) assign(r, target, list->items[n++]);
}

static void assign(struct ew_template_run *r, const node *target, struct ew_chat_value v) {
    ew_chat_enter(r->m);
    if (target->kind == EW_NODE_TUPLE)
        assign_each(r, target->a, v);
    else if (target->kind == EW_NODE_ATTRIBUTE)
        assign_attribute(r, target, v);
    else
        ew_template_define(r, target->value, v);
    ew_chat_leave(r->m);
}

struct ew_chat_value ew_template_collect(struct ew_template_run *r, const node *statements,
                                         struct ew_template_scope *scope) {
    struct ew_chat_buffer text = {.m = r->m}, *out = r->out;
    struct ew_template_scope *before = r->scope;
    r->scope = scope;
    r->out = &text;
    ew_template_execute(r, statements);
    r->out = out;
    r->scope = before;
    return ew_chat_written(&text);
}

static struct ew_chat_value collect_inside(struct ew_template_run *r, const node *statements) {
    return ew_template_collect(r, statements, ew_template_open_scope(r, r->scope));
}

/* The items of a `for` that pass its `if`, which sees the loop's variables but no `loop`. */
static const struct ew_chat_list *passing(struct ew_template_run *r, const node *n, const struct ew_chat_list *all) {
    struct ew_chat_value kept = ew_chat_list(r->m);
    struct ew_template_scope *before = r->scope;
    for (size_t i = 0; i < all->n; i++) {
        r->scope = ew_template_open_scope(r, before);
        assign(r, n->a, all->items[i]);
        if (ew_chat_truth(ew_template_evaluate(r, n->e))) ew_chat_append(r->m, kept, all->items[i]);
    }
    r->scope = before;
    return kept.list;
}

static enum ew_template_jump run_for(struct ew_template_run *r, const node *n) {
    const struct ew_chat_list *items = ew_chat_iterate(r->m, ew_template_evaluate(r, n->b));
    if (n->e) items = passing(r, n, items);
    if (items->n == 0) return ew_template_execute(r, n->d);
    struct ew_chat_loop *loop = ew_chat_alloc(r->m, 1, sizeof *loop);
    *loop = (struct ew_chat_loop){.items = items, .changed = {.kind = EW_CHAT_MISSING}};
    struct ew_template_scope *before = r->scope;
    for (; loop->index < items->n; loop->index++) {
        r->scope = ew_template_open_scope(r, before);
        ew_template_define(r, ew_chat_text("loop"), (struct ew_chat_value){.kind = EW_CHAT_LOOP, .loop = loop});
        assign(r, n->a, items->items[loop->index]);
        if (ew_template_execute(r, n->c) == EW_JUMP_BREAK) break;
    }
    r->scope = before;
    return EW_JUMP_NONE;
}

static enum ew_template_jump run_if(struct ew_template_run *r, const node *n) {
    for (;;) { /* one turn for each `elif` */
        if (ew_chat_truth(ew_template_evaluate(r, n->a))) return ew_template_execute(r, n->b);
        const node *otherwise = n->c;
        if (!otherwise || otherwise->kind != EW_NODE_IF || otherwise->next) return ew_template_execute(r, otherwise);
        n = otherwise;
    }
}

static struct ew_chat_value new_macro(struct ew_template_run *r, const node *n) {
    struct ew_chat_macro *macro = ew_chat_alloc(r->m, 1, sizeof *macro);
    *macro = (struct ew_chat_macro){.node = n, .scope = r->scope};
    return (struct ew_chat_value){.kind = EW_CHAT_MACRO, .macro = macro};
}

static void run_set_block(struct ew_template_run *r, const node *n) {
    struct ew_chat_value text = collect_inside(r, n->c);
    assign(r, n->a, n->b ? ew_template_filter(r, n->b, text) : text);
}

/* Values of `with` see the variables outside it. */
static enum ew_template_jump run_with(struct ew_template_run *r, const node *n) {
    struct ew_template_scope *before = r->scope, *inside = ew_template_open_scope(r, before);
    for (const node *set = n->a; set; set = set->next) {
        struct ew_chat_value v = ew_template_evaluate(r, set->b);
        r->scope = inside;
        assign(r, set->a, v);
        r->scope = before;
    }
    r->scope = inside;
    enum ew_template_jump jump = ew_template_execute(r, n->c);
    r->scope = before;
    return jump;
}

static enum ew_template_jump run_scope(struct ew_template_run *r, const node *n) {
    struct ew_template_scope *before = r->scope;
    r->scope = ew_template_open_scope(r, before);
    enum ew_template_jump jump = ew_template_execute(r, n->c);
    r->scope = before;
    return jump;
}

static enum ew_template_jump run_statement(struct ew_template_run *r, const node *n) {
    switch (n->kind) {
    case EW_NODE_TEXT: ew_chat_write(r->out, n->value.text, n->value.size); break;
    case EW_NODE_OUTPUT: ew_chat_write_str(r->out, ew_template_evaluate(r, n->a)); break;
    case EW_NODE_IF: return run_if(r, n);
    case EW_NODE_FOR: return run_for(r, n);
    case EW_NODE_SET: assign(r, n->a, ew_template_evaluate(r, n->b)); break;
    case EW_NODE_SET_BLOCK: run_set_block(r, n); break;
    case EW_NODE_MACRO: ew_template_define(r, n->value, new_macro(r, n)); break;
    case EW_NODE_CALL_BLOCK: ew_chat_write_str(r->out, ew_template_call(r, n->a, new_macro(r, n->b))); break;
    case EW_NODE_FILTER_BLOCK: ew_chat_write_str(r->out, ew_template_filter(r, n->a, collect_inside(r, n->c))); break;
    case EW_NODE_WITH: return run_with(r, n);
    case EW_NODE_SCOPE: return run_scope(r, n);
    case EW_NODE_BREAK: return EW_JUMP_BREAK;
    default: return EW_JUMP_CONTINUE;
    }
    return EW_JUMP_NONE;
}

enum ew_template_jump ew_template_execute(struct ew_template_run *r, const node *statements) {
    enum ew_template_jump jump = EW_JUMP_NONE;
    ew_chat_enter(r->m);
    for (const node *n = statements; n && jump == EW_JUMP_NONE; n = n->next) {
        ew_chat_step(r->m, 1);
        r->m->line = n->line;
        jump = run_statement(r, n);
    }
    ew_chat_leave(r->m);
    return jump;
}
