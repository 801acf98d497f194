/* Values of the template language, with Python's meaning of truth, equality, order and length. They live in a
 * machine's arena; strings may also point into the template or the caller's memory. */
#ifndef EW_CHAT_VALUE_H
#define EW_CHAT_VALUE_H

#include "chat/chat_machine.h"

enum ew_chat_kind {
    EW_CHAT_UNDEFINED = 0, /* text: the name that was looked for */
    EW_CHAT_MISSING,       /* an argument that was not given; never seen by a template */
    EW_CHAT_NONE,
    EW_CHAT_BOOL,
    EW_CHAT_INT,
    EW_CHAT_FLOAT,
    EW_CHAT_STRING,
    EW_CHAT_LIST, /* also tuples and what Python would generate lazily */
    EW_CHAT_DICT,
    EW_CHAT_NAMESPACE, /* a dict whose entries can be set */
    EW_CHAT_LOOP,
    EW_CHAT_MACRO,
    EW_CHAT_BUILTIN /* a global function, or a method with the value it belongs to */
};

struct ew_chat_value {
    enum ew_chat_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        const char *text; /* [size], not NUL-terminated */
        struct ew_chat_list *list;
        struct ew_chat_dict *dict;
        struct ew_chat_loop *loop;
        const struct ew_chat_macro *macro;
        const struct ew_chat_bound *bound;
    };
    size_t size;
    bool markup; /* STRING: marked safe for HTML, so that what `+` joins to it is escaped */
};

struct ew_chat_list {
    struct ew_chat_value *items;
    size_t n, capacity;
    bool tuple;
    bool lazy;  /* a generator in Python: always true, and empty once it has been gone through */
    bool spent; /* lazy, and gone through */
};

struct ew_chat_entry {
    struct ew_chat_value key, value;
    uint64_t hash;
};

struct ew_chat_dict {
    struct ew_chat_entry *entries; /* in the order of their first setting */
    size_t n, capacity;
};

/* What the language has built in: filters, tests, functions and methods are rows of tables of these. */
typedef struct ew_chat_value ew_chat_builtin_fn(struct ew_chat_machine *m, struct ew_chat_value subject,
                                                const struct ew_chat_value *args);

struct ew_chat_builtin {
    const char *name;
    const char *params; /* names, blanks between; "*": args[0] is the list of all, args[1] the dict of named ones */
    unsigned n_required;
    ew_chat_builtin_fn *run; /* args: one per name, MISSING where not given */
};
enum { EW_CHAT_MAX_PARAMS = 8 };

struct ew_chat_bound {
    const struct ew_chat_builtin *builtin;
    struct ew_chat_value self;
};

#define EW_CHAT_NONE_VALUE ((struct ew_chat_value){.kind = EW_CHAT_NONE})

static inline struct ew_chat_value ew_chat_bool(bool v) {
    return (struct ew_chat_value){.kind = EW_CHAT_BOOL, .boolean = v};
}
static inline struct ew_chat_value ew_chat_int(int64_t v) {
    return (struct ew_chat_value){.kind = EW_CHAT_INT, .integer = v};
}
static inline struct ew_chat_value ew_chat_float(double v) {
    return (struct ew_chat_value){.kind = EW_CHAT_FLOAT, .number = v};
}
static inline struct ew_chat_value ew_chat_string(const char *text, size_t size) {
    return (struct ew_chat_value){.kind = EW_CHAT_STRING, .text = text, .size = size};
}
struct ew_chat_value ew_chat_text(const char *text); /* NUL-terminated; not copied */
struct ew_chat_value ew_chat_undefined(const char *text, size_t size);
struct ew_chat_value ew_chat_list(struct ew_chat_machine *m); /* empty */
struct ew_chat_value ew_chat_dict(struct ew_chat_machine *m); /* empty */
struct ew_chat_value ew_chat_pair(struct ew_chat_machine *m, struct ew_chat_value a, struct ew_chat_value b);

void ew_chat_append(struct ew_chat_machine *m, struct ew_chat_value list, struct ew_chat_value item);
void ew_chat_put(struct ew_chat_machine *m, struct ew_chat_dict *dict, struct ew_chat_value key,
                 struct ew_chat_value value);
void ew_chat_put_text(struct ew_chat_machine *m, struct ew_chat_dict *dict, const char *key,
                      struct ew_chat_value value);
/* NULL when there is no such key. */
struct ew_chat_value *ew_chat_find(struct ew_chat_machine *m, const struct ew_chat_dict *dict,
                                   struct ew_chat_value key);

static inline bool ew_chat_is(struct ew_chat_value v, enum ew_chat_kind kind) { return v.kind == kind; }
static inline bool ew_chat_given(struct ew_chat_value v) { return v.kind != EW_CHAT_MISSING; }
static inline bool ew_chat_is_number(struct ew_chat_value v) {
    return v.kind == EW_CHAT_INT || v.kind == EW_CHAT_FLOAT || v.kind == EW_CHAT_BOOL;
}
bool ew_chat_equals_text(struct ew_chat_value v, const char *text);

/* Numbers: bool counts as 0 or 1. */
int64_t ew_chat_integer_of(struct ew_chat_value v);
double ew_chat_number_of(struct ew_chat_value v);

const char *ew_chat_kind_name(struct ew_chat_value v); /* "string"; for messages */
bool ew_chat_truth(struct ew_chat_value v);
bool ew_chat_equal(struct ew_chat_machine *m, struct ew_chat_value a, struct ew_chat_value b);
/* -1, 0, 1; fails where Python has no order. */
int ew_chat_compare(struct ew_chat_machine *m, struct ew_chat_value a, struct ew_chat_value b);
bool ew_chat_contains(struct ew_chat_machine *m, struct ew_chat_value whole, struct ew_chat_value part);
/* Code points, items or entries; fails for what has no length. */
size_t ew_chat_length(struct ew_chat_machine *m, struct ew_chat_value v);

/* What a `for` goes through, as a list: items, keys, characters, nothing for undefined. Fails for anything else. */
const struct ew_chat_list *ew_chat_iterate(struct ew_chat_machine *m, struct ew_chat_value v);

#endif
