/* Owns str() and repr() of values and the buffer that they are written to. JSON: chat_json_write.c. */
#include "chat/chat_print.h"
#include "chat/chat_unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ew_chat_write(struct ew_chat_buffer *b, const char *text, size_t size) {
    if (size == 0) return;
    ew_chat_charge(b->m, size);
    if (b->output && size > b->m->limits.output_bytes - b->n)
        ew_chat_fail(b->m, EW_ERR_LIMIT, "the text: more than %zu bytes (the limit)", b->m->limits.output_bytes);
    if (size > b->capacity - b->n) {
        size_t capacity = 2 * b->capacity > b->n + size ? 2 * b->capacity : b->n + size + 32;
        char *data = ew_chat_alloc(b->m, capacity, 1);
        if (b->n > 0) memcpy(data, b->data, b->n);
        b->data = data;
        b->capacity = capacity;
    }
    memcpy(b->data + b->n, text, size);
    b->n += size;
}

void ew_chat_write_text(struct ew_chat_buffer *b, const char *text) { ew_chat_write(b, text, strlen(text)); }

void ew_chat_write_code(struct ew_chat_buffer *b, uint32_t code) {
    char bytes[4];
    ew_chat_write(b, bytes, ew_unicode_put(bytes, code));
}

/* The shortest digits that read back as the same number, in Python's choice of notation. */
static void write_float(struct ew_chat_buffer *b, double v) {
    char digits[40], text[64];
    if (!isfinite(v)) {
        ew_chat_write_text(b, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    int precision = 0;
    do snprintf(digits, sizeof digits, "%.*e", precision, v);
    while (strtod(digits, NULL) != v && ++precision < 17);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        ew_chat_write_text(b, digits);
        return;
    }
    int decimals = precision - exponent;
    snprintf(text, sizeof text, "%.*f", decimals > 1 ? decimals : 1, v);
    ew_chat_write_text(b, text);
}

static bool is_printable(uint32_t c) {
    return c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && c != 0xad && (c == 0x20 || !ew_unicode_is_space(c));
}

static void write_quoted(struct ew_chat_buffer *b, struct ew_chat_value s) {
    char quote = s.size > 0 && memchr(s.text, '\'', s.size) && !memchr(s.text, '"', s.size) ? '"' : '\'';
    ew_chat_write(b, &quote, 1);
    for (size_t at = 0, n; at < s.size; at += n) {
        uint32_t c;
        char escape[16];
        n = ew_unicode_next(s.text + at, s.size - at, &c);
        if (c == (uint8_t)quote || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", (char)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (!is_printable(c))
            snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c);
        else
            escape[0] = 0;
        if (escape[0])
            ew_chat_write_text(b, escape);
        else
            ew_chat_write(b, s.text + at, n);
    }
    ew_chat_write(b, &quote, 1);
}

static void write_list(struct ew_chat_buffer *b, const struct ew_chat_list *list) {
    ew_chat_write_text(b, list->tuple ? "(" : "[");
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) ew_chat_write_text(b, ", ");
        ew_chat_write_repr(b, list->items[i]);
    }
    ew_chat_write_text(b, !list->tuple ? "]" : list->n == 1 ? ",)" : ")");
}

static void write_dict(struct ew_chat_buffer *b, const struct ew_chat_dict *dict) {
    ew_chat_write_text(b, "{");
    for (size_t i = 0; i < dict->n; i++) {
        if (i > 0) ew_chat_write_text(b, ", ");
        ew_chat_write_repr(b, dict->entries[i].key);
        ew_chat_write_text(b, ": ");
        ew_chat_write_repr(b, dict->entries[i].value);
    }
    ew_chat_write_text(b, "}");
}

void ew_chat_write_repr(struct ew_chat_buffer *b, struct ew_chat_value v) {
    char text[32];
    ew_chat_enter(b->m);
    switch (v.kind) {
    case EW_CHAT_UNDEFINED: ew_chat_write_text(b, "Undefined"); break;
    case EW_CHAT_NONE: ew_chat_write_text(b, "None"); break;
    case EW_CHAT_BOOL: ew_chat_write_text(b, v.boolean ? "True" : "False"); break;
    case EW_CHAT_INT:
        snprintf(text, sizeof text, "%lld", (long long)v.integer);
        ew_chat_write_text(b, text);
        break;
    case EW_CHAT_FLOAT: write_float(b, v.number); break;
    case EW_CHAT_STRING: write_quoted(b, v); break;
    case EW_CHAT_LIST: write_list(b, v.list); break;
    case EW_CHAT_DICT: write_dict(b, v.dict); break;
    default:
        ew_chat_write_text(b, "<");
        ew_chat_write_text(b, ew_chat_kind_name(v));
        ew_chat_write_text(b, ">");
    }
    ew_chat_leave(b->m);
}

void ew_chat_write_str(struct ew_chat_buffer *b, struct ew_chat_value v) {
    if (v.kind == EW_CHAT_STRING)
        ew_chat_write(b, v.text, v.size);
    else if (v.kind != EW_CHAT_UNDEFINED)
        ew_chat_write_repr(b, v);
}

struct ew_chat_value ew_chat_str(struct ew_chat_machine *m, struct ew_chat_value v) {
    if (v.kind == EW_CHAT_STRING) return v;
    struct ew_chat_buffer b = {.m = m};
    ew_chat_write_str(&b, v);
    return ew_chat_written(&b);
}
