/* Owns the way from a template's text to tokens. Rules of white space: a `-` at a tag takes all white space on its
 * side; the first newline after a block or comment goes; blanks between the start of a line and a block or comment go;
 * a `+` keeps either. Source: Jinja documentation, "Whitespace Control", with trim_blocks and lstrip_blocks on. */
#include "chat/template_lexer.h"
#include "chat/chat_print.h"
#include "chat/chat_unicode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NESTED_BRACKETS = 256 };

struct lexer {
    struct ew_chat_machine *m;
    const char *text;
    size_t size, at;
    uint32_t line;
    bool line_starts; /* the text before `at` ends a line, or is empty */
    struct ew_template_token *tokens;
    size_t n, capacity;
    char open[MAX_NESTED_BRACKETS]; /* brackets of the tag that wait for their end */
    size_t n_open;
};

static struct ew_template_token *add(struct lexer *x, enum ew_template_token_kind kind) {
    x->tokens = ew_chat_grow(x->m, x->tokens, x->n, &x->capacity, sizeof *x->tokens);
    x->tokens[x->n] = (struct ew_template_token){.kind = kind, .line = x->line};
    return &x->tokens[x->n++];
}

static bool looking_at(const struct lexer *x, const char *word) {
    size_t n = strlen(word);
    return x->size - x->at >= n && memcmp(x->text + x->at, word, n) == 0;
}

static void advance_to(struct lexer *x, size_t at) {
    for (; x->at < at; x->at++) x->line += x->text[x->at] == '\n';
    x->m->line = x->line;
}

static size_t skip_spaces(const struct lexer *x, size_t at) {
    uint32_t code;
    for (size_t n; at < x->size; at += n) {
        n = ew_unicode_next(x->text + at, x->size - at, &code);
        if (!ew_unicode_is_space(code)) break;
    }
    return at;
}

/* Passes a tag's end of n bytes (2, or 3 with its sign) and the white space that goes with it. */
static void pass_tag_end(struct lexer *x, bool trims_newline) {
    char sign = x->text[x->at];
    bool signed_ = sign == '-' || sign == '+';
    size_t at = x->at + (signed_ ? 3 : 2);
    if (sign == '-')
        at = skip_spaces(x, at);
    else if (sign != '+' && trims_newline && at < x->size && x->text[at] == '\n')
        at++;
    advance_to(x, at);
    x->line_starts = x->text[at - 1] == '\n';
}

/* ---- text between the tags ---- */

/* The text from `at` to the tag at `end` (or the end of the template), less what the tag takes away. sign: the
 * character after the tag's opening; strips_line: whether the tag takes blanks from the start of its line. */
static void add_text(struct lexer *x, size_t end, char sign, bool strips_line) {
    size_t n = end - x->at;
    const char *text = x->text + x->at;
    uint32_t code;
    if (sign == '-') {
        while (n > 0) {
            size_t last = ew_unicode_last(text, n, &code);
            if (!ew_unicode_is_space(code)) break;
            n -= last;
        }
    } else if (sign != '+' && strips_line) {
        size_t kept = n;
        while (kept > 0 && text[kept - 1] != '\n') {
            size_t last = ew_unicode_last(text, kept, &code);
            if (!ew_unicode_is_space(code)) break;
            kept -= last;
        }
        if (kept > 0 ? text[kept - 1] == '\n' : x->line_starts) n = kept;
    }
    if (n > 0) add(x, EW_TOKEN_KIND_TEXT)->value = ew_chat_string(text, n);
    if (end > x->at) x->line_starts = x->text[end - 1] == '\n';
    advance_to(x, end);
}

static size_t find_tag(const struct lexer *x) {
    for (size_t at = x->at; at + 1 < x->size; at++)
        if (x->text[at] == '{' && strchr("{%#", x->text[at + 1]) && x->text[at + 1]) return at;
    return x->size;
}

static void skip_comment(struct lexer *x) {
    size_t inside = x->at + 2;
    if (inside < x->size && (x->text[inside] == '-' || x->text[inside] == '+')) inside++;
    const char *end = memmem(x->text + inside, x->size - inside, "#}", 2);
    if (!end) ew_chat_fail(x->m, EW_ERR_FORMAT, "the comment has no end (`#}`)");
    size_t at = (size_t)(end - x->text);
    if (at > inside && (end[-1] == '-' || end[-1] == '+')) at--;
    advance_to(x, at);
    pass_tag_end(x, true);
}

/* Whether a tag that consists of `word` alone starts at `at`; *sign: the character after its opening, *after: where
 * its closing starts. */
static bool is_word_tag(const struct lexer *x, size_t at, const char *word, char *sign, size_t *after) {
    size_t n = strlen(word);
    if (x->size - at < 2 || memcmp(x->text + at, "{%", 2) != 0) return false;
    at += 2;
    *sign = at < x->size ? x->text[at] : 0;
    if (*sign == '-' || *sign == '+') at++;
    at = skip_spaces(x, at);
    if (x->size - at < n || memcmp(x->text + at, word, n) != 0) return false;
    at = skip_spaces(x, at + n);
    size_t close = at < x->size && (x->text[at] == '-' || x->text[at] == '+') ? at + 1 : at;
    if (x->size - close < 2 || memcmp(x->text + close, "%}", 2) != 0) return false;
    *after = at;
    return true;
}

/* {% raw %}…{% endraw %}: true when there was one. */
static bool lex_raw(struct lexer *x) {
    char sign;
    size_t after;
    if (!is_word_tag(x, x->at, "raw", &sign, &after)) return false;
    advance_to(x, after);
    pass_tag_end(x, false); /* the newline after it is part of the text */
    for (size_t at = x->at; at < x->size; at++) {
        if (x->text[at] != '{' || !is_word_tag(x, at, "endraw", &sign, &after)) continue;
        add_text(x, at, sign, true);
        advance_to(x, after);
        pass_tag_end(x, true);
        return true;
    }
    ew_chat_fail(x->m, EW_ERR_FORMAT, "`raw` has no `endraw`");
}

/* ---- inside a tag ---- */

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (uint8_t)c >= 0x80;
}
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static void lex_name(struct lexer *x) {
    size_t from = x->at;
    while (x->at < x->size && (is_name_start(x->text[x->at]) || is_digit(x->text[x->at]))) x->at++;
    add(x, EW_TOKEN_KIND_NAME)->value = ew_chat_string(x->text + from, x->at - from);
}

/* Digits with underscores between, copied without them. */
static void copy_digits(struct lexer *x, char *out, size_t capacity, size_t *n, const char *digits) {
    while (x->at < x->size && (strchr(digits, x->text[x->at]) || x->text[x->at] == '_') && x->text[x->at]) {
        if (x->text[x->at] != '_') {
            if (*n + 1 >= capacity) ew_chat_fail(x->m, EW_ERR_FORMAT, "a number of more than %zu digits", capacity - 1);
            out[(*n)++] = x->text[x->at];
        }
        x->at++;
    }
    out[*n] = 0;
}

static void lex_number(struct lexer *x) {
    static const char decimal[] = "0123456789";
    char text[64];
    size_t n = 0;
    int base = 10;
    bool whole = true;
    if (x->text[x->at] == '0' && x->size - x->at > 2) {
        char mark = x->text[x->at + 1] | 0x20;
        base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
        if (base != 10) x->at += 2;
    }
    copy_digits(x, text, sizeof text - 4, &n, base == 16 ? "0123456789abcdefABCDEF" : decimal);
    if (base == 10 && x->size - x->at > 1 && x->text[x->at] == '.' && is_digit(x->text[x->at + 1])) {
        whole = false;
        text[n++] = x->text[x->at++];
        copy_digits(x, text, sizeof text - 3, &n, decimal);
    }
    size_t digit = x->at + 1 + (x->size - x->at > 2 && strchr("+-", x->text[x->at + 1]) != NULL);
    if (base == 10 && x->at < x->size && (x->text[x->at] | 0x20) == 'e' && digit < x->size &&
        is_digit(x->text[digit])) {
        whole = false;
        while (x->at < digit && n < sizeof text - 1) text[n++] = x->text[x->at++];
        copy_digits(x, text, sizeof text, &n, decimal);
    }
    errno = 0;
    char *end;
    long long integer = strtoll(text, &end, base);
    if (whole && (errno || *end || n == 0)) ew_chat_fail(x->m, EW_ERR_FORMAT, "`%s` is not a number of 64 bits", text);
    add(x, EW_TOKEN_KIND_CONSTANT)->value = whole ? ew_chat_int(integer) : ew_chat_float(strtod(text, NULL));
}

/* A number of up to `most` digits of a base (8 or 16) after an escape. */
static uint32_t escape_number(struct lexer *x, unsigned most, int base) {
    char digits[9];
    unsigned n = 0;
    while (n < most && x->at < x->size && strchr(base == 8 ? "01234567" : "0123456789abcdefABCDEF", x->text[x->at]) &&
           x->text[x->at])
        digits[n++] = x->text[x->at++];
    digits[n] = 0;
    unsigned long code = strtoul(digits, NULL, base);
    if (n == 0 || (base == 16 && n < most) || code > 0x10ffff)
        ew_chat_fail(x->m, EW_ERR_FORMAT, "the escape in a string wants %u hexadecimal digits, up to 10ffff", most);
    return (uint32_t)code;
}

/* After a backslash. Source: Python's table of string escapes; an unknown one keeps its backslash. */
static void lex_escape(struct lexer *x, struct ew_chat_buffer *b) {
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    char c = x->text[x->at++];
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        ew_chat_write(b, &to[found - from], 1);
    } else if (c == '\n') {
        x->line++;
    } else if (c == 'x' || c == 'u' || c == 'U') {
        ew_chat_write_code(b, escape_number(x, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16));
    } else if (c >= '0' && c <= '7') {
        x->at--;
        ew_chat_write_code(b, escape_number(x, 3, 8));
    } else {
        ew_chat_write(b, "\\", 1);
        ew_chat_write(b, &c, 1);
    }
}

static void lex_string(struct lexer *x) {
    char quote = x->text[x->at++];
    struct ew_chat_buffer b = {.m = x->m};
    uint32_t line = x->line;
    while (x->at < x->size && x->text[x->at] != quote) {
        size_t from = x->at;
        while (x->at < x->size && x->text[x->at] != quote && x->text[x->at] != '\\')
            x->line += x->text[x->at++] == '\n';
        ew_chat_write(&b, x->text + from, x->at - from);
        if (x->at == x->size || x->text[x->at] == quote) break;
        if (++x->at < x->size) lex_escape(x, &b);
    }
    if (x->at >= x->size) ew_chat_fail(x->m, EW_ERR_FORMAT, "the string has no end (%c)", quote);
    x->at++;
    struct ew_template_token *token = add(x, EW_TOKEN_KIND_CONSTANT);
    token->value = ew_chat_written(&b);
    token->line = line;
}

static void match_bracket(struct lexer *x, char c) {
    static const char opening[] = "([{", closing[] = ")]}";
    if (strchr(opening, c)) {
        if (x->n_open == MAX_NESTED_BRACKETS)
            ew_chat_fail(x->m, EW_ERR_LIMIT, "more than %d brackets inside each other", MAX_NESTED_BRACKETS);
        x->open[x->n_open++] = closing[strchr(opening, c) - opening];
    } else if (strchr(closing, c)) {
        if (x->n_open == 0 || x->open[x->n_open - 1] != c) ew_chat_fail(x->m, EW_ERR_FORMAT, "`%c` closes nothing", c);
        x->n_open--;
    }
}

static void lex_operator(struct lexer *x) {
    static const char *const doubles[] = {"**", "//", "==", "!=", ">=", "<="};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        if (!looking_at(x, doubles[i])) continue;
        add(x, EW_TOKEN_KIND_OPERATOR)->op = EW_OPERATOR(doubles[i][0], doubles[i][1]);
        x->at += 2;
        return;
    }
    char c = x->text[x->at];
    if (!c || !strchr("+-*/%~[](){}<>=.:|,", c)) {
        if ((uint8_t)c < 0x20) ew_chat_fail(x->m, EW_ERR_FORMAT, "byte 0x%02x does not belong into a tag", (uint8_t)c);
        ew_chat_fail(x->m, EW_ERR_FORMAT, "`%c` does not belong into a tag", c);
    }
    match_bracket(x, c);
    add(x, EW_TOKEN_KIND_OPERATOR)->op = c;
    x->at++;
}

/* The tokens of one tag, from after its opening to after its closing. */
static void lex_tag(struct lexer *x, const char *closing, bool block) {
    for (;;) {
        advance_to(x, skip_spaces(x, x->at));
        if (x->at >= x->size) ew_chat_fail(x->m, EW_ERR_FORMAT, "the tag has no end (`%s`)", closing);
        char c = x->text[x->at];
        bool is_signed = (c == '-' || (block && c == '+')) && x->size - x->at > 2;
        size_t close = x->at + is_signed;
        if (x->n_open == 0 && x->size - close >= 2 && memcmp(x->text + close, closing, 2) == 0) {
            add(x, block ? EW_TOKEN_KIND_BLOCK_END : EW_TOKEN_KIND_OUTPUT_END);
            pass_tag_end(x, block);
            return;
        }
        ew_chat_step(x->m, 1);
        if (is_name_start(c))
            lex_name(x);
        else if (is_digit(c))
            lex_number(x);
        else if (c == '"' || c == '\'')
            lex_string(x);
        else
            lex_operator(x);
    }
}

/* Newlines of other systems become \n; one newline at the end of the template goes. */
static char *normalize(struct ew_chat_machine *m, const char *text, size_t size, size_t *n_out) {
    char *out = ew_chat_alloc(m, size + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n') continue;
        out[n++] = text[i] == '\r' ? '\n' : text[i];
    }
    if (n > 0 && out[n - 1] == '\n') n--;
    *n_out = n;
    return out;
}

struct ew_template_token *ew_template_lex(struct ew_chat_machine *m, const char *text, size_t size, size_t *n) {
    struct lexer x = {.m = m, .line = 1, .line_starts = true};
    m->line = 1;
    x.text = normalize(m, text, size, &x.size);
    while (x.at < x.size) {
        size_t tag = find_tag(&x);
        char kind = tag < x.size ? x.text[tag + 1] : 0;
        char sign = x.size - tag > 2 ? x.text[tag + 2] : 0;
        add_text(&x, tag, tag < x.size ? sign : '+', kind == '%' || kind == '#');
        if (tag >= x.size) break;
        if (kind == '#') {
            skip_comment(&x);
        } else if (kind == '{') {
            add(&x, EW_TOKEN_KIND_OUTPUT);
            x.at += sign == '-' || sign == '+' ? 3 : 2;
            lex_tag(&x, "}}", false);
        } else if (!lex_raw(&x)) {
            add(&x, EW_TOKEN_KIND_BLOCK);
            x.at += sign == '-' || sign == '+' ? 3 : 2;
            lex_tag(&x, "%}", true);
        }
    }
    add(&x, EW_TOKEN_KIND_END);
    *n = x.n;
    return x.tokens;
}
