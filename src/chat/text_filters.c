/* Owns the filters over text, and JSON. Source: Jinja 3.1 documentation, "List of Builtin Filters"; tojson as Hugging
 * Face has it (json.dumps, no escapes for HTML). Filters over lists: list_filters.c. */
#include "chat/chat_builtin.h"
#include "chat/chat_json_read.h"
#include "chat/chat_unicode.h"
#include "chat/text_operations.h"

#include <string.h>

typedef struct ew_chat_value value;
#define FILTER(name) static value name(struct ew_chat_machine *m, value v, const value *args)

FILTER(to_string) {
    (void)args;
    value s = ew_chat_str(m, v);
    s.markup = false;
    return s;
}
FILTER(trim) { return ew_text_strip(m, ew_chat_str(m, v), args[0], EW_TEXT_BOTH); }
FILTER(upper) {
    (void)args;
    return ew_text_change_case(m, ew_chat_str(m, v), EW_TEXT_UPPER);
}
FILTER(lower) {
    (void)args;
    return ew_text_change_case(m, ew_chat_str(m, v), EW_TEXT_LOWER);
}
FILTER(capitalize) {
    (void)args;
    return ew_text_change_case(m, ew_chat_str(m, v), EW_TEXT_CAPITALIZE);
}

/* Words begin after blanks, dashes and opening brackets: not at an apostrophe, as with the method. */
FILTER(title) {
    (void)args;
    value s = ew_chat_str(m, v);
    struct ew_chat_buffer b = {.m = m};
    bool starts = true;
    for (size_t at = 0; at < s.size;) {
        uint32_t c;
        at += ew_unicode_next(s.text + at, s.size - at, &c);
        ew_chat_write_code(&b, starts ? ew_unicode_upper(c) : ew_unicode_lower(c));
        starts = ew_unicode_is_space(c) || (c < 0x80 && c > 0 && strchr("-({[<", (int)c));
    }
    return ew_chat_written(&b);
}

FILTER(replace) {
    return ew_text_replace(m, ew_chat_str(m, v), ew_chat_str(m, args[0]), ew_chat_str(m, args[1]),
                           ew_chat_integer_arg(m, args[2], "replace", -1));
}

FILTER(center) {
    return ew_text_pad(m, ew_chat_str(m, v), ew_chat_integer_arg(m, args[0], "center", 80), ew_chat_text(" "),
                       EW_TEXT_BOTH);
}

FILTER(wordcount) {
    (void)args;
    value s = ew_chat_str(m, v);
    int64_t n = 0;
    bool in_word = false;
    ew_chat_charge(m, s.size);
    for (size_t at = 0; at < s.size;) {
        uint32_t c;
        at += ew_unicode_next(s.text + at, s.size - at, &c);
        bool letter = ew_unicode_is_alpha(c) || ew_unicode_is_digit(c) || c == '_';
        n += letter && !in_word;
        in_word = letter;
    }
    return ew_chat_int(n);
}

FILTER(truncate) {
    value s = ew_chat_str(m, v), end = ew_chat_given(args[2]) ? ew_chat_str(m, args[2]) : ew_chat_text("...");
    int64_t most = ew_chat_integer_arg(m, args[0], "truncate", 255),
            leeway = ew_chat_integer_arg(m, args[3], "truncate", 5);
    int64_t n_end = (int64_t)ew_chat_length(m, end), n = (int64_t)ew_chat_length(m, s);
    if (most < n_end || leeway < 0 || most > INT32_MAX || leeway > INT32_MAX)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "truncate: %lld characters with a leeway of %lld", (long long)most,
                     (long long)leeway);
    if (n <= most + leeway) return s;
    s.size = ew_unicode_offset(s.text, s.size, (size_t)(most - n_end));
    bool kills_words = ew_chat_given(args[1]) && ew_chat_truth(args[1]);
    const char *blank = kills_words || s.size == 0 ? NULL : memrchr(s.text, ' ', s.size);
    if (blank) s.size = (size_t)(blank - s.text);
    struct ew_chat_buffer b = {.m = m};
    ew_chat_write(&b, s.text, s.size);
    ew_chat_write(&b, end.text, end.size);
    return ew_chat_written(&b);
}

/* What one level of indentation is: a string, or so many blanks. */
static value indentation(struct ew_chat_machine *m, value arg, int64_t fallback, const char *name) {
    if (arg.kind == EW_CHAT_STRING) return arg;
    return ew_text_pad(m, ew_chat_string("", 0), ew_chat_integer_arg(m, arg, name, fallback), ew_chat_text(" "),
                       EW_TEXT_LEFT);
}

FILTER(indent) {
    value by = indentation(m, args[0], 4, "indent");
    bool first = ew_chat_given(args[1]) && ew_chat_truth(args[1]),
         blank = ew_chat_given(args[2]) && ew_chat_truth(args[2]);
    struct ew_chat_buffer closed = {.m = m}, b = {.m = m};
    ew_chat_write_str(&closed, v);
    ew_chat_write_text(&closed, "\n"); /* so that a last empty line counts as one */
    const struct ew_chat_list *lines = ew_text_lines(m, ew_chat_written(&closed), false).list;
    for (size_t i = 0; i < lines->n; i++) {
        if (i > 0) ew_chat_write_text(&b, "\n");
        if (i == 0 ? first : blank || lines->items[i].size > 0) ew_chat_write(&b, by.text, by.size);
        ew_chat_write_str(&b, lines->items[i]);
    }
    return ew_chat_written(&b);
}

FILTER(escape) {
    (void)args;
    return ew_text_escape(m, ew_chat_str(m, v));
}

FILTER(safe) {
    (void)args;
    value s = ew_chat_str(m, v);
    s.markup = true;
    return s;
}

/* args[0]: the list, args[1]: the dict of arguments. */
FILTER(format) {
    args[0].list->tuple = true;
    return ew_chat_percent(m, ew_chat_str(m, v), args[1].dict->n > 0 ? args[1] : args[0]);
}

FILTER(to_json) {
    struct ew_chat_json_style style = {
        .ascii = ew_chat_given(args[0]) && ew_chat_truth(args[0]),
        .sort_keys = ew_chat_given(args[3]) && ew_chat_truth(args[3]),
        .lines = ew_chat_given(args[1]) && args[1].kind != EW_CHAT_NONE,
        .between_items = ew_chat_text(", "),
        .after_key = ew_chat_text(": "),
    };
    if (style.lines) {
        style.indent = indentation(m, args[1], 0, "tojson");
        style.between_items = ew_chat_text(",");
    }
    if (ew_chat_given(args[2]) && args[2].kind != EW_CHAT_NONE) {
        const struct ew_chat_list *two = ew_chat_iterate(m, args[2]);
        if (two->n != 2) ew_chat_fail(m, EW_ERR_ARGUMENT, "tojson: separators are two strings, not %zu", two->n);
        style.between_items = ew_chat_string_arg(m, two->items[0], "tojson: separators");
        style.after_key = ew_chat_string_arg(m, two->items[1], "tojson: separators");
    }
    struct ew_chat_buffer b = {.m = m};
    ew_chat_write_json(&b, v, &style);
    return ew_chat_written(&b);
}

FILTER(from_json) {
    (void)args;
    value s = ew_chat_string_arg(m, v, "from_json");
    return ew_chat_read_json(m, "from_json", s.text, s.size);
}

const struct ew_chat_builtin ew_chat_text_filters[] = {
    {"string", "", 0, to_string},
    {"safe", "", 0, safe},
    {"trim", "chars", 0, trim},
    {"upper", "", 0, upper},
    {"lower", "", 0, lower},
    {"capitalize", "", 0, capitalize},
    {"title", "", 0, title},
    {"replace", "old new count", 2, replace},
    {"center", "width", 0, center},
    {"wordcount", "", 0, wordcount},
    {"truncate", "length killwords end leeway", 0, truncate},
    {"indent", "width first blank", 0, indent},
    {"escape", "", 0, escape},
    {"e", "", 0, escape},
    {"forceescape", "", 0, escape},
    {"format", "*", 0, format},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, to_json},
    {"from_json", "", 0, from_json},
    {0},
};
