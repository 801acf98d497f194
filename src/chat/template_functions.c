/* Owns the global functions: Jinja's range, dict, namespace, and what Hugging Face adds: raise_exception, strftime_now.
 */
#include "chat/chat_builtin.h"

#include <string.h>
#include <time.h>

typedef struct ew_chat_value value;

enum { MAX_RANGE = 100000, MAX_TIME_TEXT = 1024 }; /* Jinja's sandbox has the same range */

static value range(struct ew_chat_machine *m, value self, const value *args) {
    (void)self;
    bool one = !ew_chat_given(args[1]);
    int64_t from = one ? 0 : ew_chat_integer_arg(m, args[0], "range", 0);
    int64_t to = ew_chat_integer_arg(m, args[one ? 0 : 1], "range", 0);
    int64_t step = ew_chat_integer_arg(m, args[2], "range", 1), distance;
    if (step == 0) ew_chat_fail(m, EW_ERR_ARGUMENT, "range: the step cannot be 0");
    value list = ew_chat_list(m);
    if (__builtin_sub_overflow(to, from, &distance) || distance == INT64_MIN || distance / step > MAX_RANGE)
        ew_chat_fail(m, EW_ERR_LIMIT, "range: more than %d numbers", MAX_RANGE);
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        ew_chat_append(m, list, ew_chat_int(i));
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    ew_chat_charge(m, list.list->n);
    return list;
}

/* dict(other, a=1) and namespace(other, a=1): args[0] the list, args[1] the dict of arguments. */
static value make_dict(struct ew_chat_machine *m, const value *args, const char *name) {
    value dict = ew_chat_dict(m);
    const struct ew_chat_list *given = args[0].list;
    if (given->n > 1)
        ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: %zu arguments without a name where it takes 1", name, given->n);
    value first = given->n ? given->items[0] : args[1];
    const struct ew_chat_list *pairs = first.kind == EW_CHAT_DICT ? NULL : ew_chat_iterate(m, first);
    for (size_t i = 0; pairs && i < pairs->n; i++) {
        const struct ew_chat_list *pair = ew_chat_iterate(m, pairs->items[i]);
        if (pair->n != 2) ew_chat_fail(m, EW_ERR_ARGUMENT, "%s: %zu values where a pair is expected", name, pair->n);
        ew_chat_put(m, dict.dict, pair->items[0], pair->items[1]);
    }
    for (size_t i = 0; !pairs && i < first.dict->n; i++)
        ew_chat_put(m, dict.dict, first.dict->entries[i].key, first.dict->entries[i].value);
    for (size_t i = 0; i < args[1].dict->n; i++)
        ew_chat_put(m, dict.dict, args[1].dict->entries[i].key, args[1].dict->entries[i].value);
    return dict;
}

static value dict(struct ew_chat_machine *m, value self, const value *args) {
    (void)self;
    return make_dict(m, args, "dict");
}

static value namespace(struct ew_chat_machine *m, value self, const value *args) {
    (void)self;
    value v = make_dict(m, args, "namespace");
    v.kind = EW_CHAT_NAMESPACE;
    return v;
}

static value raise_exception(struct ew_chat_machine *m, value self, const value *args) {
    (void)self;
    value text = ew_chat_str(m, args[0]);
    ew_chat_fail(m, EW_ERR_ARGUMENT, "the template refuses: %.*s", (int)(text.size < 300 ? text.size : 300), text.text);
}

static value strftime_now(struct ew_chat_machine *m, value self, const value *args) {
    (void)self;
    value format = ew_chat_string_arg(m, args[0], "strftime_now");
    char text[MAX_TIME_TEXT], *copy = ew_chat_alloc(m, format.size + 2, 1);
    time_t now = m->now_s ? (time_t)m->now_s : time(NULL);
    struct tm local;
    /* A blank in front tells an empty result from one that does not fit. */
    copy[0] = ' ';
    memcpy(copy + 1, format.text, format.size);
    size_t n = localtime_r(&now, &local) ? strftime(text, sizeof text, copy, &local) : 0;
    if (n == 0) ew_chat_fail(m, EW_ERR_LIMIT, "strftime_now: more than %d bytes", MAX_TIME_TEXT - 1);
    struct ew_chat_buffer b = {.m = m};
    ew_chat_write(&b, text + 1, n - 1);
    return ew_chat_written(&b);
}

const struct ew_chat_builtin ew_chat_functions[] = {
    {"range", "start stop step", 1, range},
    {"dict", "*", 0, dict},
    {"namespace", "*", 0, namespace},
    {"raise_exception", "message", 1, raise_exception},
    {"strftime_now", "format", 1, strftime_now},
    {0},
};
