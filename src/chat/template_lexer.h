/* A template's text to tokens, with white space trimmed as Hugging Face has it: trim_blocks, lstrip_blocks. */
#ifndef EW_CHAT_TEMPLATE_LEXER_H
#define EW_CHAT_TEMPLATE_LEXER_H

#include "chat/template_node.h"

enum ew_template_token_kind {
    EW_TOKEN_KIND_END,
    EW_TOKEN_KIND_TEXT,       /* between the tags */
    EW_TOKEN_KIND_BLOCK,      /* {% */
    EW_TOKEN_KIND_BLOCK_END,  /* %} */
    EW_TOKEN_KIND_OUTPUT,     /* {{ */
    EW_TOKEN_KIND_OUTPUT_END, /* }} */
    EW_TOKEN_KIND_NAME,
    EW_TOKEN_KIND_CONSTANT, /* a string or number: value */
    EW_TOKEN_KIND_OPERATOR
};

struct ew_template_token {
    enum ew_template_token_kind kind;
    uint32_t line;
    int op;                     /* as in nodes */
    struct ew_chat_value value; /* TEXT, NAME: a string */
};

/* Tokens [*n], the last of kind END, in the machine's arena; they point into text. Fails with FORMAT. */
struct ew_template_token *ew_template_lex(struct ew_chat_machine *m, const char *text, size_t size, size_t *n);

#endif
