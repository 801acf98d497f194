/* Owns the reading of JSON (RFC 8259) into values. The library has no other use for JSON, and the sandbox's limits on
 * depth and memory must hold while reading too. */
#include "chat/chat_json_read.h"
#include "chat/chat_print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct ew_chat_machine *m;
    const char *what, *text;
    size_t size, at;
};

_Noreturn static void refuse(struct reader *r, const char *rule) {
    ew_chat_fail(r->m, EW_ERR_FORMAT, "%s: byte %zu: %s", r->what, r->at, rule);
}

static int peek(const struct reader *r) { return r->at < r->size ? (uint8_t)r->text[r->at] : -1; }

static void skip_blanks(struct reader *r) {
    while (r->at < r->size && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at]) r->at++;
}

static bool skip_if(struct reader *r, char c) {
    skip_blanks(r);
    if (peek(r) != c) return false;
    r->at++;
    return true;
}

static uint32_t read_hex4(struct reader *r) {
    uint32_t code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        int c = peek(r);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) refuse(r, "\\u wants four hexadecimal digits");
        code = code << 4 | (uint32_t)digit;
    }
    return code;
}

/* After \u: one code point, from two escapes where it is beyond 0xffff; half a pair alone becomes U+FFFD. */
static uint32_t read_unicode(struct reader *r) {
    uint32_t code = read_hex4(r);
    if (code < 0xd800 || code > 0xdfff) return code;
    if (code > 0xdbff || r->size - r->at < 6 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u') return 0xfffd;
    size_t before = r->at;
    r->at += 2;
    uint32_t low = read_hex4(r);
    if (low >= 0xdc00 && low <= 0xdfff) return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    r->at = before;
    return 0xfffd;
}

static void read_escape(struct reader *r, struct ew_chat_buffer *b) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (!found && c != 'u') refuse(r, "not an escape (\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u are)");
    r->at++;
    if (c == 'u')
        ew_chat_write_code(b, read_unicode(r));
    else
        ew_chat_write(b, &to[found - from], 1);
}

static struct ew_chat_value read_string(struct reader *r) {
    struct ew_chat_buffer b = {.m = r->m};
    r->at++;
    for (;;) {
        size_t from = r->at;
        while (r->at < r->size && r->text[r->at] != '"' && r->text[r->at] != '\\' && (uint8_t)r->text[r->at] >= 0x20)
            r->at++;
        ew_chat_write(&b, r->text + from, r->at - from);
        int c = peek(r);
        if (c < 0) refuse(r, "the string has no end");
        if (c < 0x20) refuse(r, "control characters in a string are written as escapes");
        r->at++;
        if (c == '"') return ew_chat_written(&b);
        read_escape(r, &b);
    }
}

static size_t skip_digits(struct reader *r) {
    size_t from = r->at;
    while (peek(r) >= '0' && peek(r) <= '9') r->at++;
    if (r->at == from) refuse(r, "not a value of JSON");
    return r->at - from;
}

static struct ew_chat_value read_number(struct reader *r) {
    char text[64];
    size_t from = r->at;
    bool whole = true;
    if (peek(r) == '-') r->at++;
    bool zero = peek(r) == '0';
    if (skip_digits(r) > 1 && zero) refuse(r, "a number does not begin with 0");
    if (peek(r) == '.') {
        whole = false;
        r->at++;
        skip_digits(r);
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        whole = false;
        r->at++;
        if (peek(r) == '+' || peek(r) == '-') r->at++;
        skip_digits(r);
    }
    if (r->at - from >= sizeof text) refuse(r, "a number of more than 63 characters");
    memcpy(text, r->text + from, r->at - from);
    text[r->at - from] = 0;
    errno = 0;
    long long integer = whole ? strtoll(text, NULL, 10) : 0;
    return whole && errno == 0 ? ew_chat_int(integer) : ew_chat_float(strtod(text, NULL));
}

static struct ew_chat_value read_word(struct reader *r) {
    static const struct {
        const char *word;
        struct ew_chat_value value;
    } words[] = {{"true", {.kind = EW_CHAT_BOOL, .boolean = true}},
                 {"false", {.kind = EW_CHAT_BOOL, .boolean = false}},
                 {"null", {.kind = EW_CHAT_NONE}}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (r->size - r->at < n || memcmp(r->text + r->at, words[i].word, n) != 0) continue;
        r->at += n;
        return words[i].value;
    }
    refuse(r, "not a value of JSON");
}

static struct ew_chat_value read_value(struct reader *r);

static struct ew_chat_value read_list(struct reader *r) {
    struct ew_chat_value list = ew_chat_list(r->m);
    r->at++;
    if (skip_if(r, ']')) return list;
    do ew_chat_append(r->m, list, read_value(r));
    while (skip_if(r, ','));
    if (!skip_if(r, ']')) refuse(r, "`,` or `]` is expected");
    return list;
}

static struct ew_chat_value read_object(struct reader *r) {
    struct ew_chat_value object = ew_chat_dict(r->m);
    r->at++;
    if (skip_if(r, '}')) return object;
    do {
        skip_blanks(r);
        if (peek(r) != '"') refuse(r, "a key in quotes is expected");
        struct ew_chat_value key = read_string(r);
        if (!skip_if(r, ':')) refuse(r, "`:` is expected");
        ew_chat_put(r->m, object.dict, key, read_value(r));
    } while (skip_if(r, ','));
    if (!skip_if(r, '}')) refuse(r, "`,` or `}` is expected");
    return object;
}

static struct ew_chat_value read_value(struct reader *r) {
    ew_chat_enter(r->m);
    ew_chat_step(r->m, 1);
    skip_blanks(r);
    int c = peek(r);
    struct ew_chat_value v = c == '"'                             ? read_string(r)
                             : c == '['                           ? read_list(r)
                             : c == '{'                           ? read_object(r)
                             : c == '-' || (c >= '0' && c <= '9') ? read_number(r)
                                                                  : read_word(r);
    ew_chat_leave(r->m);
    return v;
}

struct ew_chat_value ew_chat_read_json(struct ew_chat_machine *m, const char *what, const char *text, size_t size) {
    struct reader r = {.m = m, .what = what, .text = text, .size = size};
    struct ew_chat_value v = read_value(&r);
    skip_blanks(&r);
    if (r.at < size) refuse(&r, "more follows the value");
    return v;
}
