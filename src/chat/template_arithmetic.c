/* Owns arithmetic: numbers of 64 bits instead of Python's endless ones, so an overflow is an error here; strings and
 * lists that add up and repeat; and `%` as a format. */
#include "chat/chat_builtin.h"
#include "chat/template_node.h"
#include "chat/text_operations.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

_Noreturn static void refuse(struct ew_chat_machine *m, int op, struct ew_chat_value a, struct ew_chat_value b) {
    struct ew_chat_value bad = a.kind == EW_CHAT_UNDEFINED ? a : b;
    char word[3] = {(char)op, (char)(op >> 8), 0};
    if (bad.kind == EW_CHAT_UNDEFINED)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "`%.*s` is undefined (an operand of `%s`)", ew_chat_shown(bad), bad.text,
                     word);
    ew_chat_fail(m, EW_ERR_ARGUMENT, "`%s` does not take %s and %s", word, ew_chat_kind_name(a), ew_chat_kind_name(b));
}

static struct ew_chat_value power(struct ew_chat_machine *m, int64_t base, int64_t exponent) {
    int64_t result = 1;
    if (exponent < 0) return ew_chat_float(pow((double)base, (double)exponent));
    for (; exponent > 0; exponent >>= 1) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) goto overflow;
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) goto overflow;
    }
    return ew_chat_int(result);
overflow:
    ew_chat_fail(m, EW_ERR_ARGUMENT, "`**`: the result does not fit 64 bits");
}

/* Rounded down, as Python's // and % are. */
static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static struct ew_chat_value integers(struct ew_chat_machine *m, int op, int64_t a, int64_t b) {
    int64_t result;
    bool overflow = false;
    switch (op) {
    case '+': overflow = __builtin_add_overflow(a, b, &result); break;
    case '-': overflow = __builtin_sub_overflow(a, b, &result); break;
    case '*': overflow = __builtin_mul_overflow(a, b, &result); break;
    case EW_OPERATOR('*', '*'): return power(m, a, b);
    default:
        if (b == 0) ew_chat_fail(m, EW_ERR_ARGUMENT, "division by zero");
        if (op == '/') return ew_chat_float((double)a / (double)b);
        overflow = a == INT64_MIN && b == -1;
        if (!overflow) result = op == '%' ? a - floor_divide(a, b) * b : floor_divide(a, b);
    }
    if (overflow) ew_chat_fail(m, EW_ERR_ARGUMENT, "`%c`: the result does not fit 64 bits", op & 0xff);
    return ew_chat_int(result);
}

static struct ew_chat_value floats(struct ew_chat_machine *m, int op, double a, double b) {
    switch (op) {
    case '+': return ew_chat_float(a + b);
    case '-': return ew_chat_float(a - b);
    case '*': return ew_chat_float(a * b);
    case EW_OPERATOR('*', '*'): return ew_chat_float(pow(a, b));
    default: break;
    }
    if (b == 0) ew_chat_fail(m, EW_ERR_ARGUMENT, "division by zero");
    if (op == '/') return ew_chat_float(a / b);
    if (op == EW_OPERATOR('/', '/')) return ew_chat_float(floor(a / b));
    double rest = fmod(a, b);
    return ew_chat_float(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

static struct ew_chat_value repeat(struct ew_chat_machine *m, struct ew_chat_value v, int64_t times) {
    if (v.kind == EW_CHAT_STRING) {
        struct ew_chat_buffer b = {.m = m};
        for (int64_t i = 0; i < times && v.size > 0; i++) ew_chat_write(&b, v.text, v.size);
        return ew_chat_written(&b);
    }
    struct ew_chat_value out = ew_chat_list(m);
    out.list->tuple = v.list->tuple;
    for (int64_t i = 0; i < times && v.list->n > 0; i++) {
        ew_chat_charge(m, v.list->n);
        for (size_t k = 0; k < v.list->n; k++) ew_chat_append(m, out, v.list->items[k]);
    }
    return out;
}

static struct ew_chat_value add_strings(struct ew_chat_machine *m, struct ew_chat_value a, struct ew_chat_value b) {
    bool markup = a.markup || b.markup;
    if (markup) {
        a = ew_text_escape(m, a);
        b = ew_text_escape(m, b);
    }
    if (b.size == 0) return a;
    if (a.size == 0) return b;
    struct ew_chat_buffer sum = {.m = m};
    ew_chat_write(&sum, a.text, a.size);
    ew_chat_write(&sum, b.text, b.size);
    struct ew_chat_value whole = ew_chat_written(&sum);
    whole.markup = markup;
    return whole;
}

static struct ew_chat_value add_lists(struct ew_chat_machine *m, const struct ew_chat_list *a,
                                      const struct ew_chat_list *b) {
    struct ew_chat_value out = ew_chat_list(m);
    out.list->tuple = a->tuple;
    ew_chat_charge(m, a->n + b->n);
    for (size_t i = 0; i < a->n; i++) ew_chat_append(m, out, a->items[i]);
    for (size_t i = 0; i < b->n; i++) ew_chat_append(m, out, b->items[i]);
    return out;
}

static bool is_sequence(struct ew_chat_value v) {
    return v.kind == EW_CHAT_STRING || (v.kind == EW_CHAT_LIST && !v.list->lazy);
}

struct ew_chat_value ew_chat_calculate(struct ew_chat_machine *m, int op, struct ew_chat_value a,
                                       struct ew_chat_value b) {
    if (ew_chat_is_number(a) && ew_chat_is_number(b)) {
        if (a.kind == EW_CHAT_FLOAT || b.kind == EW_CHAT_FLOAT)
            return floats(m, op, ew_chat_number_of(a), ew_chat_number_of(b));
        return integers(m, op, ew_chat_integer_of(a), ew_chat_integer_of(b));
    }
    if (op == '+' && a.kind == EW_CHAT_STRING && b.kind == EW_CHAT_STRING) return add_strings(m, a, b);
    if (op == '+' && is_sequence(a) && a.kind == b.kind && is_sequence(b) && a.list->tuple == b.list->tuple)
        return add_lists(m, a.list, b.list);
    if (op == '%' && a.kind == EW_CHAT_STRING) return ew_chat_percent(m, a, b);
    bool whole_a = a.kind == EW_CHAT_INT || a.kind == EW_CHAT_BOOL,
         whole_b = b.kind == EW_CHAT_INT || b.kind == EW_CHAT_BOOL;
    if (op == '*' && is_sequence(a) && whole_b) return repeat(m, a, ew_chat_integer_of(b));
    if (op == '*' && is_sequence(b) && whole_a) return repeat(m, b, ew_chat_integer_of(a));
    refuse(m, op, a, b);
}

/* ---- % as a format ---- */

struct conversion {
    char flags[8];        /* for printf: of "-+ 0#" */
    int width, precision; /* -1 = not given */
    char letter;
};

/* The conversion after a %, from *at on, which moves past it. */
static struct conversion read_conversion(struct ew_chat_machine *m, struct ew_chat_value f, size_t *at) {
    struct conversion c = {.width = -1, .precision = -1};
    size_t n = 0;
    while (*at < f.size && n < sizeof c.flags - 1 && memchr("-+ 0#", f.text[*at], 5)) c.flags[n++] = f.text[(*at)++];
    for (int part = 0; part < 2; part++) {
        int *number = part == 0 ? &c.width : &c.precision;
        if (part == 1) {
            if (*at >= f.size || f.text[*at] != '.') break;
            (*at)++;
            *number = 0;
        }
        while (*at < f.size && f.text[*at] >= '0' && f.text[*at] <= '9') {
            *number = (*number < 0 ? 0 : *number) * 10 + (f.text[(*at)++] - '0');
            if (*number > 1000) ew_chat_fail(m, EW_ERR_LIMIT, "`%%`: a field wider than 1000");
        }
    }
    if (*at >= f.size) ew_chat_fail(m, EW_ERR_ARGUMENT, "`%%`: the format ends in the middle of a field");
    c.letter = f.text[(*at)++];
    return c;
}

static void write_number(struct ew_chat_buffer *b, const struct conversion *c, struct ew_chat_value v) {
    char format[32], text[1500];
    bool whole = memchr("diuxXo", c->letter, 6) != NULL;
    if (!ew_chat_is_number(v))
        ew_chat_fail(b->m, EW_ERR_ARGUMENT, "`%%%c` wants a number, not %s", c->letter, ew_chat_kind_name(v));
    if (whole && v.kind == EW_CHAT_FLOAT && fabs(v.number) >= 9e18)
        ew_chat_fail(b->m, EW_ERR_ARGUMENT, "`%%%c`: the number does not fit 64 bits", c->letter);
    snprintf(format, sizeof format, "%%%s*.*%s%c", c->flags, whole ? "ll" : "", c->letter == 'u' ? 'd' : c->letter);
    int width = c->width < 0 ? 0 : c->width;
    if (whole)
        snprintf(text, sizeof text, format, width, c->precision,
                 v.kind == EW_CHAT_FLOAT ? (long long)v.number : (long long)ew_chat_integer_of(v));
    else
        snprintf(text, sizeof text, format, width, c->precision, ew_chat_number_of(v));
    ew_chat_write_text(b, text);
}

static void write_field(struct ew_chat_buffer *b, const struct conversion *c, struct ew_chat_value v) {
    if (c->letter && memchr("diuxXoeEfFgG", c->letter, 12)) {
        write_number(b, c, v);
        return;
    }
    if (c->letter != 's' && c->letter != 'r')
        ew_chat_fail(b->m, EW_ERR_ARGUMENT, "`%%%c` is not a conversion (%%s %%r %%d %%x %%f … are)",
                     (uint8_t)c->letter < 0x20 ? '?' : c->letter);
    struct ew_chat_buffer text = {.m = b->m};
    if (c->letter == 's')
        ew_chat_write_str(&text, v);
    else
        ew_chat_write_repr(&text, v);
    struct ew_chat_value s = ew_chat_written(&text);
    size_t n = ew_chat_length(b->m, s), most = c->precision >= 0 ? (size_t)c->precision : n;
    if (most < n) s = ew_chat_slice(b->m, s, ew_chat_int(0), ew_chat_int((int64_t)most), ew_chat_int(1));
    size_t pad =
        c->width > 0 && (size_t)c->width > (most < n ? most : n) ? (size_t)c->width - (most < n ? most : n) : 0;
    bool left = strchr(c->flags, '-') != NULL;
    if (left) ew_chat_write(b, s.text, s.size);
    for (; pad > 0; pad--) ew_chat_write(b, " ", 1);
    if (!left) ew_chat_write(b, s.text, s.size);
}

struct ew_chat_value ew_chat_percent(struct ew_chat_machine *m, struct ew_chat_value f, struct ew_chat_value args) {
    struct ew_chat_buffer b = {.m = m};
    bool several = args.kind == EW_CHAT_LIST && args.list->tuple;
    size_t used = 0, n = several ? args.list->n : 1;
    for (size_t at = 0; at < f.size;) {
        const char *percent = memchr(f.text + at, '%', f.size - at);
        size_t end = percent ? (size_t)(percent - f.text) : f.size;
        ew_chat_write(&b, f.text + at, end - at);
        at = end + 1;
        if (end == f.size) break;
        if (at < f.size && f.text[at] == '%') {
            ew_chat_write(&b, "%", 1);
            at++;
            continue;
        }
        const struct ew_chat_value *named = NULL;
        const char *close = at < f.size && f.text[at] == '(' ? memchr(f.text + at, ')', f.size - at) : NULL;
        if (close && args.kind == EW_CHAT_DICT) {
            struct ew_chat_value key = ew_chat_string(f.text + at + 1, (size_t)(close - f.text) - at - 1);
            named = ew_chat_find(m, args.dict, key);
            if (!named) ew_chat_fail(m, EW_ERR_ARGUMENT, "`%%`: no value for `%.*s`", ew_chat_shown(key), key.text);
            at = (size_t)(close - f.text) + 1;
        }
        struct conversion c = read_conversion(m, f, &at);
        if (!named && used >= n) ew_chat_fail(m, EW_ERR_ARGUMENT, "`%%`: more fields than values (%zu)", n);
        write_field(&b, &c, named ? *named : several ? args.list->items[used] : args);
        used += !named;
    }
    if (used < n && args.kind != EW_CHAT_DICT)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "`%%`: %zu values for %zu fields", n, used);
    return ew_chat_written(&b);
}
