/* Owns the filters over lists, dicts and numbers. What Python would generate lazily is marked so: it is true however
 * many items it has, and it can be gone through once. Source: Jinja 3.1 documentation, "List of Builtin Filters". */
#include "chat/chat_builtin.h"
#include "chat/chat_unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ew_chat_value value;
#define FILTER(name) static value name(struct ew_chat_machine *m, value v, const value *args)

static value lazy_list(struct ew_chat_machine *m) {
    value list = ew_chat_list(m);
    list.list->lazy = true;
    return list;
}

static bool flag(value arg) { return ew_chat_given(arg) && ew_chat_truth(arg); }

/* ---- whole lists ---- */

FILTER(length) {
    (void)args;
    return ew_chat_int((int64_t)ew_chat_length(m, v));
}

FILTER(first) {
    (void)args;
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    return list->n ? list->items[0] : ew_chat_undefined("the first of nothing", 20);
}

FILTER(last) {
    (void)args;
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    return list->n ? list->items[list->n - 1] : ew_chat_undefined("the last of nothing", 19);
}

FILTER(to_list) {
    (void)args;
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    value copy = ew_chat_list(m);
    ew_chat_charge(m, list->n);
    for (size_t i = 0; i < list->n; i++) ew_chat_append(m, copy, list->items[i]);
    return copy;
}

FILTER(reverse) {
    (void)args;
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    value out = lazy_list(m);
    ew_chat_charge(m, list->n);
    for (size_t i = list->n; i > 0; i--) ew_chat_append(m, out, list->items[i - 1]);
    if (v.kind != EW_CHAT_STRING) return out;
    struct ew_chat_buffer b = {.m = m};
    for (size_t i = 0; i < out.list->n; i++) ew_chat_write_str(&b, out.list->items[i]);
    return ew_chat_written(&b);
}

FILTER(join) {
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    value between = ew_chat_given(args[0]) ? ew_chat_str(m, args[0]) : ew_chat_string("", 0);
    struct ew_chat_buffer b = {.m = m};
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) ew_chat_write(&b, between.text, between.size);
        bool whole = !ew_chat_given(args[1]) || args[1].kind == EW_CHAT_NONE;
        ew_chat_write_str(&b, whole ? list->items[i] : ew_chat_path(m, list->items[i], args[1]));
    }
    return ew_chat_written(&b);
}

FILTER(items) {
    (void)args;
    value out = lazy_list(m);
    if (v.kind == EW_CHAT_UNDEFINED) return out;
    if (v.kind != EW_CHAT_DICT)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "items: a mapping is expected, not %s", ew_chat_kind_name(v));
    ew_chat_step(m, v.dict->n);
    for (size_t i = 0; i < v.dict->n; i++)
        ew_chat_append(m, out, ew_chat_pair(m, v.dict->entries[i].key, v.dict->entries[i].value));
    return out;
}

/* ---- order ---- */

/* A merge sort of our own: stable, as Python's is, and free to leave by ew_chat_fail, which qsort is not. */
struct sorted {
    value key, item;
};

static void merge_sort(struct ew_chat_machine *m, struct sorted *all, struct sorted *spare, size_t n, bool reverse) {
    if (n < 2) return;
    size_t half = n / 2, a = 0, b = half;
    merge_sort(m, all, spare, half, reverse);
    merge_sort(m, all + half, spare, n - half, reverse);
    ew_chat_step(m, n);
    for (size_t i = 0; i < n; i++) {
        bool take_b = a == half;
        if (a < half && b < n) {
            int order = ew_chat_compare(m, all[b].key, all[a].key);
            take_b = reverse ? order > 0 : order < 0;
        }
        spare[i] = take_b ? all[b++] : all[a++];
    }
    memcpy(all, spare, n * sizeof *all);
}

static value lower_case(struct ew_chat_machine *m, value v) {
    if (v.kind != EW_CHAT_STRING) return v;
    struct ew_chat_buffer b = {.m = m};
    for (size_t at = 0; at < v.size;) {
        uint32_t c;
        at += ew_unicode_next(v.text + at, v.size - at, &c);
        ew_chat_write_code(&b, ew_unicode_lower(c));
    }
    return ew_chat_written(&b);
}

/* What an item is compared by: a path into it, or itself; without regard to case unless asked for. */
static value key_of(struct ew_chat_machine *m, value item, value attribute, bool case_sensitive) {
    if (ew_chat_given(attribute) && attribute.kind != EW_CHAT_NONE) item = ew_chat_path(m, item, attribute);
    return case_sensitive ? item : lower_case(m, item);
}

/* attribute may name several with commas between; then the key is the tuple of them. */
static value sort_key(struct ew_chat_machine *m, value item, value attribute, bool case_sensitive) {
    if (attribute.kind != EW_CHAT_STRING || !memchr(attribute.text, ',', attribute.size))
        return key_of(m, item, attribute, case_sensitive);
    value keys = ew_chat_list(m);
    for (size_t at = 0; at < attribute.size;) {
        const char *comma = memchr(attribute.text + at, ',', attribute.size - at);
        size_t end = comma ? (size_t)(comma - attribute.text) : attribute.size;
        ew_chat_append(m, keys, key_of(m, item, ew_chat_string(attribute.text + at, end - at), case_sensitive));
        at = end + 1;
    }
    return keys;
}

static value sort_list(struct ew_chat_machine *m, const struct ew_chat_list *list, value attribute, bool case_sensitive,
                       bool reverse) {
    struct sorted *all = ew_chat_alloc(m, list->n + 1, sizeof *all),
                  *spare = ew_chat_alloc(m, list->n + 1, sizeof *all);
    for (size_t i = 0; i < list->n; i++)
        all[i] = (struct sorted){sort_key(m, list->items[i], attribute, case_sensitive), list->items[i]};
    merge_sort(m, all, spare, list->n, reverse);
    value out = ew_chat_list(m);
    for (size_t i = 0; i < list->n; i++) ew_chat_append(m, out, all[i].item);
    return out;
}

FILTER(sort) { return sort_list(m, ew_chat_iterate(m, v), args[2], flag(args[1]), flag(args[0])); }

FILTER(dictsort) {
    static const value missing = {.kind = EW_CHAT_MISSING};
    if (v.kind != EW_CHAT_DICT)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "dictsort: a mapping is expected, not %s", ew_chat_kind_name(v));
    bool by_value = ew_chat_equals_text(args[1], "value");
    if (ew_chat_given(args[1]) && !by_value && !ew_chat_equals_text(args[1], "key"))
        ew_chat_fail(m, EW_ERR_ARGUMENT, "dictsort: by is `key` or `value`");
    return sort_list(m, items(m, v, &missing).list, ew_chat_int(by_value), flag(args[0]), flag(args[2]));
}

FILTER(unique) {
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    value out = lazy_list(m);
    struct ew_chat_dict *seen = ew_chat_dict(m).dict;
    for (size_t i = 0; i < list->n; i++) {
        value key = key_of(m, list->items[i], args[1], flag(args[0]));
        if (ew_chat_find(m, seen, key)) continue;
        ew_chat_put(m, seen, key, ew_chat_bool(true));
        ew_chat_append(m, out, list->items[i]);
    }
    return out;
}

static value extreme(struct ew_chat_machine *m, value v, const value *args, int sign) {
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    if (list->n == 0) return ew_chat_undefined("the extreme of nothing", 22);
    size_t best = 0;
    value best_key = key_of(m, list->items[0], args[1], flag(args[0]));
    for (size_t i = 1; i < list->n; i++) {
        value key = key_of(m, list->items[i], args[1], flag(args[0]));
        if (ew_chat_compare(m, key, best_key) * sign <= 0) continue;
        best = i;
        best_key = key;
    }
    return list->items[best];
}
FILTER(max) { return extreme(m, v, args, 1); }
FILTER(min) { return extreme(m, v, args, -1); }

FILTER(groupby) {
    const struct ew_chat_list *sorted = sort_list(m, ew_chat_iterate(m, v), args[0], flag(args[2]), false).list;
    value out = ew_chat_list(m), key = {.kind = EW_CHAT_MISSING}, group = key;
    for (size_t i = 0; i < sorted->n; i++) {
        value plain = ew_chat_path(m, sorted->items[i], args[0]);
        if (plain.kind == EW_CHAT_UNDEFINED && ew_chat_given(args[1])) plain = args[1];
        value next = flag(args[2]) ? plain : lower_case(m, plain);
        if (i == 0 || !ew_chat_equal(m, key, next)) {
            group = ew_chat_list(m);
            ew_chat_append(m, out, ew_chat_pair(m, plain, group));
        }
        ew_chat_append(m, group, sorted->items[i]);
        key = next;
    }
    return out;
}

/* ---- choosing and mapping: args[0] the list, args[1] the dict of arguments ---- */

/* The arguments after the first n. */
static value rest_of(struct ew_chat_machine *m, value list, size_t n) {
    value rest = ew_chat_list(m);
    for (size_t i = n; i < list.list->n; i++) ew_chat_append(m, rest, list.list->items[i]);
    return rest;
}

/* What `select`, `reject` and `map` go through: nothing where the value is false, none included. */
static const struct ew_chat_list *iterate_true(struct ew_chat_machine *m, value v) {
    return ew_chat_iterate(m, ew_chat_truth(v) ? v : ew_chat_undefined("", 0));
}

static value choose(struct ew_chat_machine *m, value v, const value *args, bool by_attribute, bool wanted) {
    const struct ew_chat_list *list = iterate_true(m, v);
    size_t n_before = by_attribute ? 1 : 0;
    if (args[0].list->n < n_before) ew_chat_fail(m, EW_ERR_ARGUMENT, "selectattr, rejectattr: no attribute is given");
    value rest = rest_of(m, args[0], n_before + 1), out = lazy_list(m);
    for (size_t i = 0; i < list->n; i++) {
        value subject = by_attribute ? ew_chat_path(m, list->items[i], args[0].list->items[0]) : list->items[i];
        bool passes = args[0].list->n > n_before
                          ? ew_chat_run_test(m, ew_chat_string_arg(m, args[0].list->items[n_before], "test"), subject,
                                             rest, args[1])
                          : ew_chat_truth(subject);
        ew_chat_step(m, 1);
        if (passes == wanted) ew_chat_append(m, out, list->items[i]);
    }
    return out;
}
FILTER(select_items) { return choose(m, v, args, false, true); }
FILTER(reject) { return choose(m, v, args, false, false); }
FILTER(selectattr) { return choose(m, v, args, true, true); }
FILTER(rejectattr) { return choose(m, v, args, true, false); }

FILTER(map) {
    const struct ew_chat_list *list = iterate_true(m, v);
    const value *attribute = ew_chat_find(m, args[1].dict, ew_chat_text("attribute"));
    const value *fallback = ew_chat_find(m, args[1].dict, ew_chat_text("default"));
    value out = lazy_list(m);
    if (args[0].list->n == 0 && !attribute) ew_chat_fail(m, EW_ERR_ARGUMENT, "map: neither a filter nor an attribute");
    value rest = rest_of(m, args[0], 1);
    for (size_t i = 0; i < list->n; i++) {
        value item;
        ew_chat_step(m, 1);
        if (args[0].list->n == 0) {
            item = ew_chat_path(m, list->items[i], *attribute);
            if (item.kind == EW_CHAT_UNDEFINED && fallback) item = *fallback;
        } else {
            value name = ew_chat_string_arg(m, args[0].list->items[0], "filter");
            item = ew_chat_run_filter(m, name, list->items[i], rest, args[1]);
        }
        ew_chat_append(m, out, item);
    }
    return out;
}

/* ---- lists of lists ---- */

FILTER(batch) {
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    int64_t size = ew_chat_integer_arg(m, args[0], "batch", 1);
    value out = lazy_list(m), group = {.kind = EW_CHAT_MISSING};
    if (size < 1) ew_chat_fail(m, EW_ERR_ARGUMENT, "batch: groups of %lld", (long long)size);
    for (size_t i = 0; i < list->n; i++) {
        if (i % (uint64_t)size == 0) {
            group = ew_chat_list(m);
            ew_chat_append(m, out, group);
        }
        ew_chat_append(m, group, list->items[i]);
    }
    bool fills = ew_chat_given(args[1]) && args[1].kind != EW_CHAT_NONE;
    while (fills && list->n > 0 && group.list->n < (uint64_t)size) {
        ew_chat_step(m, 1);
        ew_chat_append(m, group, args[1]);
    }
    return out;
}

FILTER(slice) {
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    int64_t n = ew_chat_integer_arg(m, args[0], "slice", 1);
    if (n < 1 || n > 100000)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "slice: %lld slices (1–100000 are possible)", (long long)n);
    size_t each = list->n / (uint64_t)n, longer = list->n % (uint64_t)n, at = 0;
    value out = lazy_list(m);
    ew_chat_step(m, (uint64_t)n);
    for (size_t i = 0; i < (size_t)n; i++) {
        value part = ew_chat_list(m);
        for (size_t k = 0; k < each + (i < longer); k++) ew_chat_append(m, part, list->items[at++]);
        if (ew_chat_given(args[1]) && args[1].kind != EW_CHAT_NONE && i >= longer) ew_chat_append(m, part, args[1]);
        ew_chat_append(m, out, part);
    }
    return out;
}

/* ---- numbers and anything ---- */

FILTER(sum) {
    const struct ew_chat_list *list = ew_chat_iterate(m, v);
    value total = ew_chat_given(args[1]) ? args[1] : ew_chat_int(0);
    for (size_t i = 0; i < list->n; i++) {
        ew_chat_step(m, 1);
        total = ew_chat_calculate(m, '+', total, key_of(m, list->items[i], args[0], true));
    }
    return total;
}

FILTER(absolute) {
    (void)args;
    if (!ew_chat_is_number(v))
        ew_chat_fail(m, EW_ERR_ARGUMENT, "abs: a number is expected, not %s", ew_chat_kind_name(v));
    return ew_chat_number_of(v) < 0 ? ew_chat_calculate(m, '-', ew_chat_int(0), v)
                                    : ew_chat_calculate(m, '+', ew_chat_int(0), v);
}

FILTER(round_number) {
    int64_t digits = ew_chat_integer_arg(m, args[0], "round", 0);
    bool common = !ew_chat_given(args[1]) || ew_chat_equals_text(args[1], "common");
    bool up = ew_chat_equals_text(args[1], "ceil");
    if (!ew_chat_is_number(v))
        ew_chat_fail(m, EW_ERR_ARGUMENT, "round: a number is expected, not %s", ew_chat_kind_name(v));
    if (digits < 0 || digits > 300)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "round: %lld digits (0–300 are possible)", (long long)digits);
    if (!common && !up && !ew_chat_equals_text(args[1], "floor"))
        ew_chat_fail(m, EW_ERR_ARGUMENT, "round: method is common, ceil or floor");
    if (common && v.kind != EW_CHAT_FLOAT) return ew_chat_int(ew_chat_integer_of(v));
    double x = ew_chat_number_of(v), scale = pow(10, (double)digits);
    if (!common) return ew_chat_float((up ? ceil(x * scale) : floor(x * scale)) / scale);
    char text[700]; /* halves go to even, and are seen exactly, as in Python's round */
    snprintf(text, sizeof text, "%.*f", (int)digits, x);
    return ew_chat_float(strtod(text, NULL));
}

/* The number that a whole string spells, blanks around it aside; false when it spells none. */
static bool spelled(struct ew_chat_machine *m, value v, int base, long long *integer, double *number) {
    char *text = ew_chat_alloc(m, v.size + 1, 1), *end;
    size_t n = 0;
    for (size_t i = 0; i < v.size; i++)
        if (v.text[i] != '_') text[n++] = v.text[i];
    while (n > 0 && ew_unicode_is_space((uint8_t)text[n - 1])) text[--n] = 0;
    ew_chat_charge(m, n);
    if (n == 0 || n > 400) return false;
    if (number) {
        *number = strtod(text, &end);
        return *end == 0 && !strpbrk(text, "xXpP");
    }
    *integer = strtoll(text, &end, base);
    return *end == 0;
}

FILTER(to_int) {
    value fallback = ew_chat_given(args[0]) ? args[0] : ew_chat_int(0);
    int64_t base = ew_chat_integer_arg(m, args[1], "int", 10);
    long long integer;
    double number = v.kind == EW_CHAT_FLOAT ? v.number : NAN;
    if (v.kind == EW_CHAT_INT || v.kind == EW_CHAT_BOOL) return ew_chat_int(ew_chat_integer_of(v));
    if (v.kind == EW_CHAT_STRING && base >= 2 && base <= 36) {
        if (spelled(m, v, (int)base, &integer, NULL)) return ew_chat_int(integer);
        if (!spelled(m, v, 0, NULL, &number)) return fallback;
    }
    return isfinite(number) && fabs(number) < 9.2e18 ? ew_chat_int((int64_t)number) : fallback;
}

FILTER(to_float) {
    value fallback = ew_chat_given(args[0]) ? args[0] : ew_chat_float(0);
    double number;
    if (ew_chat_is_number(v)) return ew_chat_float(ew_chat_number_of(v));
    return v.kind == EW_CHAT_STRING && spelled(m, v, 0, NULL, &number) ? ew_chat_float(number) : fallback;
}

FILTER(use_default) {
    (void)m;
    bool missing = v.kind == EW_CHAT_UNDEFINED || (flag(args[1]) && !ew_chat_truth(v));
    return !missing ? v : ew_chat_given(args[0]) ? args[0] : ew_chat_string("", 0);
}

/* Never an entry of a dict. */
FILTER(attribute) {
    value name = ew_chat_string_arg(m, args[0], "attr");
    if (v.kind == EW_CHAT_DICT && !ew_chat_find_method(v, name)) return ew_chat_undefined(name.text, name.size);
    return ew_chat_attribute(m, v, name);
}

const struct ew_chat_builtin ew_chat_list_filters[] = {
    {"length", "", 0, length},
    {"count", "", 0, length},
    {"first", "", 0, first},
    {"last", "", 0, last},
    {"list", "", 0, to_list},
    {"reverse", "", 0, reverse},
    {"join", "d attribute", 0, join},
    {"items", "", 0, items},
    {"sort", "reverse case_sensitive attribute", 0, sort},
    {"dictsort", "case_sensitive by reverse", 0, dictsort},
    {"unique", "case_sensitive attribute", 0, unique},
    {"max", "case_sensitive attribute", 0, max},
    {"min", "case_sensitive attribute", 0, min},
    {"groupby", "attribute default case_sensitive", 1, groupby},
    {"select", "*", 0, select_items},
    {"reject", "*", 0, reject},
    {"selectattr", "*", 0, selectattr},
    {"rejectattr", "*", 0, rejectattr},
    {"map", "*", 0, map},
    {"batch", "linecount fill_with", 1, batch},
    {"slice", "slices fill_with", 1, slice},
    {"sum", "attribute start", 0, sum},
    {"abs", "", 0, absolute},
    {"round", "precision method", 0, round_number},
    {"int", "default base", 0, to_int},
    {"float", "default", 0, to_float},
    {"default", "default_value boolean", 0, use_default},
    {"d", "default_value boolean", 0, use_default},
    {"attr", "name", 1, attribute},
    {0},
};
