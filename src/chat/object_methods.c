/* Owns the methods of lists, dicts and `loop`. Those that would change a value are refused, as Hugging Face's sandbox
 * refuses them. Methods of strings: string_methods.c. */
#include "chat/chat_builtin.h"
#include "chat/template_run.h"

typedef struct ew_chat_value value;

/* ---- lists ---- */

static value list_index(struct ew_chat_machine *m, value self, const value *args) {
    ew_chat_charge(m, self.list->n);
    for (size_t i = 0; i < self.list->n; i++)
        if (ew_chat_equal(m, self.list->items[i], args[0])) return ew_chat_int((int64_t)i);
    ew_chat_fail(m, EW_ERR_ARGUMENT, "index: the value is not in the list");
}

static value list_count(struct ew_chat_machine *m, value self, const value *args) {
    int64_t n = 0;
    ew_chat_charge(m, self.list->n);
    for (size_t i = 0; i < self.list->n; i++) n += ew_chat_equal(m, self.list->items[i], args[0]);
    return ew_chat_int(n);
}

static value list_copy(struct ew_chat_machine *m, value self, const value *args) {
    (void)args;
    value copy = ew_chat_list(m);
    for (size_t i = 0; i < self.list->n; i++) ew_chat_append(m, copy, self.list->items[i]);
    ew_chat_charge(m, self.list->n);
    return copy;
}

static value refuse_change(struct ew_chat_machine *m, value self, const value *args) {
    (void)args;
    ew_chat_fail(m, EW_ERR_UNSUPPORTED, "a %s cannot be changed by a template (`+` or a namespace make a new one)",
                 ew_chat_kind_name(self));
}

const struct ew_chat_builtin ew_chat_list_methods[] = {
    {"index", "value", 1, list_index},
    {"count", "value", 1, list_count},
    {"copy", "", 0, list_copy},
    {"append", "value", 0, refuse_change},
    {"extend", "values", 0, refuse_change},
    {"insert", "index value", 0, refuse_change},
    {"pop", "index", 0, refuse_change},
    {"remove", "value", 0, refuse_change},
    {"sort", "key reverse", 0, refuse_change},
    {"reverse", "", 0, refuse_change},
    {"clear", "", 0, refuse_change},
    {0},
};

/* ---- dicts ---- */

static value dict_items(struct ew_chat_machine *m, value self, const value *args) {
    (void)args;
    value list = ew_chat_list(m);
    ew_chat_step(m, self.dict->n);
    for (size_t i = 0; i < self.dict->n; i++)
        ew_chat_append(m, list, ew_chat_pair(m, self.dict->entries[i].key, self.dict->entries[i].value));
    return list;
}

static value dict_keys(struct ew_chat_machine *m, value self, const value *args) {
    (void)args;
    value list = ew_chat_list(m);
    ew_chat_charge(m, self.dict->n);
    for (size_t i = 0; i < self.dict->n; i++) ew_chat_append(m, list, self.dict->entries[i].key);
    return list;
}

static value dict_values(struct ew_chat_machine *m, value self, const value *args) {
    (void)args;
    value list = ew_chat_list(m);
    ew_chat_charge(m, self.dict->n);
    for (size_t i = 0; i < self.dict->n; i++) ew_chat_append(m, list, self.dict->entries[i].value);
    return list;
}

static value dict_get(struct ew_chat_machine *m, value self, const value *args) {
    const value *found = ew_chat_find(m, self.dict, args[0]);
    return found ? *found : ew_chat_given(args[1]) ? args[1] : EW_CHAT_NONE_VALUE;
}

static value dict_copy(struct ew_chat_machine *m, value self, const value *args) {
    (void)args;
    value copy = ew_chat_dict(m);
    for (size_t i = 0; i < self.dict->n; i++)
        ew_chat_put(m, copy.dict, self.dict->entries[i].key, self.dict->entries[i].value);
    return copy;
}

const struct ew_chat_builtin ew_chat_dict_methods[] = {
    {"items", "", 0, dict_items},
    {"keys", "", 0, dict_keys},
    {"values", "", 0, dict_values},
    {"get", "key default", 1, dict_get},
    {"copy", "", 0, dict_copy},
    {"pop", "key default", 0, refuse_change},
    {"update", "*", 0, refuse_change},
    {"setdefault", "key default", 0, refuse_change},
    {"popitem", "", 0, refuse_change},
    {"clear", "", 0, refuse_change},
    {0},
};

/* ---- loop ---- */

static value loop_cycle(struct ew_chat_machine *m, value self, const value *args) {
    const struct ew_chat_list *all = args[0].list;
    if (all->n == 0) ew_chat_fail(m, EW_ERR_ARGUMENT, "loop.cycle: nothing to choose from");
    return all->items[self.loop->index % all->n];
}

static value loop_changed(struct ew_chat_machine *m, value self, const value *args) {
    bool same = ew_chat_given(self.loop->changed) && ew_chat_equal(m, self.loop->changed, args[0]);
    self.loop->changed = args[0];
    return ew_chat_bool(!same);
}

const struct ew_chat_builtin ew_chat_loop_methods[] = {
    {"cycle", "*", 0, loop_cycle},
    {"changed", "*", 0, loop_changed},
    {0},
};
