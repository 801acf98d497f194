/* Owns Python's operations on strings that both filters and methods need. */
#include "chat/text_operations.h"
#include "chat/chat_unicode.h"

#include <string.h>

typedef struct ew_chat_value value;

enum { MAX_WIDTH = 1 << 20 };

static bool is_stripped(const char *c, size_t n, uint32_t code, value chars) {
    if (chars.kind != EW_CHAT_STRING) return ew_unicode_is_space(code);
    for (size_t at = 0; at < chars.size;) {
        uint32_t other;
        size_t size = ew_unicode_next(chars.text + at, chars.size - at, &other);
        if (size == n && memcmp(chars.text + at, c, n) == 0) return true;
        at += size;
    }
    return false;
}

value ew_text_strip(struct ew_chat_machine *m, value s, value chars, enum ew_text_sides sides) {
    uint32_t code;
    ew_chat_step(m, 1 + s.size * (chars.kind == EW_CHAT_STRING ? chars.size : 1) / 16);
    while ((sides & EW_TEXT_LEFT) && s.size > 0) {
        size_t n = ew_unicode_next(s.text, s.size, &code);
        if (!is_stripped(s.text, n, code, chars)) break;
        s.text += n;
        s.size -= n;
    }
    while ((sides & EW_TEXT_RIGHT) && s.size > 0) {
        size_t n = ew_unicode_last(s.text, s.size, &code);
        if (!is_stripped(s.text + s.size - n, n, code, chars)) break;
        s.size -= n;
    }
    return s;
}

value ew_text_change_case(struct ew_chat_machine *m, value s, enum ew_text_case how) {
    struct ew_chat_buffer b = {.m = m};
    bool in_word = false; /* the character before is a letter */
    for (size_t at = 0; at < s.size;) {
        uint32_t c;
        size_t n = ew_unicode_next(s.text + at, s.size - at, &c);
        bool upper = how == EW_TEXT_UPPER || (how == EW_TEXT_CAPITALIZE && at == 0) ||
                     (how == EW_TEXT_TITLE && !in_word) || (how == EW_TEXT_SWAP && ew_unicode_upper(c) != c);
        uint32_t changed = upper ? ew_unicode_upper(c) : ew_unicode_lower(c);
        in_word = ew_unicode_is_alpha(c);
        if (upper && c == 0xdf)
            ew_chat_write_text(&b, how == EW_TEXT_UPPER ? "SS" : "Ss"); /* the one common letter that grows */
        else if (changed == c)
            ew_chat_write(&b, s.text + at, n);
        else
            ew_chat_write_code(&b, changed);
        at += n;
    }
    return ew_chat_written(&b);
}

value ew_text_replace(struct ew_chat_machine *m, value s, value old, value new_, int64_t count) {
    struct ew_chat_buffer b = {.m = m};
    size_t at = 0;
    ew_chat_charge(m, s.size);
    while (count != 0 && at <= s.size) {
        const char *found = old.size == 0 ? s.text + at : memmem(s.text + at, s.size - at, old.text, old.size);
        if (!found) break;
        size_t place = (size_t)(found - s.text);
        ew_chat_write(&b, s.text + at, place - at);
        ew_chat_write(&b, new_.text, new_.size);
        at = place + old.size;
        count--;
        if (old.size > 0) continue;
        if (at == s.size) break;
        uint32_t code; /* nothing is found before each character and at the end */
        size_t n = ew_unicode_next(s.text + at, s.size - at, &code);
        ew_chat_write(&b, s.text + at, n);
        at += n;
    }
    if (at < s.size) ew_chat_write(&b, s.text + at, s.size - at);
    return ew_chat_written(&b);
}

static bool ends_line(uint32_t c) {
    return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

value ew_text_lines(struct ew_chat_machine *m, value s, bool keep_ends) {
    value lines = ew_chat_list(m);
    size_t from = 0;
    ew_chat_charge(m, s.size);
    for (size_t at = 0; at < s.size;) {
        uint32_t c;
        size_t end = at;
        at += ew_unicode_next(s.text + at, s.size - at, &c);
        if (!ends_line(c)) continue;
        if (c == '\r' && at < s.size && s.text[at] == '\n') at++;
        ew_chat_append(m, lines, ew_chat_string(s.text + from, (keep_ends ? at : end) - from));
        from = at;
    }
    if (from < s.size) ew_chat_append(m, lines, ew_chat_string(s.text + from, s.size - from));
    return lines;
}

value ew_text_pad(struct ew_chat_machine *m, value s, int64_t width, value fill, enum ew_text_sides sides) {
    size_t n = ew_chat_length(m, s);
    if (width > MAX_WIDTH) ew_chat_fail(m, EW_ERR_LIMIT, "a width of %lld (at most %d)", (long long)width, MAX_WIDTH);
    if (width <= 0 || (size_t)width <= n) return s;
    size_t pad = (size_t)width - n, left = sides == EW_TEXT_LEFT ? pad : 0;
    if (sides == EW_TEXT_BOTH) left = pad / 2 + (pad & (size_t)width & 1);
    struct ew_chat_buffer b = {.m = m};
    for (size_t i = 0; i < left; i++) ew_chat_write(&b, fill.text, fill.size);
    ew_chat_write(&b, s.text, s.size);
    for (size_t i = left; i < pad; i++) ew_chat_write(&b, fill.text, fill.size);
    return ew_chat_written(&b);
}

value ew_text_escape(struct ew_chat_machine *m, value s) {
    static const struct {
        char c;
        const char *name;
    } names[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    struct ew_chat_buffer b = {.m = m};
    if (s.markup) return s;
    for (size_t at = 0; at < s.size; at++) {
        size_t i = 0;
        while (i < sizeof names / sizeof *names && names[i].c != s.text[at]) i++;
        if (i < sizeof names / sizeof *names)
            ew_chat_write_text(&b, names[i].name);
        else
            ew_chat_write(&b, s.text + at, 1);
    }
    s = ew_chat_written(&b);
    s.markup = true;
    return s;
}
