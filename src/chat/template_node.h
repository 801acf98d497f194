/* The tree of a parsed template. One kind of node with up to four children; the list below says what they mean.
 * Lists of nodes hang together by `next`. */
#ifndef EW_CHAT_TEMPLATE_NODE_H
#define EW_CHAT_TEMPLATE_NODE_H

#include "chat/chat_value.h"

/* An operator's characters as one number: EW_OPERATOR('*', '*'). */
#define EW_OPERATOR(a, b) ((a) | (b) << 8)

enum ew_template_node_kind {
    /* Expressions. */
    EW_NODE_CONSTANT,  /* value */
    EW_NODE_NAME,      /* value: the name */
    EW_NODE_LIST,      /* a: items */
    EW_NODE_TUPLE,     /* a: items */
    EW_NODE_DICT,      /* a: PAIRs */
    EW_NODE_PAIR,      /* a: key, b: value */
    EW_NODE_ATTRIBUTE, /* a.value */
    EW_NODE_ITEM,      /* a[b] */
    EW_NODE_SLICE,     /* a[b:c:d]; each of b, c, d may be NULL */
    EW_NODE_CALL,      /* a(b: ARGs) */
    EW_NODE_FILTER,    /* a | value(b: ARGs); a NULL in blocks: the block's text */
    EW_NODE_TEST,      /* a is value(b: ARGs); op: 1 = is not */
    EW_NODE_ARG,       /* a; op: 0, '*', EW_OPERATOR('*', '*'), or '=' with value the name */
    EW_NODE_NOT,       /* not a */
    EW_NODE_SIGN,      /* op a, + or - */
    EW_NODE_BINARY,    /* a op b, arithmetic */
    EW_NODE_AND,       /* a and b */
    EW_NODE_OR,        /* a or b */
    EW_NODE_CONCAT,    /* a: items, joined by ~ */
    EW_NODE_COMPARE,   /* a, then b: OPERANDs */
    EW_NODE_OPERAND,   /* op a; 'i' = in, 'n' = not in */
    EW_NODE_CONDITION, /* b if a else c; c may be NULL */
    /* Statements. */
    EW_NODE_TEXT,         /* value */
    EW_NODE_OUTPUT,       /* {{ a }} */
    EW_NODE_IF,           /* a: condition, b: body, c: else, itself one IF for `elif` */
    EW_NODE_FOR,          /* for a in b, c: body, d: else; e: the filter; any of d, e may be NULL */
    EW_NODE_SET,          /* a: target, b: value */
    EW_NODE_SET_BLOCK,    /* a: target, b: FILTERs or NULL, c: body */
    EW_NODE_MACRO,        /* value: name, a: PARAMs, c: body; op: EW_MACRO_USES_… */
    EW_NODE_PARAM,        /* value: name, a: default or NULL */
    EW_NODE_CALL_BLOCK,   /* a: CALL, b: MACRO that the called one knows as `caller` */
    EW_NODE_FILTER_BLOCK, /* a: FILTERs, c: body */
    EW_NODE_WITH,         /* a: SETs, c: body */
    EW_NODE_SCOPE,        /* c: body, with variables of its own */
    EW_NODE_BREAK,
    EW_NODE_CONTINUE
};

enum { EW_MACRO_USES_VARARGS = 1, EW_MACRO_USES_KWARGS = 2 };

struct ew_template_node {
    enum ew_template_node_kind kind;
    uint32_t line;
    int op;
    struct ew_chat_value value;
    struct ew_template_node *a, *b, *c, *d, *e, *next;
};

#endif
