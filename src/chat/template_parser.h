/* Tokens to a tree. */
#ifndef EW_CHAT_TEMPLATE_PARSER_H
#define EW_CHAT_TEMPLATE_PARSER_H

#include "chat/template_lexer.h"
#include "chat/template_node.h"

struct ew_template_parser {
    struct ew_chat_machine *m;
    const struct ew_template_token *tokens; /* the last one is END and is never passed */
    size_t at;
    unsigned n_loops; /* how many `for` the statement is inside of, in its own macro */
    int macro_uses;   /* EW_MACRO_USES_… seen so far */
};

/* The statements of a whole template, in the machine's arena; NULL for an empty one. Fails with FORMAT, or UNSUPPORTED
 * for statements of Jinja that this interpreter leaves out. */
struct ew_template_node *ew_template_parse(struct ew_chat_machine *m, const char *text, size_t size);

/* For the parser's own two files. */
struct ew_template_node *ew_template_new_node(struct ew_template_parser *p, enum ew_template_node_kind kind);
const struct ew_template_token *ew_template_peek(struct ew_template_parser *p, size_t ahead);
bool ew_template_is_name(struct ew_template_parser *p, const char *name);
bool ew_template_skip_name(struct ew_template_parser *p, const char *name);
bool ew_template_is_operator(struct ew_template_parser *p, int op);
bool ew_template_skip_operator(struct ew_template_parser *p, int op);
void ew_template_expect_operator(struct ew_template_parser *p, int op);
struct ew_chat_value ew_template_expect_name(struct ew_template_parser *p);
_Noreturn void ew_template_unexpected(struct ew_template_parser *p, const char *expected);

struct ew_template_node *ew_template_parse_expression(struct ew_template_parser *p);
struct ew_template_node *ew_template_parse_tuple(struct ew_template_parser *p); /* expressions, or one alone */
struct ew_template_node *ew_template_parse_or(struct ew_template_parser *p);    /* no `if` at its top */
/* Names that are set: one, a tuple of them, or namespace.attribute. */
struct ew_template_node *ew_template_parse_target(struct ew_template_parser *p);
/* Filters on nothing yet: `upper | trim(…)`, the first without a bar. */
struct ew_template_node *ew_template_parse_filters(struct ew_template_parser *p);

#endif
