/* The evaluator: scopes, expressions and statements over a parsed template. */
#ifndef EW_CHAT_TEMPLATE_RUN_H
#define EW_CHAT_TEMPLATE_RUN_H

#include "chat/chat_print.h"
#include "chat/template_node.h"

struct ew_template_variable {
    struct ew_chat_value name, value;
    struct ew_template_variable *next;
};

struct ew_template_scope {
    struct ew_template_scope *outer;
    struct ew_template_variable *first;
};

struct ew_chat_macro {
    const struct ew_template_node *node; /* MACRO */
    struct ew_template_scope *scope;     /* where it was defined */
};

struct ew_chat_loop {
    const struct ew_chat_list *items;
    size_t index;
    struct ew_chat_value changed; /* what loop.changed saw last; MISSING = nothing yet */
};

enum ew_template_jump { EW_JUMP_NONE, EW_JUMP_BREAK, EW_JUMP_CONTINUE };

struct ew_template_run {
    struct ew_chat_machine *m;
    struct ew_template_scope *scope;
    struct ew_chat_buffer *out; /* where text goes: the output, or what a block collects */
};

/* The innermost variable of that name, else a builtin function, else undefined. */
struct ew_chat_value ew_template_look_up(struct ew_template_run *r, struct ew_chat_value name);
void ew_template_define(struct ew_template_run *r, struct ew_chat_value name, struct ew_chat_value value);
struct ew_template_scope *ew_template_open_scope(struct ew_template_run *r, struct ew_template_scope *outer);

struct ew_chat_value ew_template_evaluate(struct ew_template_run *r, const struct ew_template_node *node);
/* A CALL, with a macro for `caller` where not MISSING. */
struct ew_chat_value ew_template_call(struct ew_template_run *r, const struct ew_template_node *call,
                                      struct ew_chat_value caller);
/* FILTER nodes over a text that stands in place of the innermost's missing value. */
struct ew_chat_value ew_template_filter(struct ew_template_run *r, const struct ew_template_node *filter,
                                        struct ew_chat_value text);

enum ew_template_jump ew_template_execute(struct ew_template_run *r, const struct ew_template_node *statements);
/* Statements in a scope of their own inside `outer`, their text collected. */
struct ew_chat_value ew_template_collect(struct ew_template_run *r, const struct ew_template_node *statements,
                                         struct ew_template_scope *scope);

#endif
