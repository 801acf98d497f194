/* Owns lists and dicts of the template language and what Python says about values: truth, equality, order, length. */
#include "chat/chat_value.h"
#include "chat/chat_unicode.h"

#include <string.h>

struct ew_chat_value ew_chat_text(const char *text) {
    return ew_chat_string(text, strlen(text));
}

struct ew_chat_value ew_chat_undefined(const char *text, size_t size) {
    return (struct ew_chat_value){.kind = EW_CHAT_UNDEFINED, .text = text, .size = size};
}

struct ew_chat_value ew_chat_list(struct ew_chat_machine *m) {
    return (struct ew_chat_value){.kind = EW_CHAT_LIST, .list = ew_chat_alloc(m, 1, sizeof(struct ew_chat_list))};
}

struct ew_chat_value ew_chat_dict(struct ew_chat_machine *m) {
    return (struct ew_chat_value){.kind = EW_CHAT_DICT, .dict = ew_chat_alloc(m, 1, sizeof(struct ew_chat_dict))};
}

struct ew_chat_value ew_chat_pair(struct ew_chat_machine *m, struct ew_chat_value a, struct ew_chat_value b) {
    struct ew_chat_value pair = ew_chat_list(m);
    ew_chat_append(m, pair, a);
    ew_chat_append(m, pair, b);
    pair.list->tuple = true;
    return pair;
}

void ew_chat_append(struct ew_chat_machine *m, struct ew_chat_value list, struct ew_chat_value item) {
    struct ew_chat_list *l = list.list;
    l->items = ew_chat_grow(m, l->items, l->n, &l->capacity, sizeof *l->items);
    l->items[l->n++] = item;
}

/* ---- dicts ---- */

static uint64_t hash_bytes(const char *text, size_t size) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < size; i++) h = (h ^ (uint8_t)text[i]) * 0x100000001b3u;
    return h;
}

/* Equal keys have equal hashes: 1, 1.0 and true are one key. */
static uint64_t hash_key(struct ew_chat_machine *m, struct ew_chat_value key) {
    uint64_t h = 7;
    switch (key.kind) {
    case EW_CHAT_STRING: return hash_bytes(key.text, key.size);
    case EW_CHAT_BOOL:
    case EW_CHAT_INT:
    case EW_CHAT_FLOAT: {
        double v = ew_chat_number_of(key) + 0.0;
        return hash_bytes((const char *)&v, sizeof v);
    }
    case EW_CHAT_LIST:
        if (!key.list->tuple) break;
        ew_chat_enter(m);
        for (size_t i = 0; i < key.list->n; i++) h = h * 31 + hash_key(m, key.list->items[i]);
        ew_chat_leave(m);
        return h;
    case EW_CHAT_NONE: return h;
    default: break;
    }
    ew_chat_fail(m, EW_ERR_ARGUMENT, "a key of a dict cannot be of kind %s", ew_chat_kind_name(key));
}

static struct ew_chat_entry *find_entry(struct ew_chat_machine *m, const struct ew_chat_dict *dict,
                                        struct ew_chat_value key, uint64_t hash) {
    ew_chat_charge(m, dict->n);
    for (size_t i = 0; i < dict->n; i++)
        if (dict->entries[i].hash == hash && ew_chat_equal(m, dict->entries[i].key, key)) return &dict->entries[i];
    return NULL;
}

void ew_chat_put(struct ew_chat_machine *m, struct ew_chat_dict *dict, struct ew_chat_value key,
                 struct ew_chat_value value) {
    uint64_t hash = hash_key(m, key);
    struct ew_chat_entry *entry = find_entry(m, dict, key, hash);
    if (!entry) {
        dict->entries = ew_chat_grow(m, dict->entries, dict->n, &dict->capacity, sizeof *dict->entries);
        entry = &dict->entries[dict->n++];
        *entry = (struct ew_chat_entry){.key = key, .hash = hash};
    }
    entry->value = value;
}

void ew_chat_put_text(struct ew_chat_machine *m, struct ew_chat_dict *dict, const char *key,
                      struct ew_chat_value value) {
    ew_chat_put(m, dict, ew_chat_text(key), value);
}

struct ew_chat_value *ew_chat_find(struct ew_chat_machine *m, const struct ew_chat_dict *dict,
                                   struct ew_chat_value key) {
    struct ew_chat_entry *entry = find_entry(m, dict, key, hash_key(m, key));
    return entry ? &entry->value : NULL;
}

/* ---- what values mean ---- */

bool ew_chat_equals_text(struct ew_chat_value v, const char *text) {
    return v.kind == EW_CHAT_STRING && v.size == strlen(text) && memcmp(v.text, text, v.size) == 0;
}

int64_t ew_chat_integer_of(struct ew_chat_value v) { return v.kind == EW_CHAT_BOOL ? v.boolean : v.integer; }

double ew_chat_number_of(struct ew_chat_value v) {
    return v.kind == EW_CHAT_FLOAT ? v.number : (double)ew_chat_integer_of(v);
}

const char *ew_chat_kind_name(struct ew_chat_value v) {
    static const char *const names[] = {
        [EW_CHAT_UNDEFINED] = "undefined", [EW_CHAT_MISSING] = "missing", [EW_CHAT_NONE] = "none",
        [EW_CHAT_BOOL] = "boolean",        [EW_CHAT_INT] = "integer",     [EW_CHAT_FLOAT] = "float",
        [EW_CHAT_STRING] = "string",       [EW_CHAT_LIST] = "list",       [EW_CHAT_DICT] = "dict",
        [EW_CHAT_NAMESPACE] = "namespace", [EW_CHAT_LOOP] = "loop",       [EW_CHAT_MACRO] = "macro",
        [EW_CHAT_BUILTIN] = "function",
    };
    return names[v.kind];
}

bool ew_chat_truth(struct ew_chat_value v) {
    switch (v.kind) {
    case EW_CHAT_UNDEFINED:
    case EW_CHAT_MISSING:
    case EW_CHAT_NONE: return false;
    case EW_CHAT_BOOL: return v.boolean;
    case EW_CHAT_INT: return v.integer != 0;
    case EW_CHAT_FLOAT: return v.number != 0;
    case EW_CHAT_STRING: return v.size > 0;
    case EW_CHAT_LIST: return v.list->lazy || v.list->n > 0;
    case EW_CHAT_DICT: return v.dict->n > 0;
    default: return true;
    }
}

static bool lists_equal(struct ew_chat_machine *m, const struct ew_chat_list *a, const struct ew_chat_list *b) {
    if (a->n != b->n || a->tuple != b->tuple) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!ew_chat_equal(m, a->items[i], b->items[i])) return false;
    return true;
}

static bool dicts_equal(struct ew_chat_machine *m, const struct ew_chat_dict *a, const struct ew_chat_dict *b) {
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        struct ew_chat_entry *other = find_entry(m, b, a->entries[i].key, a->entries[i].hash);
        if (!other || !ew_chat_equal(m, a->entries[i].value, other->value)) return false;
    }
    return true;
}

bool ew_chat_equal(struct ew_chat_machine *m, struct ew_chat_value a, struct ew_chat_value b) {
    if (ew_chat_is_number(a) && ew_chat_is_number(b)) {
        if (a.kind == EW_CHAT_FLOAT || b.kind == EW_CHAT_FLOAT) return ew_chat_number_of(a) == ew_chat_number_of(b);
        return ew_chat_integer_of(a) == ew_chat_integer_of(b);
    }
    if (a.kind != b.kind) return false;
    bool equal;
    switch (a.kind) {
    case EW_CHAT_STRING:
        if (a.size != b.size) return false;
        ew_chat_charge(m, a.size);
        return memcmp(a.text, b.text, a.size) == 0;
    case EW_CHAT_LIST:
    case EW_CHAT_DICT:
        ew_chat_step(m, 1);
        ew_chat_enter(m);
        equal = a.kind == EW_CHAT_LIST ? lists_equal(m, a.list, b.list) : dicts_equal(m, a.dict, b.dict);
        ew_chat_leave(m);
        return equal;
    case EW_CHAT_BUILTIN: return a.bound->builtin == b.bound->builtin;
    case EW_CHAT_NAMESPACE: return a.dict == b.dict;
    case EW_CHAT_LOOP: return a.loop == b.loop;
    case EW_CHAT_MACRO: return a.macro == b.macro;
    default: return true; /* undefined, none */
    }
}

static int compare_bytes(struct ew_chat_machine *m, struct ew_chat_value a, struct ew_chat_value b) {
    size_t n = a.size < b.size ? a.size : b.size;
    ew_chat_charge(m, n);
    int order = n > 0 ? memcmp(a.text, b.text, n) : 0; /* UTF-8 keeps the order of code points */
    return order ? (order > 0) - (order < 0) : (a.size > b.size) - (a.size < b.size);
}

static int compare_lists(struct ew_chat_machine *m, const struct ew_chat_list *a, const struct ew_chat_list *b) {
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (!ew_chat_equal(m, a->items[i], b->items[i])) return ew_chat_compare(m, a->items[i], b->items[i]);
    return (a->n > b->n) - (a->n < b->n);
}

int ew_chat_compare(struct ew_chat_machine *m, struct ew_chat_value a, struct ew_chat_value b) {
    if (ew_chat_is_number(a) && ew_chat_is_number(b)) {
        if (a.kind == EW_CHAT_FLOAT || b.kind == EW_CHAT_FLOAT) {
            double x = ew_chat_number_of(a), y = ew_chat_number_of(b);
            return (x > y) - (x < y);
        }
        int64_t x = ew_chat_integer_of(a), y = ew_chat_integer_of(b);
        return (x > y) - (x < y);
    }
    if (a.kind == EW_CHAT_STRING && b.kind == EW_CHAT_STRING) return compare_bytes(m, a, b);
    if (a.kind == EW_CHAT_LIST && b.kind == EW_CHAT_LIST && a.list->tuple == b.list->tuple) {
        ew_chat_enter(m);
        int order = compare_lists(m, a.list, b.list);
        ew_chat_leave(m);
        return order;
    }
    ew_chat_fail(m, EW_ERR_ARGUMENT, "%s and %s have no order", ew_chat_kind_name(a), ew_chat_kind_name(b));
}

bool ew_chat_contains(struct ew_chat_machine *m, struct ew_chat_value whole, struct ew_chat_value part) {
    if (whole.kind == EW_CHAT_STRING) {
        if (part.kind != EW_CHAT_STRING)
            ew_chat_fail(m, EW_ERR_ARGUMENT, "`in`: a string contains strings, not %s", ew_chat_kind_name(part));
        ew_chat_charge(m, whole.size);
        return part.size == 0 || memmem(whole.text, whole.size, part.text, part.size) != NULL;
    }
    if (whole.kind == EW_CHAT_DICT) return ew_chat_find(m, whole.dict, part) != NULL;
    const struct ew_chat_list *list = ew_chat_iterate(m, whole);
    ew_chat_charge(m, list->n);
    for (size_t i = 0; i < list->n; i++)
        if (ew_chat_equal(m, list->items[i], part)) return true;
    return false;
}

size_t ew_chat_length(struct ew_chat_machine *m, struct ew_chat_value v) {
    switch (v.kind) {
    case EW_CHAT_UNDEFINED: return 0;
    case EW_CHAT_STRING: ew_chat_charge(m, v.size); return ew_unicode_count(v.text, v.size);
    case EW_CHAT_LIST: return v.list->n;
    case EW_CHAT_DICT: return v.dict->n;
    default: ew_chat_fail(m, EW_ERR_ARGUMENT, "a value of kind %s has no length", ew_chat_kind_name(v));
    }
}

static struct ew_chat_list *characters(struct ew_chat_machine *m, struct ew_chat_value s) {
    struct ew_chat_value list = ew_chat_list(m);
    uint32_t code;
    for (size_t at = 0, n; at < s.size; at += n) {
        n = ew_unicode_next(s.text + at, s.size - at, &code);
        ew_chat_append(m, list, ew_chat_string(s.text + at, n));
    }
    return list.list;
}

const struct ew_chat_list *ew_chat_iterate(struct ew_chat_machine *m, struct ew_chat_value v) {
    static const struct ew_chat_list nothing = {0};
    struct ew_chat_value keys;
    switch (v.kind) {
    case EW_CHAT_UNDEFINED: return &nothing;
    case EW_CHAT_STRING: ew_chat_charge(m, v.size); return characters(m, v);
    case EW_CHAT_LIST:
        if (v.list->spent) return &nothing;
        v.list->spent = v.list->lazy;
        return v.list;
    case EW_CHAT_DICT:
        keys = ew_chat_list(m);
        ew_chat_charge(m, v.dict->n);
        for (size_t i = 0; i < v.dict->n; i++) ew_chat_append(m, keys, v.dict->entries[i].key);
        return keys.list;
    default: ew_chat_fail(m, EW_ERR_ARGUMENT, "a value of kind %s cannot be gone through", ew_chat_kind_name(v));
    }
}
