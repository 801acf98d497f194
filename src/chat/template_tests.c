/* Owns the tests: what may stand after `is`. Source: Jinja 3.1 documentation, "List of Builtin Tests". */
#include "chat/chat_builtin.h"
#include "chat/chat_unicode.h"

#define TEST(name)                                                                                                     \
    static struct ew_chat_value name(struct ew_chat_machine *m, struct ew_chat_value v,                                \
                                     const struct ew_chat_value *args)
#define UNUSED (void)m, (void)args

static struct ew_chat_value is_kind(struct ew_chat_value v, enum ew_chat_kind kind) {
    return ew_chat_bool(v.kind == kind);
}

TEST(is_defined) {
    UNUSED;
    return ew_chat_bool(v.kind != EW_CHAT_UNDEFINED);
}
TEST(is_undefined) {
    UNUSED;
    return is_kind(v, EW_CHAT_UNDEFINED);
}
TEST(is_none) {
    UNUSED;
    return is_kind(v, EW_CHAT_NONE);
}
TEST(is_boolean) {
    UNUSED;
    return is_kind(v, EW_CHAT_BOOL);
}
TEST(is_true) {
    UNUSED;
    return ew_chat_bool(v.kind == EW_CHAT_BOOL && v.boolean);
}
TEST(is_false) {
    UNUSED;
    return ew_chat_bool(v.kind == EW_CHAT_BOOL && !v.boolean);
}
TEST(is_integer) {
    UNUSED;
    return is_kind(v, EW_CHAT_INT);
}
TEST(is_float) {
    UNUSED;
    return is_kind(v, EW_CHAT_FLOAT);
}
TEST(is_number) {
    UNUSED;
    return ew_chat_bool(ew_chat_is_number(v));
}
TEST(is_string) {
    UNUSED;
    return is_kind(v, EW_CHAT_STRING);
}
TEST(is_mapping) {
    UNUSED;
    return is_kind(v, EW_CHAT_DICT);
}
TEST(is_callable) {
    UNUSED;
    return ew_chat_bool(v.kind == EW_CHAT_MACRO || v.kind == EW_CHAT_BUILTIN);
}

/* What has a length and items; undefined counts, as it does in Jinja. */
TEST(is_sequence) {
    UNUSED;
    return ew_chat_bool(v.kind == EW_CHAT_STRING || v.kind == EW_CHAT_DICT || v.kind == EW_CHAT_UNDEFINED ||
                        (v.kind == EW_CHAT_LIST && !v.list->lazy));
}

TEST(is_iterable) {
    UNUSED;
    return ew_chat_bool(v.kind == EW_CHAT_STRING || v.kind == EW_CHAT_DICT || v.kind == EW_CHAT_UNDEFINED ||
                        v.kind == EW_CHAT_LIST);
}

TEST(is_divisible) { return ew_chat_bool(!ew_chat_truth(ew_chat_calculate(m, '%', v, args[0]))); }
TEST(is_odd) {
    (void)args;
    return ew_chat_bool(ew_chat_equal(m, ew_chat_calculate(m, '%', v, ew_chat_int(2)), ew_chat_int(1)));
}
TEST(is_even) {
    (void)args;
    return ew_chat_bool(ew_chat_equal(m, ew_chat_calculate(m, '%', v, ew_chat_int(2)), ew_chat_int(0)));
}
TEST(is_equal) { return ew_chat_bool(ew_chat_equal(m, v, args[0])); }
TEST(is_unequal) { return ew_chat_bool(!ew_chat_equal(m, v, args[0])); }
TEST(is_less) { return ew_chat_bool(ew_chat_compare(m, v, args[0]) < 0); }
TEST(is_at_most) { return ew_chat_bool(ew_chat_compare(m, v, args[0]) <= 0); }
TEST(is_greater) { return ew_chat_bool(ew_chat_compare(m, v, args[0]) > 0); }
TEST(is_at_least) { return ew_chat_bool(ew_chat_compare(m, v, args[0]) >= 0); }
TEST(is_in) { return ew_chat_bool(ew_chat_contains(m, args[0], v)); }

/* The same object: for what has no identity of its own here, the same kind and value. */
TEST(is_same) {
    if (v.kind != args[0].kind) return ew_chat_bool(false);
    if (v.kind == EW_CHAT_LIST) return ew_chat_bool(v.list == args[0].list);
    if (v.kind == EW_CHAT_DICT) return ew_chat_bool(v.dict == args[0].dict);
    return ew_chat_bool(ew_chat_equal(m, v, args[0]));
}

/* At least one letter, and none of the other case. */
static struct ew_chat_value has_case(struct ew_chat_machine *m, struct ew_chat_value v, bool upper) {
    struct ew_chat_value s = ew_chat_str(m, v);
    bool any = false;
    ew_chat_charge(m, s.size);
    for (size_t at = 0; at < s.size;) {
        uint32_t c;
        at += ew_unicode_next(s.text + at, s.size - at, &c);
        bool is_upper = ew_unicode_lower(c) != c, is_lower = ew_unicode_upper(c) != c;
        if (upper ? is_lower : is_upper) return ew_chat_bool(false);
        any |= is_upper || is_lower;
    }
    return ew_chat_bool(any);
}
TEST(is_lower) {
    (void)args;
    return has_case(m, v, false);
}
TEST(is_upper) {
    (void)args;
    return has_case(m, v, true);
}

TEST(is_filter) {
    UNUSED;
    return ew_chat_bool(ew_chat_find_filter(v) != NULL);
}
TEST(is_test) {
    UNUSED;
    return ew_chat_bool(ew_chat_find_test(v) != NULL);
}

const struct ew_chat_builtin ew_chat_tests[] = {
    {"defined", "", 0, is_defined},
    {"undefined", "", 0, is_undefined},
    {"none", "", 0, is_none},
    {"boolean", "", 0, is_boolean},
    {"true", "", 0, is_true},
    {"false", "", 0, is_false},
    {"integer", "", 0, is_integer},
    {"float", "", 0, is_float},
    {"number", "", 0, is_number},
    {"string", "", 0, is_string},
    {"mapping", "", 0, is_mapping},
    {"callable", "", 0, is_callable},
    {"sequence", "", 0, is_sequence},
    {"iterable", "", 0, is_iterable},
    {"divisibleby", "num", 1, is_divisible},
    {"odd", "", 0, is_odd},
    {"even", "", 0, is_even},
    {"eq", "other", 1, is_equal},
    {"equalto", "other", 1, is_equal},
    {"==", "other", 1, is_equal},
    {"ne", "other", 1, is_unequal},
    {"!=", "other", 1, is_unequal},
    {"lt", "other", 1, is_less},
    {"lessthan", "other", 1, is_less},
    {"<", "other", 1, is_less},
    {"le", "other", 1, is_at_most},
    {"<=", "other", 1, is_at_most},
    {"gt", "other", 1, is_greater},
    {"greaterthan", "other", 1, is_greater},
    {">", "other", 1, is_greater},
    {"ge", "other", 1, is_at_least},
    {">=", "other", 1, is_at_least},
    {"in", "seq", 1, is_in},
    {"sameas", "other", 1, is_same},
    {"lower", "", 0, is_lower},
    {"upper", "", 0, is_upper},
    {"filter", "", 0, is_filter},
    {"test", "", 0, is_test},
    {0},
};
