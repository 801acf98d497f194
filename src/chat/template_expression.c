/* Owns the expressions of a template, from `x if y else z` at the top down to names and literals. Each function parses
 * one level of precedence. Source of the levels: Jinja 3.1's parser; they differ from Python's in places (`~` binds
 * tighter than `+`, filters tighter than arithmetic). */
#include "chat/template_parser.h"

typedef struct ew_template_node node;

/* Puts item behind *last and moves last on. */
static node **append(node **last, node *item) {
    *last = item;
    return &item->next;
}

static node *new_pair_node(struct ew_template_parser *p, enum ew_template_node_kind kind, node *a, node *b) {
    node *n = ew_template_new_node(p, kind);
    n->a = a;
    n->b = b;
    ew_chat_step(p->m, 1);
    return n;
}

/* ---- arguments ---- */

static node *parse_arg(struct ew_template_parser *p) {
    node *arg = ew_template_new_node(p, EW_NODE_ARG);
    const struct ew_template_token *after = ew_template_peek(p, 1);
    if (ew_template_skip_operator(p, '*')) {
        arg->op = '*';
    } else if (ew_template_skip_operator(p, EW_OPERATOR('*', '*'))) {
        arg->op = EW_OPERATOR('*', '*');
    } else if (ew_template_peek(p, 0)->kind == EW_TOKEN_KIND_NAME && after->kind == EW_TOKEN_KIND_OPERATOR &&
               after->op == '=') {
        arg->op = '=';
        arg->value = ew_template_expect_name(p);
        p->at++;
    }
    arg->a = ew_template_parse_expression(p);
    return arg;
}

/* (a, b=c, *d, **e), from the bracket on. */
static node *parse_args(struct ew_template_parser *p) {
    node *first = NULL, **last = &first;
    bool named = false;
    ew_template_expect_operator(p, '(');
    while (!ew_template_skip_operator(p, ')')) {
        if (first) ew_template_expect_operator(p, ',');
        if (ew_template_skip_operator(p, ')')) break;
        node *arg = parse_arg(p);
        if (arg->op == 0 && named)
            ew_chat_fail(p->m, EW_ERR_FORMAT, "an argument without a name follows one with a name");
        named |= arg->op != 0;
        last = append(last, arg);
    }
    return first;
}

/* ---- literals and names ---- */

static node *parse_list(struct ew_template_parser *p) {
    node *list = ew_template_new_node(p, EW_NODE_LIST), **last = &list->a;
    p->at++;
    while (!ew_template_skip_operator(p, ']')) {
        if (list->a) ew_template_expect_operator(p, ',');
        if (ew_template_skip_operator(p, ']')) break;
        last = append(last, ew_template_parse_expression(p));
    }
    return list;
}

static node *parse_dict(struct ew_template_parser *p) {
    node *dict = ew_template_new_node(p, EW_NODE_DICT), **last = &dict->a;
    p->at++;
    while (!ew_template_skip_operator(p, '}')) {
        if (dict->a) ew_template_expect_operator(p, ',');
        if (ew_template_skip_operator(p, '}')) break;
        node *key = ew_template_parse_expression(p);
        ew_template_expect_operator(p, ':');
        last = append(last, new_pair_node(p, EW_NODE_PAIR, key, ew_template_parse_expression(p)));
    }
    return dict;
}

/* Strings side by side are one. */
static node *parse_constant(struct ew_template_parser *p) {
    node *constant = ew_template_new_node(p, EW_NODE_CONSTANT), **last = &constant->a;
    constant->value = p->tokens[p->at++].value;
    if (constant->value.kind != EW_CHAT_STRING) return constant;
    while (ew_template_peek(p, 0)->kind == EW_TOKEN_KIND_CONSTANT &&
           ew_template_peek(p, 0)->value.kind == EW_CHAT_STRING) {
        node *more = ew_template_new_node(p, EW_NODE_CONSTANT);
        more->value = p->tokens[p->at++].value;
        last = append(last, more);
    }
    if (!constant->a) return constant;
    node *first = ew_template_new_node(p, EW_NODE_CONSTANT);
    first->value = constant->value;
    first->next = constant->a;
    constant->kind = EW_NODE_CONCAT;
    constant->a = first;
    return constant;
}

static node *parse_name(struct ew_template_parser *p) {
    static const struct {
        const char *name;
        struct ew_chat_value value;
    } constants[] = {
        {"true", {.kind = EW_CHAT_BOOL, .boolean = true}},
        {"True", {.kind = EW_CHAT_BOOL, .boolean = true}},
        {"false", {.kind = EW_CHAT_BOOL}},
        {"False", {.kind = EW_CHAT_BOOL}},
        {"none", {.kind = EW_CHAT_NONE}},
        {"None", {.kind = EW_CHAT_NONE}},
    };
    node *name = ew_template_new_node(p, EW_NODE_NAME);
    name->value = ew_template_expect_name(p);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (!ew_chat_equals_text(name->value, constants[i].name)) continue;
        name->kind = EW_NODE_CONSTANT;
        name->value = constants[i].value;
        return name;
    }
    if (ew_chat_equals_text(name->value, "varargs")) p->macro_uses |= EW_MACRO_USES_VARARGS;
    if (ew_chat_equals_text(name->value, "kwargs")) p->macro_uses |= EW_MACRO_USES_KWARGS;
    return name;
}

/* Whether a list of expressions without brackets ends here. */
static bool at_tuple_end(struct ew_template_parser *p) {
    enum ew_template_token_kind kind = ew_template_peek(p, 0)->kind;
    return kind == EW_TOKEN_KIND_OUTPUT_END || kind == EW_TOKEN_KIND_BLOCK_END || ew_template_is_operator(p, ')');
}

static node *parse_items(struct ew_template_parser *p, bool may_be_empty) {
    node *first = NULL, **last = &first;
    bool tuple = may_be_empty && at_tuple_end(p);
    while (!at_tuple_end(p) || !(first || may_be_empty)) {
        last = append(last, ew_template_parse_expression(p));
        if (!ew_template_skip_operator(p, ',')) break;
        tuple = true;
    }
    if (!tuple) return first;
    return new_pair_node(p, EW_NODE_TUPLE, first, NULL);
}

node *ew_template_parse_tuple(struct ew_template_parser *p) { return parse_items(p, false); }

static node *parse_primary(struct ew_template_parser *p) {
    const struct ew_template_token *t = ew_template_peek(p, 0);
    if (t->kind == EW_TOKEN_KIND_NAME) return parse_name(p);
    if (t->kind == EW_TOKEN_KIND_CONSTANT) return parse_constant(p);
    if (ew_template_is_operator(p, '[')) return parse_list(p);
    if (ew_template_is_operator(p, '{')) return parse_dict(p);
    if (!ew_template_skip_operator(p, '(')) ew_template_unexpected(p, "an expression");
    node *inside = parse_items(p, true);
    ew_template_expect_operator(p, ')');
    return inside;
}

/* ---- what follows a value: .name [item] (call) |filter is test ---- */

/* Inside [ ]: an item, or a slice with its parts. */
static node *parse_subscript(struct ew_template_parser *p, node *whole) {
    node *part[3] = {NULL, NULL, NULL};
    size_t n = 0;
    bool slice = false;
    while (!ew_template_is_operator(p, ']')) {
        if (ew_template_skip_operator(p, ':')) {
            slice = true;
            if (++n > 2) ew_template_unexpected(p, "`]`");
        } else {
            if (part[n]) ew_template_unexpected(p, "`]`");
            part[n] = ew_template_parse_expression(p);
        }
    }
    if (!slice && !part[0]) ew_template_unexpected(p, "an expression");
    p->at++;
    node *item = new_pair_node(p, slice ? EW_NODE_SLICE : EW_NODE_ITEM, whole, part[0]);
    item->c = part[1];
    item->d = part[2];
    return item;
}

static node *parse_attribute(struct ew_template_parser *p, node *whole) {
    const struct ew_template_token *t = ew_template_peek(p, 0);
    if (t->kind == EW_TOKEN_KIND_CONSTANT && t->value.kind == EW_CHAT_INT) {
        node *index = ew_template_new_node(p, EW_NODE_CONSTANT);
        index->value = t->value;
        p->at++;
        return new_pair_node(p, EW_NODE_ITEM, whole, index);
    }
    node *attribute = new_pair_node(p, EW_NODE_ATTRIBUTE, whole, NULL);
    attribute->value = ew_template_expect_name(p);
    return attribute;
}

static node *parse_postfix(struct ew_template_parser *p, node *value) {
    for (;;) {
        if (ew_template_skip_operator(p, '.'))
            value = parse_attribute(p, value);
        else if (ew_template_skip_operator(p, '['))
            value = parse_subscript(p, value);
        else if (ew_template_is_operator(p, '('))
            value = new_pair_node(p, EW_NODE_CALL, value, parse_args(p));
        else
            return value;
    }
}

static node *parse_filter(struct ew_template_parser *p, node *value) {
    node *filter = new_pair_node(p, EW_NODE_FILTER, value, NULL);
    filter->value = ew_template_expect_name(p);
    if (ew_template_is_operator(p, '(')) filter->b = parse_args(p);
    return filter;
}

node *ew_template_parse_filters(struct ew_template_parser *p) {
    node *filter = parse_filter(p, NULL);
    while (ew_template_skip_operator(p, '|')) filter = parse_filter(p, filter);
    return filter;
}

/* `is divisibleby 3`: one argument may stand without brackets. */
static bool starts_bare_argument(struct ew_template_parser *p) {
    enum ew_template_token_kind kind = ew_template_peek(p, 0)->kind;
    if (kind == EW_TOKEN_KIND_CONSTANT) return true;
    if (kind == EW_TOKEN_KIND_OPERATOR) return ew_template_is_operator(p, '[') || ew_template_is_operator(p, '{');
    return kind == EW_TOKEN_KIND_NAME && !ew_template_is_name(p, "else") && !ew_template_is_name(p, "or") &&
           !ew_template_is_name(p, "and") && !ew_template_is_name(p, "if") && !ew_template_is_name(p, "recursive");
}

static node *parse_test(struct ew_template_parser *p, node *value) {
    node *test = new_pair_node(p, EW_NODE_TEST, value, NULL);
    test->op = ew_template_skip_name(p, "not");
    test->value = ew_template_expect_name(p);
    if (ew_template_is_operator(p, '(')) {
        test->b = parse_args(p);
    } else if (starts_bare_argument(p)) {
        if (ew_template_is_name(p, "is")) ew_chat_fail(p->m, EW_ERR_FORMAT, "tests with `is` cannot follow each other");
        test->b = ew_template_new_node(p, EW_NODE_ARG);
        test->b->a = parse_postfix(p, parse_primary(p));
    }
    return test;
}

static node *parse_filters_and_tests(struct ew_template_parser *p, node *value) {
    for (;;) {
        if (ew_template_skip_operator(p, '|'))
            value = parse_filter(p, value);
        else if (ew_template_skip_name(p, "is"))
            value = parse_test(p, value);
        else if (ew_template_is_operator(p, '('))
            value = new_pair_node(p, EW_NODE_CALL, value, parse_args(p));
        else
            return value;
    }
}

/* ---- operators ---- */

static node *parse_unary(struct ew_template_parser *p, bool with_filters) {
    node *value;
    ew_chat_enter(p->m);
    if (ew_template_is_operator(p, '-') || ew_template_is_operator(p, '+')) {
        value = ew_template_new_node(p, EW_NODE_SIGN);
        value->op = p->tokens[p->at++].op;
        value->a = parse_unary(p, false);
    } else {
        value = parse_primary(p);
    }
    value = parse_postfix(p, value);
    if (with_filters) value = parse_filters_and_tests(p, value);
    ew_chat_leave(p->m);
    return value;
}

/* One level of operators that group to the left: operand (op operand)*. ops ends with 0. */
static node *parse_left(struct ew_template_parser *p, const int *ops, node *(*operand)(struct ew_template_parser *)) {
    node *left = operand(p);
    for (size_t i = 0; ops[i];) {
        if (!ew_template_skip_operator(p, ops[i])) {
            i++;
            continue;
        }
        left = new_pair_node(p, EW_NODE_BINARY, left, NULL);
        left->op = ops[i];
        left->b = operand(p);
        i = 0;
    }
    return left;
}

static node *parse_signed(struct ew_template_parser *p) { return parse_unary(p, true); }

static node *parse_power(struct ew_template_parser *p) {
    static const int ops[] = {EW_OPERATOR('*', '*'), 0};
    return parse_left(p, ops, parse_signed);
}

static node *parse_product(struct ew_template_parser *p) {
    static const int ops[] = {'*', '/', EW_OPERATOR('/', '/'), '%', 0};
    return parse_left(p, ops, parse_power);
}

static node *parse_concat(struct ew_template_parser *p) {
    node *first = parse_product(p);
    if (!ew_template_is_operator(p, '~')) return first;
    node *concat = new_pair_node(p, EW_NODE_CONCAT, first, NULL), **last = &first->next;
    while (ew_template_skip_operator(p, '~')) last = append(last, parse_product(p));
    return concat;
}

static node *parse_sum(struct ew_template_parser *p) {
    static const int ops[] = {'+', '-', 0};
    return parse_left(p, ops, parse_concat);
}

/* The comparison at the cursor, passed; 0 = none. */
static int skip_comparison(struct ew_template_parser *p) {
    static const int ops[] = {
        '<', '>', EW_OPERATOR('=', '='), EW_OPERATOR('!', '='), EW_OPERATOR('<', '='), EW_OPERATOR('>', '=')};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ew_template_skip_operator(p, ops[i])) return ops[i];
    if (ew_template_skip_name(p, "in")) return 'i';
    const struct ew_template_token *after = ew_template_peek(p, 1);
    if (ew_template_is_name(p, "not") && after->kind == EW_TOKEN_KIND_NAME && ew_chat_equals_text(after->value, "in")) {
        p->at += 2;
        return 'n';
    }
    return 0;
}

static node *parse_comparison(struct ew_template_parser *p) {
    node *first = parse_sum(p), *compare = NULL, **last = NULL;
    for (int op; (op = skip_comparison(p));) {
        if (!compare) {
            compare = new_pair_node(p, EW_NODE_COMPARE, first, NULL);
            last = &compare->b;
        }
        node *operand = new_pair_node(p, EW_NODE_OPERAND, NULL, NULL);
        operand->op = op;
        operand->a = parse_sum(p);
        last = append(last, operand);
    }
    return compare ? compare : first;
}

static node *parse_not(struct ew_template_parser *p) {
    if (!ew_template_is_name(p, "not")) return parse_comparison(p);
    node *not = ew_template_new_node(p, EW_NODE_NOT);
    p->at++;
    ew_chat_enter(p->m);
    not ->a = parse_not(p);
    ew_chat_leave(p->m);
    return not ;
}

static node *parse_and(struct ew_template_parser *p) {
    node *left = parse_not(p);
    while (ew_template_skip_name(p, "and")) {
        left = new_pair_node(p, EW_NODE_AND, left, NULL);
        left->b = parse_not(p);
    }
    return left;
}

node *ew_template_parse_or(struct ew_template_parser *p) {
    node *left = parse_and(p);
    while (ew_template_skip_name(p, "or")) {
        left = new_pair_node(p, EW_NODE_OR, left, NULL);
        left->b = parse_and(p);
    }
    return left;
}

node *ew_template_parse_expression(struct ew_template_parser *p) {
    ew_chat_enter(p->m);
    node *value = ew_template_parse_or(p);
    while (ew_template_skip_name(p, "if")) {
        node *condition = new_pair_node(p, EW_NODE_CONDITION, ew_template_parse_or(p), value);
        if (ew_template_skip_name(p, "else")) condition->c = ew_template_parse_expression(p);
        value = condition;
    }
    ew_chat_leave(p->m);
    return value;
}

/* ---- targets ---- */

static node *parse_one_target(struct ew_template_parser *p) {
    node *name = ew_template_new_node(p, EW_NODE_NAME);
    if (ew_template_skip_operator(p, '(')) {
        node *inside = ew_template_parse_target(p);
        ew_template_expect_operator(p, ')');
        return inside;
    }
    name->value = ew_template_expect_name(p);
    if (!ew_template_skip_operator(p, '.')) return name;
    node *attribute = new_pair_node(p, EW_NODE_ATTRIBUTE, name, NULL);
    attribute->value = ew_template_expect_name(p);
    return attribute;
}

node *ew_template_parse_target(struct ew_template_parser *p) {
    ew_chat_enter(p->m);
    node *first = parse_one_target(p), **last = &first->next;
    bool tuple = false;
    while (ew_template_skip_operator(p, ',')) {
        tuple = true;
        if (ew_template_is_name(p, "in") || ew_template_is_operator(p, '=')) break;
        last = append(last, parse_one_target(p));
    }
    ew_chat_leave(p->m);
    return tuple ? new_pair_node(p, EW_NODE_TUPLE, first, NULL) : first;
}
