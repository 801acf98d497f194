/* Owns JSON output, to the byte as Python's json.dumps: templates print tools with it, and models have seen it so. */
#include "chat/chat_print.h"
#include "chat/chat_unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void write_escape(struct ew_chat_buffer *b, uint32_t c) {
    static const char letters[] = {
        [8] = 'b', [9] = 't', [10] = 'n', [12] = 'f', [13] = 'r', ['"'] = '"', ['\\'] = '\\'};
    char text[16];
    if (c < sizeof letters && letters[c])
        snprintf(text, sizeof text, "\\%c", letters[c]);
    else if (c < 0x10000)
        snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    else
        snprintf(text, sizeof text, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((c - 0x10000) >> 10)),
                 (unsigned)(0xdc00 + (c & 0x3ff)));
    ew_chat_write_text(b, text);
}

static void write_string(struct ew_chat_buffer *b, struct ew_chat_value s, bool ascii) {
    ew_chat_write_text(b, "\"");
    size_t from = 0; /* start of what is copied as it is */
    for (size_t at = 0, n; at < s.size; at += n) {
        uint32_t c;
        n = ew_unicode_next(s.text + at, s.size - at, &c);
        if (c >= 0x20 && c != '"' && c != '\\' && (!ascii || c < 0x7f)) continue;
        if (ascii && c == 0x7f) continue;
        ew_chat_write(b, s.text + from, at - from);
        write_escape(b, c);
        from = at + n;
    }
    ew_chat_write(b, s.text + from, s.size - from);
    ew_chat_write_text(b, "\"");
}

static void write_number(struct ew_chat_buffer *b, struct ew_chat_value v) {
    if (v.kind == EW_CHAT_FLOAT && !isfinite(v.number))
        ew_chat_write_text(b, isnan(v.number) ? "NaN" : v.number < 0 ? "-Infinity" : "Infinity");
    else
        ew_chat_write_repr(b, v);
}

static void write_line(struct ew_chat_buffer *b, const struct ew_chat_json_style *style, unsigned level) {
    if (!style->lines) return;
    ew_chat_write_text(b, "\n");
    for (unsigned i = 0; i < level; i++) ew_chat_write(b, style->indent.text, style->indent.size);
}

static void write_value(struct ew_chat_buffer *b, struct ew_chat_value v, const struct ew_chat_json_style *style,
                        unsigned level);

static void write_key(struct ew_chat_buffer *b, struct ew_chat_value key, const struct ew_chat_json_style *style) {
    if (key.kind == EW_CHAT_STRING) {
        write_string(b, key, style->ascii);
        return;
    }
    if (key.kind == EW_CHAT_LIST) ew_chat_fail(b->m, EW_ERR_ARGUMENT, "tojson: a tuple cannot be a key of JSON");
    ew_chat_write_text(b, "\"");
    write_value(b, key, style, 0);
    ew_chat_write_text(b, "\"");
}

static void write_list(struct ew_chat_buffer *b, const struct ew_chat_list *list,
                       const struct ew_chat_json_style *style, unsigned level) {
    ew_chat_write_text(b, "[");
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) ew_chat_write_str(b, style->between_items);
        write_line(b, style, level + 1);
        write_value(b, list->items[i], style, level + 1);
    }
    if (list->n > 0) write_line(b, style, level);
    ew_chat_write_text(b, "]");
}

static int compare_entries(const void *a, const void *b, void *m) {
    return ew_chat_compare(m, ((const struct ew_chat_entry *)a)->key, ((const struct ew_chat_entry *)b)->key);
}

static const struct ew_chat_entry *in_order(struct ew_chat_machine *m, const struct ew_chat_dict *dict, bool sorted) {
    if (!sorted || dict->n < 2) return dict->entries;
    struct ew_chat_entry *copy = ew_chat_alloc(m, dict->n, sizeof *copy);
    for (size_t i = 0; i < dict->n; i++) copy[i] = dict->entries[i];
    qsort_r(copy, dict->n, sizeof *copy, compare_entries, m);
    return copy;
}

static void write_dict(struct ew_chat_buffer *b, const struct ew_chat_dict *dict,
                       const struct ew_chat_json_style *style, unsigned level) {
    const struct ew_chat_entry *entries = in_order(b->m, dict, style->sort_keys);
    ew_chat_write_text(b, "{");
    for (size_t i = 0; i < dict->n; i++) {
        if (i > 0) ew_chat_write_str(b, style->between_items);
        write_line(b, style, level + 1);
        write_key(b, entries[i].key, style);
        ew_chat_write_str(b, style->after_key);
        write_value(b, entries[i].value, style, level + 1);
    }
    if (dict->n > 0) write_line(b, style, level);
    ew_chat_write_text(b, "}");
}

static void write_value(struct ew_chat_buffer *b, struct ew_chat_value v, const struct ew_chat_json_style *style,
                        unsigned level) {
    ew_chat_enter(b->m);
    switch (v.kind) {
    case EW_CHAT_NONE: ew_chat_write_text(b, "null"); break;
    case EW_CHAT_BOOL: ew_chat_write_text(b, v.boolean ? "true" : "false"); break;
    case EW_CHAT_INT:
    case EW_CHAT_FLOAT: write_number(b, v); break;
    case EW_CHAT_STRING: write_string(b, v, style->ascii); break;
    case EW_CHAT_LIST: write_list(b, v.list, style, level); break;
    case EW_CHAT_DICT: write_dict(b, v.dict, style, level); break;
    default: ew_chat_fail(b->m, EW_ERR_ARGUMENT, "tojson: JSON has no values of kind %s", ew_chat_kind_name(v));
    }
    ew_chat_leave(b->m);
}

void ew_chat_write_json(struct ew_chat_buffer *b, struct ew_chat_value v, const struct ew_chat_json_style *style) {
    write_value(b, v, style, 0);
}
