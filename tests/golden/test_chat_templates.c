/* Templates of real models. expected_outputs.json has 20 with their texts, recorded elsewhere, where a bos token at the
 * start and an eos token at the end are left to the tokenizer. chat_template_digests.json has, for each template file
 * of ../shared and each of a set of conversations, a digest of the text that Jinja2 gives, or "refused". */
#include "chat/chat_json_read.h"
#include "edgewise/chat.h"
#include "golden_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 1741529107, MAX_PATH = 4096 };

static struct ew_chat_value member(struct ew_chat_machine *m, struct ew_chat_value object, const char *name) {
    struct ew_chat_value *found = ew_chat_find(m, object.dict, ew_chat_text(name));
    return found ? *found : ew_chat_string("", 0);
}

/* A file as a value; MISSING when it cannot be opened. */
static struct ew_chat_value read_json(struct ew_chat_machine *m, const char *folder, const char *name) {
    char path[MAX_PATH];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *text = golden_read(path, &size);
    if (!text) return (struct ew_chat_value){.kind = EW_CHAT_MISSING};
    char *copy = memcpy(ew_chat_alloc(m, size + 1, 1), text, size);
    free(text);
    return ew_chat_read_json(m, path, copy, size);
}

static enum ew_status render(const char *template, size_t size, const struct ew_chat_request *request, char **text,
                             size_t *n, struct ew_error *err) {
    struct ew_chat_template *t = NULL;
    enum ew_status status = ew_chat_template_open("template", template, size, &t, err);
    if (status == EW_OK) status = ew_chat_template_render(t, request, text, n, err);
    ew_chat_template_close(&t);
    return status;
}

/* ---- recorded texts ---- */

static struct ew_chat_value without_ends(struct ew_chat_value text, struct ew_chat_value bos,
                                         struct ew_chat_value eos) {
    if (bos.size <= text.size && memcmp(text.text, bos.text, bos.size) == 0) {
        text.text += bos.size;
        text.size -= bos.size;
    }
    if (eos.size <= text.size && memcmp(text.text + text.size - eos.size, eos.text, eos.size) == 0)
        text.size -= eos.size;
    return text;
}

static bool check_recorded(struct ew_chat_machine *m, struct ew_chat_value one, const struct ew_chat_message *messages,
                           size_t n_messages) {
    char variables[1024], *text = NULL;
    size_t n;
    struct ew_error err;
    struct ew_chat_value bos = member(m, one, "bos_token"), eos = member(m, one, "eos_token");
    struct ew_chat_value template = member(m, one, "template_str"), expected = member(m, one, "expected_output_jinja");
    if (expected.size == 0) expected = member(m, one, "expected_output");
    /* The record leaves out what GigaChat's tokenizer configuration says. */
    if (ew_chat_equals_text(member(m, one, "name"), "ai-sage/GigaChat-20B-A3B-instruct")) bos = ew_chat_text("<s>");
    snprintf(variables, sizeof variables,
             "{\"bos_token\": \"%.*s\", \"eos_token\": \"%.*s\","
             "\"additional_special_tokens\": [\"<|role_sep|>\", \"<|message_sep|>\", \"[\", \"]\"]}",
             (int)bos.size, bos.text, (int)eos.size, eos.text);
    const struct ew_chat_request request = {
        .messages = messages, .n_messages = n_messages, .add_generation_prompt = true, .variables = variables};
    if (render(template.text, template.size, &request, &text, &n, &err) != EW_OK) {
        print_error("%.*s: %s\n", (int)member(m, one, "name").size, member(m, one, "name").text, err.message);
        return false;
    }
    struct ew_chat_value got = without_ends(ew_chat_string(text, n), bos, eos);
    expected = without_ends(expected, bos, eos);
    bool same = got.size == expected.size && memcmp(got.text, expected.text, got.size) == 0;
    if (!same)
        print_error("%.*s\n  gives    `%.*s`\n  expected `%.*s`\n", (int)member(m, one, "name").size,
                    member(m, one, "name").text, (int)got.size, got.text, (int)expected.size, expected.text);
    free(text);
    return same;
}

static char *copy_of(struct ew_chat_machine *m, struct ew_chat_value s) {
    char *copy = ew_chat_alloc(m, s.size + 1, 1);
    return memcpy(copy, s.text, s.size);
}

static void check_all_recorded(struct ew_chat_machine *m, void *context) {
    size_t *n_cases = context, n_wrong = 0;
    const char *shared = getenv("EW_SHARED_DIR");
    char folder[MAX_PATH];
    struct ew_chat_message messages[32];
    snprintf(folder, sizeof folder, "%s/data/chat_templates", shared ? shared : "../shared");
    struct ew_chat_value file = read_json(m, folder, "expected_outputs.json");
    if (!ew_chat_given(file)) return;
    const struct ew_chat_list *turns = member(m, file, "conversation").list;
    for (size_t i = 0; i < turns->n && i < 32; i++) {
        const struct ew_chat_value *turn = turns->items[i].list->items;
        messages[i] = (struct ew_chat_message){copy_of(m, turn[0]), copy_of(m, turn[1])};
    }
    const struct ew_chat_list *cases = member(m, file, "cases").list;
    for (*n_cases = 0; *n_cases < cases->n; (*n_cases)++)
        n_wrong += !check_recorded(m, cases->items[*n_cases], messages, turns->n);
    assert_int_equal(n_wrong, 0);
}

/* ---- digests ---- */

static uint64_t digest(const char *text, size_t n) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, as in make_chat_digests.py */
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)text[i]) * 0x100000001b3u;
    return h;
}

static bool check_digest(const char *template, size_t size, const char *variables, struct ew_chat_value expected) {
    char *text = NULL, got[32] = "refused";
    size_t n;
    struct ew_error err;
    const struct ew_chat_request request = {.variables = variables, .now_s = NOW_S};
    if (render(template, size, &request, &text, &n, &err) == EW_OK)
        snprintf(got, sizeof got, "%016llx", (unsigned long long)digest(text, n));
    free(text);
    return ew_chat_equals_text(expected, got);
}

static void check_template(struct ew_chat_machine *m, struct ew_chat_value name, struct ew_chat_value expected,
                           struct ew_chat_value conversations, size_t *n_cases, size_t *n_wrong) {
    char path[MAX_PATH];
    size_t size;
    const char *shared = getenv("EW_SHARED_DIR");
    snprintf(path, sizeof path, "%s/data/chat_templates/%.*s", shared ? shared : "../shared", (int)name.size,
             name.text);
    char *template = golden_read(path, &size);
    if (!template) return;
    for (size_t i = 0; i < conversations.dict->n; i++, (*n_cases)++) {
        struct ew_chat_value key = conversations.dict->entries[i].key;
        char *variables = copy_of(m, conversations.dict->entries[i].value);
        struct ew_chat_value wanted = *ew_chat_find(m, expected.dict, key);
        if (ew_chat_is(wanted, EW_CHAT_NONE) || check_digest(template, size, variables, wanted)) continue;
        print_error("%.*s, conversation `%.*s`: another text\n", (int)name.size, name.text, (int)key.size, key.text);
        (*n_wrong)++;
    }
    free(template);
}

static void check_all_digests(struct ew_chat_machine *m, void *context) {
    size_t *n_cases = context, n_wrong = 0;
    const char *source = getenv("EW_SOURCE_DIR");
    struct ew_chat_value file = read_json(m, source ? source : ".", "tests/fixtures/chat/chat_template_digests.json");
    const struct ew_chat_dict *templates = member(m, file, "templates").dict;
    for (size_t i = 0; i < templates->n; i++)
        check_template(m, templates->entries[i].key, templates->entries[i].value, member(m, file, "conversations"),
                       n_cases, &n_wrong);
    assert_int_equal(n_wrong, 0);
}

/* ---- */

static size_t guarded(void (*body)(struct ew_chat_machine *m, void *context)) {
    struct ew_chat_machine m;
    struct ew_error err;
    size_t n_cases = 0;
    setenv("TZ", "UTC", 1);
    ew_chat_machine_init(&m, "test data", &(struct ew_chat_limits){.steps = UINT64_MAX}, &err);
    if (!ew_chat_guard(&m, body, &n_cases)) fail_msg("%s", err.message);
    ew_chat_arena_free(&m.arena);
    if (n_cases == 0) {
        print_message("skipped: ../shared/data/chat_templates is not there\n");
        skip();
    }
    print_message("%zu cases\n", n_cases);
    return n_cases;
}

static void texts_equal_recorded_ones(void **state) {
    (void)state;
    assert_int_equal(guarded(check_all_recorded), 20);
}

static void texts_have_the_digests_of_jinja2(void **state) {
    (void)state;
    assert_true(guarded(check_all_digests) > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_equal_recorded_ones),
        cmocka_unit_test(texts_have_the_digests_of_jinja2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
