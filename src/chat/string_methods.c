/* Owns the methods of strings. Source: Python's documentation of str. Left out: what needs an encoding or a table. */
#include "chat/chat_builtin.h"
#include "chat/chat_unicode.h"
#include "chat/text_operations.h"

#include <string.h>

typedef struct ew_chat_value value;
#define METHOD(name) static value name(struct ew_chat_machine *m, value s, const value *args)

METHOD(strip) { return ew_text_strip(m, s, args[0], EW_TEXT_BOTH); }
METHOD(lstrip) { return ew_text_strip(m, s, args[0], EW_TEXT_LEFT); }
METHOD(rstrip) { return ew_text_strip(m, s, args[0], EW_TEXT_RIGHT); }

#define CASE_METHOD(name, how)                                                                                         \
    METHOD(name) {                                                                                                     \
        (void)args;                                                                                                    \
        return ew_text_change_case(m, s, how);                                                                         \
    }
CASE_METHOD(upper, EW_TEXT_UPPER)
CASE_METHOD(lower, EW_TEXT_LOWER)
CASE_METHOD(capitalize, EW_TEXT_CAPITALIZE)
CASE_METHOD(title, EW_TEXT_TITLE)
CASE_METHOD(swapcase, EW_TEXT_SWAP)

METHOD(replace) {
    return ew_text_replace(m, s, ew_chat_string_arg(m, args[0], "replace"), ew_chat_string_arg(m, args[1], "replace"),
                           ew_chat_integer_arg(m, args[2], "replace", -1));
}

METHOD(splitlines) { return ew_text_lines(m, s, ew_chat_given(args[0]) && ew_chat_truth(args[0])); }

METHOD(join) {
    const struct ew_chat_list *list = ew_chat_iterate(m, args[0]);
    struct ew_chat_buffer b = {.m = m};
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) ew_chat_write(&b, s.text, s.size);
        value item = ew_chat_string_arg(m, list->items[i], "join");
        ew_chat_write(&b, item.text, item.size);
    }
    return ew_chat_written(&b);
}

/* ---- splitting ---- */

static void append_part(struct ew_chat_machine *m, value list, value s, size_t from, size_t to) {
    ew_chat_append(m, list, ew_chat_string(s.text + from, to - from));
}

/* At runs of white space, none of it kept; the rest after `most` splits keeps its inner blanks. */
static value split_blanks(struct ew_chat_machine *m, value s, int64_t most) {
    static const value missing = {.kind = EW_CHAT_MISSING};
    value out = ew_chat_list(m), rest = ew_text_strip(m, s, missing, EW_TEXT_LEFT);
    while (rest.size > 0) {
        uint32_t code;
        size_t end = 0, n;
        if (most == 0) {
            ew_chat_append(m, out, ew_text_strip(m, rest, missing, EW_TEXT_RIGHT));
            break;
        }
        while (end < rest.size && (n = ew_unicode_next(rest.text + end, rest.size - end, &code)) &&
               !ew_unicode_is_space(code))
            end += n;
        append_part(m, out, rest, 0, end);
        rest = ew_chat_string(rest.text + end, rest.size - end);
        while (rest.size > 0 && (n = ew_unicode_next(rest.text, rest.size, &code)) && ew_unicode_is_space(code))
            rest = ew_chat_string(rest.text + n, rest.size - n);
        most -= most > 0;
    }
    ew_chat_charge(m, s.size);
    return out;
}

static value separator(struct ew_chat_machine *m, value arg, const char *name) {
    value by = ew_chat_string_arg(m, arg, name);
    if (by.size == 0) ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: the separator is empty", name);
    return by;
}

METHOD(split) {
    int64_t most = ew_chat_integer_arg(m, args[1], "split", -1);
    if (!ew_chat_given(args[0]) || args[0].kind == EW_CHAT_NONE) return split_blanks(m, s, most);
    value by = separator(m, args[0], "split"), out = ew_chat_list(m);
    size_t at = 0;
    ew_chat_charge(m, s.size);
    for (const char *found; most != 0 && (found = memmem(s.text + at, s.size - at, by.text, by.size)); most--) {
        append_part(m, out, s, at, (size_t)(found - s.text));
        at = (size_t)(found - s.text) + by.size;
    }
    append_part(m, out, s, at, s.size);
    return out;
}

/* Where `by` stands last in the first `size` bytes; size when it does not. */
static size_t find_last(value s, value by, size_t size) {
    for (size_t at = size >= by.size ? size - by.size + 1 : 0; at > 0; at--)
        if (memcmp(s.text + at - 1, by.text, by.size) == 0) return at - 1;
    return size;
}

METHOD(rsplit) {
    int64_t most = ew_chat_integer_arg(m, args[1], "rsplit", -1);
    if (!ew_chat_given(args[0]) || args[0].kind == EW_CHAT_NONE) {
        if (most >= 0) ew_chat_fail(m, EW_ERR_UNSUPPORTED, "rsplit: a limit wants a separator");
        return split_blanks(m, s, most);
    }
    value by = separator(m, args[0], "rsplit"), backwards = ew_chat_list(m), out = ew_chat_list(m);
    size_t end = s.size;
    ew_chat_charge(m, s.size);
    for (; most != 0; most--) {
        size_t at = find_last(s, by, end);
        if (at == end) break;
        append_part(m, backwards, s, at + by.size, end);
        end = at;
    }
    append_part(m, backwards, s, 0, end);
    for (size_t i = backwards.list->n; i > 0; i--) ew_chat_append(m, out, backwards.list->items[i - 1]);
    return out;
}

static value three_parts(struct ew_chat_machine *m, value s, size_t from, size_t to) {
    value out = ew_chat_list(m);
    out.list->tuple = true;
    append_part(m, out, s, 0, from);
    append_part(m, out, s, from, to);
    append_part(m, out, s, to, s.size);
    return out;
}

METHOD(partition) {
    value by = separator(m, args[0], "partition");
    const char *found = memmem(s.text, s.size, by.text, by.size);
    size_t at = found ? (size_t)(found - s.text) : s.size;
    ew_chat_charge(m, s.size);
    return three_parts(m, s, at, found ? at + by.size : at);
}

METHOD(rpartition) {
    value by = separator(m, args[0], "rpartition");
    size_t at = find_last(s, by, s.size);
    ew_chat_charge(m, s.size);
    return at == s.size ? three_parts(m, s, 0, 0) : three_parts(m, s, at, at + by.size);
}

/* ---- finding ---- */

/* s[from:to] of a method's optional arguments. */
static value window(struct ew_chat_machine *m, value s, const value *args) {
    if (!ew_chat_given(args[1]) && !ew_chat_given(args[2])) return s;
    return ew_chat_slice(m, s, args[1], args[2], ew_chat_int(1));
}

static value has_affix(struct ew_chat_machine *m, value s, const value *args, bool at_end) {
    value part = window(m, s, args);
    const struct ew_chat_list one = {.items = (value *)&args[0], .n = 1};
    const struct ew_chat_list *all = args[0].kind == EW_CHAT_LIST ? args[0].list : &one;
    for (size_t i = 0; i < all->n; i++) {
        value affix = ew_chat_string_arg(m, all->items[i], at_end ? "endswith" : "startswith");
        ew_chat_charge(m, affix.size);
        if (affix.size > part.size) continue;
        const char *place = part.text + (at_end ? part.size - affix.size : 0);
        if (affix.size == 0 || memcmp(place, affix.text, affix.size) == 0) return ew_chat_bool(true);
    }
    return ew_chat_bool(false);
}
METHOD(startswith) { return has_affix(m, s, args, false); }
METHOD(endswith) { return has_affix(m, s, args, true); }

static int64_t find_text(struct ew_chat_machine *m, value s, const value *args, bool from_end) {
    value part = window(m, s, args), wanted = ew_chat_string_arg(m, args[0], "find");
    ew_chat_charge(m, part.size);
    size_t at = part.size;
    if (from_end) {
        at = wanted.size == 0 ? part.size : find_last(part, wanted, part.size);
    } else {
        const char *found = wanted.size == 0 ? part.text : memmem(part.text, part.size, wanted.text, wanted.size);
        if (found) at = (size_t)(found - part.text);
    }
    if (at == part.size && wanted.size > 0) return -1;
    return (int64_t)ew_unicode_count(s.text, (size_t)(part.text - s.text) + at);
}
METHOD(find) { return ew_chat_int(find_text(m, s, args, false)); }
METHOD(rfind) { return ew_chat_int(find_text(m, s, args, true)); }
METHOD(index_of) {
    int64_t at = find_text(m, s, args, false);
    if (at < 0) ew_chat_fail(m, EW_ERR_ARGUMENT, "index: the text is not in the string");
    return ew_chat_int(at);
}

METHOD(count) {
    value part = window(m, s, args), wanted = ew_chat_string_arg(m, args[0], "count");
    int64_t n = 0;
    if (wanted.size == 0) return ew_chat_int((int64_t)ew_chat_length(m, part) + 1);
    ew_chat_charge(m, part.size);
    const char *end = part.text + part.size;
    for (const char *at = part.text; (at = memmem(at, (size_t)(end - at), wanted.text, wanted.size)); at += wanted.size)
        n++;
    return ew_chat_int(n);
}

METHOD(removeprefix) {
    value prefix = ew_chat_string_arg(m, args[0], "removeprefix");
    bool there = prefix.size <= s.size && memcmp(s.text, prefix.text, prefix.size) == 0;
    return there ? ew_chat_string(s.text + prefix.size, s.size - prefix.size) : s;
}

METHOD(removesuffix) {
    value suffix = ew_chat_string_arg(m, args[0], "removesuffix");
    bool there = suffix.size <= s.size && memcmp(s.text + s.size - suffix.size, suffix.text, suffix.size) == 0;
    return there ? ew_chat_string(s.text, s.size - suffix.size) : s;
}

/* ---- what a string consists of ---- */

static value all_are(struct ew_chat_machine *m, value s, bool (*one)(uint32_t code)) {
    ew_chat_charge(m, s.size);
    for (size_t at = 0; at < s.size;) {
        uint32_t code;
        at += ew_unicode_next(s.text + at, s.size - at, &code);
        if (!one(code)) return ew_chat_bool(false);
    }
    return ew_chat_bool(s.size > 0);
}
static bool is_alnum(uint32_t code) { return ew_unicode_is_alpha(code) || ew_unicode_is_digit(code); }

#define CLASS_METHOD(name, one)                                                                                        \
    METHOD(name) {                                                                                                     \
        (void)args;                                                                                                    \
        return all_are(m, s, one);                                                                                     \
    }
CLASS_METHOD(isspace_, ew_unicode_is_space)
CLASS_METHOD(isalpha_, ew_unicode_is_alpha)
CLASS_METHOD(isdigit_, ew_unicode_is_digit)
CLASS_METHOD(isalnum_, is_alnum)

static value run_case_test(struct ew_chat_machine *m, value s, const char *test) {
    return ew_chat_bool(ew_chat_run_test(m, ew_chat_text(test), s, ew_chat_list(m), ew_chat_dict(m)));
}
METHOD(isupper_) {
    (void)args;
    return run_case_test(m, s, "upper");
}
METHOD(islower_) {
    (void)args;
    return run_case_test(m, s, "lower");
}

/* ---- padding and formats ---- */

static value pad(struct ew_chat_machine *m, value s, const value *args, enum ew_text_sides sides) {
    value fill = ew_chat_given(args[1]) ? ew_chat_string_arg(m, args[1], "fillchar") : ew_chat_text(" ");
    if (ew_chat_length(m, fill) != 1) ew_chat_fail(m, EW_ERR_ARGUMENT, "fillchar: one character is expected");
    return ew_text_pad(m, s, ew_chat_integer_arg(m, args[0], "width", 0), fill, sides);
}
METHOD(ljust) { return pad(m, s, args, EW_TEXT_RIGHT); }
METHOD(rjust) { return pad(m, s, args, EW_TEXT_LEFT); }
METHOD(center) { return pad(m, s, args, EW_TEXT_BOTH); }

METHOD(zfill) {
    int64_t width = ew_chat_integer_arg(m, args[0], "zfill", 0);
    size_t sign = s.size > 0 && (s.text[0] == '-' || s.text[0] == '+');
    value digits = ew_text_pad(m, ew_chat_string(s.text + sign, s.size - sign), width - (int64_t)sign,
                               ew_chat_text("0"), EW_TEXT_LEFT);
    struct ew_chat_buffer b = {.m = m};
    ew_chat_write(&b, s.text, sign);
    ew_chat_write(&b, digits.text, digits.size);
    return ew_chat_written(&b);
}

/* What {field} means: a number, the next number, or a name. args[0]: the list, args[1]: the dict of arguments. */
static value format_field(struct ew_chat_machine *m, value field, const value *args, size_t *next) {
    if (field.size > 0 && memchr(field.text, ':', field.size))
        ew_chat_fail(m, EW_ERR_UNSUPPORTED, "format: `{%.*s}`: fields with a format are not supported",
                     ew_chat_shown(field), field.text);
    size_t index = 0;
    bool number = field.size < 6;
    for (size_t i = 0; i < field.size && number; i++) {
        number = ew_unicode_is_digit((uint8_t)field.text[i]);
        index = index * 10 + (size_t)(field.text[i] - '0');
    }
    if (field.size == 0) index = (*next)++;
    const value *named = number ? NULL : ew_chat_find(m, args[1].dict, field);
    if (number ? index >= args[0].list->n : !named)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "format: no value for `{%.*s}`", ew_chat_shown(field), field.text);
    return number ? args[0].list->items[index] : *named;
}

METHOD(format) {
    struct ew_chat_buffer b = {.m = m};
    size_t next = 0;
    for (size_t at = 0; at < s.size; at++) {
        char c = s.text[at];
        bool doubled = at + 1 < s.size && s.text[at + 1] == c;
        if ((c != '{' && c != '}') || doubled) {
            ew_chat_write(&b, &c, 1);
            at += c == '{' || c == '}';
            continue;
        }
        const char *close = c == '{' ? memchr(s.text + at, '}', s.size - at) : NULL;
        if (!close) ew_chat_fail(m, EW_ERR_ARGUMENT, "format: a single `%c`", c);
        value field = ew_chat_string(s.text + at + 1, (size_t)(close - s.text) - at - 1);
        ew_chat_write_str(&b, format_field(m, field, args, &next));
        at = (size_t)(close - s.text);
    }
    return ew_chat_written(&b);
}

const struct ew_chat_builtin ew_chat_string_methods[] = {
    {"strip", "chars", 0, strip},
    {"lstrip", "chars", 0, lstrip},
    {"rstrip", "chars", 0, rstrip},
    {"upper", "", 0, upper},
    {"lower", "", 0, lower},
    {"casefold", "", 0, lower},
    {"capitalize", "", 0, capitalize},
    {"title", "", 0, title},
    {"swapcase", "", 0, swapcase},
    {"replace", "old new count", 2, replace},
    {"split", "sep maxsplit", 0, split},
    {"rsplit", "sep maxsplit", 0, rsplit},
    {"splitlines", "keepends", 0, splitlines},
    {"partition", "sep", 1, partition},
    {"rpartition", "sep", 1, rpartition},
    {"join", "iterable", 1, join},
    {"startswith", "prefix start end", 1, startswith},
    {"endswith", "suffix start end", 1, endswith},
    {"find", "sub start end", 1, find},
    {"rfind", "sub start end", 1, rfind},
    {"index", "sub start end", 1, index_of},
    {"count", "sub start end", 1, count},
    {"removeprefix", "prefix", 1, removeprefix},
    {"removesuffix", "suffix", 1, removesuffix},
    {"isspace", "", 0, isspace_},
    {"isalpha", "", 0, isalpha_},
    {"isdigit", "", 0, isdigit_},
    {"isnumeric", "", 0, isdigit_},
    {"isdecimal", "", 0, isdigit_},
    {"isalnum", "", 0, isalnum_},
    {"isupper", "", 0, isupper_},
    {"islower", "", 0, islower_},
    {"ljust", "width fillchar", 1, ljust},
    {"rjust", "width fillchar", 1, rjust},
    {"center", "width fillchar", 1, center},
    {"zfill", "width", 1, zfill},
    {"format", "*", 0, format},
    {0},
};
