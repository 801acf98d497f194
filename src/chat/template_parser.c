/* Owns the statements of a template. Refuses what a chat template has no use for: include, import, extends, block.
 * Expressions: template_expression.c. Source of the grammar: Jinja 3.1 documentation, "Template Designer". */
#include "chat/template_parser.h"

#include <string.h>

/* ---- tokens ---- */

struct ew_template_node *ew_template_new_node(struct ew_template_parser *p, enum ew_template_node_kind kind) {
    struct ew_template_node *node = ew_chat_alloc(p->m, 1, sizeof *node);
    node->kind = kind;
    node->line = p->tokens[p->at].line;
    return node;
}

const struct ew_template_token *ew_template_peek(struct ew_template_parser *p, size_t ahead) {
    for (size_t i = 0; i < ahead; i++)
        if (p->tokens[p->at + i].kind == EW_TOKEN_KIND_END) return &p->tokens[p->at + i];
    return &p->tokens[p->at + ahead];
}

static const struct ew_template_token *current(struct ew_template_parser *p) {
    p->m->line = p->tokens[p->at].line;
    return &p->tokens[p->at];
}

bool ew_template_is_name(struct ew_template_parser *p, const char *name) {
    const struct ew_template_token *t = current(p);
    return t->kind == EW_TOKEN_KIND_NAME && ew_chat_equals_text(t->value, name);
}

bool ew_template_skip_name(struct ew_template_parser *p, const char *name) {
    if (!ew_template_is_name(p, name)) return false;
    p->at++;
    return true;
}

bool ew_template_is_operator(struct ew_template_parser *p, int op) {
    const struct ew_template_token *t = current(p);
    return t->kind == EW_TOKEN_KIND_OPERATOR && t->op == op;
}

bool ew_template_skip_operator(struct ew_template_parser *p, int op) {
    if (!ew_template_is_operator(p, op)) return false;
    p->at++;
    return true;
}

void ew_template_expect_operator(struct ew_template_parser *p, int op) {
    char expected[8] = {'`', (char)op, '`'};
    if (!ew_template_skip_operator(p, op)) ew_template_unexpected(p, expected);
}

struct ew_chat_value ew_template_expect_name(struct ew_template_parser *p) {
    const struct ew_template_token *t = current(p);
    if (t->kind != EW_TOKEN_KIND_NAME) ew_template_unexpected(p, "a name");
    p->at++;
    return t->value;
}

void ew_template_unexpected(struct ew_template_parser *p, const char *expected) {
    const struct ew_template_token *t = current(p);
    static const char *const words[] = {
        [EW_TOKEN_KIND_END] = "the end of the template",
        [EW_TOKEN_KIND_TEXT] = "text",
        [EW_TOKEN_KIND_BLOCK] = "`{%`",
        [EW_TOKEN_KIND_BLOCK_END] = "`%}`",
        [EW_TOKEN_KIND_OUTPUT] = "`{{`",
        [EW_TOKEN_KIND_OUTPUT_END] = "`}}`",
        [EW_TOKEN_KIND_CONSTANT] = "a constant",
    };
    if (t->kind == EW_TOKEN_KIND_NAME)
        ew_chat_fail(p->m, EW_ERR_FORMAT, "`%.*s` where %s is expected", (int)(t->value.size < 60 ? t->value.size : 60),
                     t->value.text, expected);
    if (t->kind == EW_TOKEN_KIND_OPERATOR)
        ew_chat_fail(p->m, EW_ERR_FORMAT, "`%c%c` where %s is expected", t->op & 0xff, t->op >> 8 ? t->op >> 8 : ' ',
                     expected);
    ew_chat_fail(p->m, EW_ERR_FORMAT, "%s where %s is expected", words[t->kind], expected);
}

static void expect_block_end(struct ew_template_parser *p) {
    if (current(p)->kind != EW_TOKEN_KIND_BLOCK_END) ew_template_unexpected(p, "`%}`");
    p->at++;
}

/* ---- statements ---- */

static struct ew_template_node *parse_statement(struct ew_template_parser *p);

/* Whether the tag at the cursor is one of the words (blanks between). */
static bool at_tag(struct ew_template_parser *p, const char *words) {
    if (p->tokens[p->at].kind != EW_TOKEN_KIND_BLOCK || p->tokens[p->at + 1].kind != EW_TOKEN_KIND_NAME) return false;
    struct ew_chat_value name = p->tokens[p->at + 1].value;
    for (const char *word = words; *word;) {
        size_t n = strcspn(word, " ");
        if (n == name.size && memcmp(word, name.text, n) == 0) return true;
        word += n + (word[n] == ' ');
    }
    return false;
}

static struct ew_template_node *parse_output(struct ew_template_parser *p) {
    struct ew_template_node *node = ew_template_new_node(p, EW_NODE_OUTPUT);
    p->at++;
    node->a = ew_template_parse_tuple(p);
    if (current(p)->kind != EW_TOKEN_KIND_OUTPUT_END) ew_template_unexpected(p, "`}}`");
    p->at++;
    return node;
}

/* Statements up to a tag that is one of `ends`, whose name is the current token then; or to the end where ends is NULL.
 */
static struct ew_template_node *parse_body(struct ew_template_parser *p, const char *ends) {
    struct ew_template_node *first = NULL, **last = &first;
    uint32_t line = p->tokens[p->at].line;
    ew_chat_enter(p->m);
    while (!ends || !at_tag(p, ends)) {
        const struct ew_template_token *t = current(p);
        if (t->kind == EW_TOKEN_KIND_END) {
            if (!ends) break;
            ew_chat_fail(p->m, EW_ERR_FORMAT, "the template ends before `%s` of the body that starts in line %u", ends,
                         line);
        }
        ew_chat_step(p->m, 1);
        if (t->kind == EW_TOKEN_KIND_TEXT) {
            *last = ew_template_new_node(p, EW_NODE_TEXT);
            (*last)->value = t->value;
            p->at++;
        } else {
            *last = t->kind == EW_TOKEN_KIND_OUTPUT ? parse_output(p) : parse_statement(p);
        }
        last = &(*last)->next;
    }
    ew_chat_leave(p->m);
    if (ends) p->at++;
    return first;
}

/* The rest of a tag, a body and its end tag. */
static struct ew_template_node *parse_block_body(struct ew_template_parser *p, const char *end) {
    expect_block_end(p);
    struct ew_template_node *body = parse_body(p, end);
    p->at++;
    expect_block_end(p);
    return body;
}

static struct ew_template_node *parse_if(struct ew_template_parser *p) {
    struct ew_template_node *first = NULL, **place = &first;
    for (;;) { /* one turn for `if` and for each `elif` */
        struct ew_template_node *node = *place = ew_template_new_node(p, EW_NODE_IF);
        node->a = ew_template_parse_tuple(p);
        expect_block_end(p);
        node->b = parse_body(p, "elif else endif");
        place = &node->c;
        if (ew_template_skip_name(p, "elif")) continue;
        if (ew_template_skip_name(p, "else"))
            node->c = parse_block_body(p, "endif");
        else {
            p->at++;
            expect_block_end(p);
        }
        return first;
    }
}

static struct ew_template_node *parse_for(struct ew_template_parser *p) {
    struct ew_template_node *node = ew_template_new_node(p, EW_NODE_FOR);
    node->a = ew_template_parse_target(p);
    if (!ew_template_skip_name(p, "in")) ew_template_unexpected(p, "`in`");
    node->b = ew_template_parse_or(p);
    if (ew_template_skip_operator(p, ',')) ew_template_unexpected(p, "one thing to go through");
    if (ew_template_skip_name(p, "if")) node->e = ew_template_parse_expression(p);
    if (ew_template_is_name(p, "recursive"))
        ew_chat_fail(p->m, EW_ERR_UNSUPPORTED, "`recursive` loops are not supported");
    expect_block_end(p);
    p->n_loops++;
    node->c = parse_body(p, "else endfor");
    p->n_loops--;
    if (ew_template_skip_name(p, "else"))
        node->d = parse_block_body(p, "endfor");
    else {
        p->at++;
        expect_block_end(p);
    }
    return node;
}

static struct ew_template_node *parse_set(struct ew_template_parser *p) {
    struct ew_template_node *node = ew_template_new_node(p, EW_NODE_SET);
    node->a = ew_template_parse_target(p);
    if (ew_template_skip_operator(p, '=')) {
        node->b = ew_template_parse_tuple(p);
        expect_block_end(p);
        return node;
    }
    node->kind = EW_NODE_SET_BLOCK;
    if (ew_template_skip_operator(p, '|')) node->b = ew_template_parse_filters(p);
    node->c = parse_block_body(p, "endset");
    return node;
}

static struct ew_template_node *parse_params(struct ew_template_parser *p) {
    struct ew_template_node *first = NULL, **last = &first;
    bool defaults = false;
    ew_template_expect_operator(p, '(');
    while (!ew_template_skip_operator(p, ')')) {
        if (first) ew_template_expect_operator(p, ',');
        if (ew_template_skip_operator(p, ')')) break;
        struct ew_template_node *param = *last = ew_template_new_node(p, EW_NODE_PARAM);
        param->value = ew_template_expect_name(p);
        if (ew_template_skip_operator(p, '='))
            param->a = ew_template_parse_expression(p);
        else if (defaults)
            ew_chat_fail(p->m, EW_ERR_FORMAT, "parameter `%.*s` without a default follows one with a default",
                         (int)(param->value.size < 60 ? param->value.size : 60), param->value.text);
        defaults = param->a != NULL;
        last = &param->next;
    }
    return first;
}

/* A macro's body stands for itself: no loop of its surroundings can be left from it. */
static void parse_macro_body(struct ew_template_parser *p, struct ew_template_node *macro, const char *end) {
    unsigned n_loops = p->n_loops;
    int uses = p->macro_uses;
    p->n_loops = 0;
    p->macro_uses = 0;
    macro->c = parse_block_body(p, end);
    macro->op = p->macro_uses;
    p->n_loops = n_loops;
    p->macro_uses = uses | macro->op;
}

static struct ew_template_node *parse_macro(struct ew_template_parser *p) {
    struct ew_template_node *node = ew_template_new_node(p, EW_NODE_MACRO);
    node->value = ew_template_expect_name(p);
    node->a = parse_params(p);
    parse_macro_body(p, node, "endmacro");
    return node;
}

static struct ew_template_node *parse_call_block(struct ew_template_parser *p) {
    struct ew_template_node *node = ew_template_new_node(p, EW_NODE_CALL_BLOCK);
    struct ew_template_node *caller = node->b = ew_template_new_node(p, EW_NODE_MACRO);
    caller->value = ew_chat_text("caller");
    if (ew_template_is_operator(p, '(')) caller->a = parse_params(p);
    node->a = ew_template_parse_expression(p);
    if (node->a->kind != EW_NODE_CALL) ew_chat_fail(p->m, EW_ERR_FORMAT, "`call` wants a call of a macro");
    parse_macro_body(p, caller, "endcall");
    return node;
}

static struct ew_template_node *parse_filter_block(struct ew_template_parser *p) {
    struct ew_template_node *node = ew_template_new_node(p, EW_NODE_FILTER_BLOCK);
    node->a = ew_template_parse_filters(p);
    node->c = parse_block_body(p, "endfilter");
    return node;
}

static struct ew_template_node *parse_with(struct ew_template_parser *p) {
    struct ew_template_node *node = ew_template_new_node(p, EW_NODE_WITH), **last = &node->a;
    while (current(p)->kind != EW_TOKEN_KIND_BLOCK_END) {
        if (node->a) ew_template_expect_operator(p, ',');
        struct ew_template_node *set = *last = ew_template_new_node(p, EW_NODE_SET);
        set->a = ew_template_new_node(p, EW_NODE_NAME);
        set->a->value = ew_template_expect_name(p);
        ew_template_expect_operator(p, '=');
        set->b = ew_template_parse_expression(p);
        last = &set->next;
    }
    node->c = parse_block_body(p, "endwith");
    return node;
}

/* Marks what an assistant said, for training; for us a block with variables of its own. */
static struct ew_template_node *parse_generation(struct ew_template_parser *p) {
    struct ew_template_node *node = ew_template_new_node(p, EW_NODE_SCOPE);
    unsigned n_loops = p->n_loops;
    p->n_loops = 0;
    node->c = parse_block_body(p, "endgeneration");
    p->n_loops = n_loops;
    return node;
}

static struct ew_template_node *parse_jump(struct ew_template_parser *p, enum ew_template_node_kind kind) {
    struct ew_template_node *node = ew_template_new_node(p, kind);
    if (p->n_loops == 0) ew_chat_fail(p->m, EW_ERR_FORMAT, "`break` and `continue` belong into a loop");
    expect_block_end(p);
    return node;
}

static struct ew_template_node *parse_statement(struct ew_template_parser *p) {
    p->at++;
    struct ew_chat_value name = ew_template_expect_name(p);
    if (ew_chat_equals_text(name, "if")) return parse_if(p);
    if (ew_chat_equals_text(name, "for")) return parse_for(p);
    if (ew_chat_equals_text(name, "set")) return parse_set(p);
    if (ew_chat_equals_text(name, "macro")) return parse_macro(p);
    if (ew_chat_equals_text(name, "call")) return parse_call_block(p);
    if (ew_chat_equals_text(name, "filter")) return parse_filter_block(p);
    if (ew_chat_equals_text(name, "with")) return parse_with(p);
    if (ew_chat_equals_text(name, "generation")) return parse_generation(p);
    if (ew_chat_equals_text(name, "break")) return parse_jump(p, EW_NODE_BREAK);
    if (ew_chat_equals_text(name, "continue")) return parse_jump(p, EW_NODE_CONTINUE);
    static const char *const left_out[] = {"include", "import",     "from", "extends",
                                           "block",   "autoescape", "do",   "trans"};
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (ew_chat_equals_text(name, left_out[i]))
            ew_chat_fail(p->m, EW_ERR_UNSUPPORTED, "the statement `%s` is not supported", left_out[i]);
    ew_chat_fail(p->m, EW_ERR_FORMAT, "`%.*s` is not a statement", (int)(name.size < 60 ? name.size : 60), name.text);
}

struct ew_template_node *ew_template_parse(struct ew_chat_machine *m, const char *text, size_t size) {
    size_t n;
    struct ew_template_parser p = {.m = m, .tokens = ew_template_lex(m, text, size, &n)};
    return parse_body(&p, NULL);
}
