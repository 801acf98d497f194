/* Owns access to parts of values: attributes, items, slices. A method comes before an entry for `x.name`, after it for
 * `x['name']`, as in Jinja; names that begin with two underscores are never found. */
#include "chat/chat_builtin.h"
#include "chat/chat_unicode.h"
#include "chat/template_run.h"

#include <string.h>

static struct ew_chat_value bound_method(struct ew_chat_machine *m, struct ew_chat_value owner,
                                         const struct ew_chat_builtin *method) {
    struct ew_chat_bound *bound = ew_chat_alloc(m, 1, sizeof *bound);
    *bound = (struct ew_chat_bound){.builtin = method, .self = owner};
    return (struct ew_chat_value){.kind = EW_CHAT_BUILTIN, .bound = bound};
}

static struct ew_chat_value loop_attribute(struct ew_chat_value owner, struct ew_chat_value name) {
    const struct ew_chat_loop *loop = owner.loop;
    const int64_t i = (int64_t)loop->index, n = (int64_t)loop->items->n;
    const struct {
        const char *name;
        struct ew_chat_value value;
    } all[] = {{"index", ew_chat_int(i + 1)},         {"index0", ew_chat_int(i)}, {"first", ew_chat_bool(i == 0)},
               {"last", ew_chat_bool(i == n - 1)},    {"length", ew_chat_int(n)}, {"revindex", ew_chat_int(n - i)},
               {"revindex0", ew_chat_int(n - i - 1)}, {"depth", ew_chat_int(1)},  {"depth0", ew_chat_int(0)}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (ew_chat_equals_text(name, all[k].name)) return all[k].value;
    if (ew_chat_equals_text(name, "previtem") && i > 0) return loop->items->items[i - 1];
    if (ew_chat_equals_text(name, "nextitem") && i + 1 < n) return loop->items->items[i + 1];
    return ew_chat_undefined(name.text, name.size);
}

_Noreturn static void refuse_undefined(struct ew_chat_machine *m, struct ew_chat_value owner) {
    ew_chat_fail(m, EW_ERR_ARGUMENT, "`%.*s` is undefined", ew_chat_shown(owner), owner.text);
}

static const struct ew_chat_value *find_entry(struct ew_chat_machine *m, struct ew_chat_value owner,
                                              struct ew_chat_value key) {
    if (owner.kind != EW_CHAT_DICT && owner.kind != EW_CHAT_NAMESPACE) return NULL;
    return ew_chat_find(m, owner.dict, key);
}

struct ew_chat_value ew_chat_attribute(struct ew_chat_machine *m, struct ew_chat_value owner,
                                       struct ew_chat_value name) {
    if (owner.kind == EW_CHAT_UNDEFINED) refuse_undefined(m, owner);
    if (name.size > 1 && memcmp(name.text, "__", 2) == 0) return ew_chat_undefined(name.text, name.size);
    const struct ew_chat_builtin *method = ew_chat_find_method(owner, name);
    if (method) return bound_method(m, owner, method);
    if (owner.kind == EW_CHAT_LOOP) return loop_attribute(owner, name);
    if (owner.kind == EW_CHAT_MACRO && ew_chat_equals_text(name, "name")) return owner.macro->node->value;
    const struct ew_chat_value *entry = find_entry(m, owner, name);
    return entry ? *entry : ew_chat_undefined(name.text, name.size);
}

/* A Python index into n items, negative from the end; false when it is outside. */
static bool resolve_index(struct ew_chat_value index, size_t n, size_t *out) {
    int64_t i = ew_chat_integer_of(index);
    if (i < 0) i += (int64_t)n;
    if (i < 0 || (uint64_t)i >= n) return false;
    *out = (size_t)i;
    return true;
}

static struct ew_chat_value character(struct ew_chat_machine *m, struct ew_chat_value s, struct ew_chat_value index) {
    size_t i;
    uint32_t code;
    if (!resolve_index(index, ew_chat_length(m, s), &i)) return ew_chat_undefined("", 0);
    size_t at = ew_unicode_offset(s.text, s.size, i);
    return ew_chat_string(s.text + at, ew_unicode_next(s.text + at, s.size - at, &code));
}

struct ew_chat_value ew_chat_item(struct ew_chat_machine *m, struct ew_chat_value owner, struct ew_chat_value index) {
    size_t i;
    if (owner.kind == EW_CHAT_UNDEFINED) refuse_undefined(m, owner);
    if (index.kind == EW_CHAT_STRING) {
        const struct ew_chat_value *entry = find_entry(m, owner, index);
        return entry ? *entry : ew_chat_attribute(m, owner, index);
    }
    if (index.kind == EW_CHAT_INT || index.kind == EW_CHAT_BOOL) {
        if (owner.kind == EW_CHAT_STRING) return character(m, owner, index);
        if (owner.kind == EW_CHAT_LIST && !owner.list->lazy)
            return resolve_index(index, owner.list->n, &i) ? owner.list->items[i] : ew_chat_undefined("item", 4);
    }
    if (owner.kind != EW_CHAT_DICT || index.kind > EW_CHAT_STRING || index.kind == EW_CHAT_UNDEFINED)
        return ew_chat_undefined("item", 4);
    const struct ew_chat_value *entry = find_entry(m, owner, index);
    return entry ? *entry : ew_chat_undefined("item", 4);
}

struct ew_chat_value ew_chat_path(struct ew_chat_machine *m, struct ew_chat_value owner, struct ew_chat_value path) {
    if (path.kind == EW_CHAT_INT) return ew_chat_item(m, owner, path);
    ew_chat_string_arg(m, path, "attribute");
    for (size_t at = 0; at <= path.size;) {
        const char *dot = at < path.size ? memchr(path.text + at, '.', path.size - at) : NULL;
        size_t end = dot ? (size_t)(dot - path.text) : path.size;
        struct ew_chat_value part = ew_chat_string(path.text + at, end - at);
        bool number = part.size > 0 && part.size < 10;
        int64_t index = 0;
        for (size_t i = 0; i < part.size && number; i++) {
            number = ew_unicode_is_digit((uint8_t)part.text[i]);
            index = index * 10 + (part.text[i] - '0');
        }
        owner = ew_chat_item(m, owner, number ? ew_chat_int(index) : part);
        at = end + 1;
    }
    return owner;
}

/* ---- slices ---- */

/* One end of a slice over n items: outside becomes the nearest, as Python's slice.indices has it. */
static int64_t slice_end(struct ew_chat_machine *m, struct ew_chat_value v, int64_t n, bool back, int64_t fallback) {
    int64_t i = ew_chat_integer_arg(m, v, "slice", fallback);
    if (v.kind == EW_CHAT_MISSING || v.kind == EW_CHAT_NONE) return i;
    if (i < 0) i = i < -n ? -1 : i + n;
    if (i < 0) return back ? -1 : 0;
    return i >= n ? (back ? n - 1 : n) : i;
}

static struct ew_chat_value slice_list(struct ew_chat_machine *m, const struct ew_chat_list *list, int64_t from,
                                       int64_t to, int64_t step) {
    struct ew_chat_value out = ew_chat_list(m);
    out.list->tuple = list->tuple;
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        ew_chat_append(m, out, list->items[i]);
        if (step > 0 ? to - i <= step : to - i >= step) break;
        i += step;
    }
    ew_chat_charge(m, out.list->n);
    return out;
}

static struct ew_chat_value slice_string(struct ew_chat_machine *m, struct ew_chat_value s, int64_t from, int64_t to,
                                         int64_t step) {
    if (step == 1) { /* no copy */
        if (to <= from) return ew_chat_string(s.text, 0);
        size_t first = ew_unicode_offset(s.text, s.size, (size_t)from);
        size_t n = ew_unicode_offset(s.text + first, s.size - first, (size_t)(to - from));
        return ew_chat_string(s.text + first, n);
    }
    struct ew_chat_value parts = slice_list(m, ew_chat_iterate(m, s), from, to, step);
    struct ew_chat_buffer b = {.m = m};
    for (size_t i = 0; i < parts.list->n; i++) ew_chat_write_str(&b, parts.list->items[i]);
    return ew_chat_written(&b);
}

struct ew_chat_value ew_chat_slice(struct ew_chat_machine *m, struct ew_chat_value owner, struct ew_chat_value from,
                                   struct ew_chat_value to, struct ew_chat_value step) {
    if (owner.kind == EW_CHAT_UNDEFINED) refuse_undefined(m, owner);
    if (owner.kind != EW_CHAT_STRING && (owner.kind != EW_CHAT_LIST || owner.list->lazy))
        ew_chat_fail(m, EW_ERR_ARGUMENT, "a value of kind %s has no slices", ew_chat_kind_name(owner));
    int64_t n = (int64_t)ew_chat_length(m, owner), by = ew_chat_integer_arg(m, step, "slice", 1);
    if (by == 0) ew_chat_fail(m, EW_ERR_ARGUMENT, "a slice cannot have step 0");
    int64_t first = slice_end(m, from, n, by<0, by> 0 ? 0 : n - 1);
    int64_t last = slice_end(m, to, n, by<0, by> 0 ? n : -1);
    if (owner.kind == EW_CHAT_STRING) return slice_string(m, owner, first, last, by);
    return slice_list(m, owner.list, first, last, by);
}
