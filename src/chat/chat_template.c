/* Owns opened templates and what a conversation becomes in them. The language itself: template_*.c; the limits:
 * chat_machine.c. The variables are those that Hugging Face's apply_chat_template hands over: messages, tools,
 * documents, add_generation_prompt, bos_token, eos_token. */
#include "chat/chat_template.h"
#include "base/error.h"
#include "chat/chat_builtin.h"
#include "chat/chat_json_read.h"
#include "chat/template_parser.h"
#include "chat/template_run.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEMPLATE_BYTES = 1 << 20, MAX_TOKEN_BYTES = 256, PROBE_STEPS = 200000, PROBE_BYTES = 4 << 20 };

static const char PLAIN[] =
    "{%- for message in messages %}"
    "{%- if not loop.first %}{{ '\\n\\n' }}{% endif %}"
    "{%- if message.role == 'user' %}User: {% elif message.role == 'assistant' %}Assistant: {% endif %}"
    "{{- message.content }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '\\n\\nAssistant:' }}{% endif %}";

/* ---- rendering ---- */

struct rendering {
    const struct ew_chat_template *template;
    const struct ew_chat_request *request;
    bool folds_system, wants_parts;
    char *text; /* the result: malloc'ed, so that it outlives the arena */
    size_t n_bytes;
};

static struct ew_chat_value content_of(struct ew_chat_machine *m, struct ew_chat_value text, bool in_parts) {
    if (!in_parts) return text;
    struct ew_chat_value list = ew_chat_list(m), part = ew_chat_dict(m);
    ew_chat_put_text(m, part.dict, "type", ew_chat_text("text"));
    ew_chat_put_text(m, part.dict, "text", text);
    ew_chat_append(m, list, part);
    return list;
}

static struct ew_chat_value messages_of(struct ew_chat_machine *m, const struct rendering *r) {
    struct ew_chat_value list = ew_chat_list(m), system = {.kind = EW_CHAT_MISSING};
    for (size_t i = 0; i < r->request->n_messages; i++) {
        const struct ew_chat_message *message = &r->request->messages[i];
        struct ew_chat_value text = ew_chat_text(message->content);
        if (r->folds_system && strcmp(message->role, "system") == 0) {
            system = text;
            continue;
        }
        if (ew_chat_given(system) && strcmp(message->role, "user") == 0) {
            struct ew_chat_buffer folded = {.m = m};
            ew_chat_write_str(&folded, system);
            ew_chat_write_text(&folded, "\n");
            ew_chat_write_str(&folded, text);
            text = ew_chat_written(&folded);
            system.kind = EW_CHAT_MISSING;
        }
        struct ew_chat_value one = ew_chat_dict(m);
        ew_chat_put_text(m, one.dict, "role", ew_chat_text(message->role));
        ew_chat_put_text(m, one.dict, "content", content_of(m, text, r->wants_parts));
        ew_chat_append(m, list, one);
    }
    return list;
}

static void put_token(struct ew_chat_machine *m, struct ew_chat_dict *dict, const struct ew_model *model, bool end) {
    char *spelling = ew_chat_alloc(m, MAX_TOKEN_BYTES, 1);
    if (ew_chat_model_token(model, end, spelling, MAX_TOKEN_BYTES))
        ew_chat_put_text(m, dict, end ? "eos_token" : "bos_token", ew_chat_text(spelling));
}

static struct ew_chat_dict *variables_of(struct ew_chat_machine *m, const struct rendering *r) {
    const struct ew_chat_request *q = r->request;
    struct ew_chat_dict *dict = ew_chat_dict(m).dict;
    ew_chat_put_text(m, dict, "messages", messages_of(m, r));
    ew_chat_put_text(m, dict, "tools", EW_CHAT_NONE_VALUE);
    ew_chat_put_text(m, dict, "documents", EW_CHAT_NONE_VALUE);
    ew_chat_put_text(m, dict, "add_generation_prompt", ew_chat_bool(q->add_generation_prompt));
    put_token(m, dict, q->model, false);
    put_token(m, dict, q->model, true);
    if (!q->variables) return dict;
    struct ew_chat_value more = ew_chat_read_json(m, "variables", q->variables, strlen(q->variables));
    if (more.kind != EW_CHAT_DICT)
        ew_chat_fail(m, EW_ERR_FORMAT, "variables: a JSON object is expected, not %s", ew_chat_kind_name(more));
    for (size_t i = 0; i < more.dict->n; i++)
        ew_chat_put(m, dict, more.dict->entries[i].key, more.dict->entries[i].value);
    return dict;
}

static void render_body(struct ew_chat_machine *m, void *context) {
    struct rendering *r = context;
    struct ew_chat_buffer out = {.m = m, .output = true};
    struct ew_template_run run = {.m = m, .out = &out};
    const struct ew_chat_dict *variables = variables_of(m, r);
    run.scope = ew_template_open_scope(&run, NULL);
    for (size_t i = 0; i < variables->n; i++)
        ew_template_define(&run, variables->entries[i].key, variables->entries[i].value);
    run.scope = ew_template_open_scope(&run, run.scope);
    ew_template_execute(&run, r->template->statements);
    char *text = malloc(out.n + 1);
    if (!text) ew_chat_fail(m, EW_ERR_MEMORY, "out of memory for %zu bytes of text", out.n);
    if (out.n > 0) memcpy(text, out.data, out.n);
    text[out.n] = 0;
    r->text = text;
    r->n_bytes = out.n;
}

static enum ew_status render(struct rendering *r, struct ew_error *err) {
    struct ew_chat_machine m;
    ew_chat_machine_init(&m, r->template->name, &r->request->limits, err);
    m.now_s = r->request->now_s;
    enum ew_status status = ew_chat_guard(&m, render_body, r) ? EW_OK : m.status;
    ew_chat_arena_free(&m.arena);
    return status;
}

static enum ew_status check_request(const struct ew_chat_request *q, struct ew_error *err) {
    for (size_t i = 0; i < q->n_messages; i++)
        if (!q->messages[i].role || !q->messages[i].content)
            return ew_error_set(err, EW_ERR_ARGUMENT, "message %zu: role and content must be given", i);
    return EW_OK;
}

enum ew_status ew_chat_template_render(const struct ew_chat_template *t, const struct ew_chat_request *request,
                                       char **text, size_t *n_bytes, struct ew_error *err) {
    if (!t || !request || !text)
        return ew_error_set(err, EW_ERR_ARGUMENT, "ew_chat_template_render: template, request and text must be given");
    enum ew_status status = check_request(request, err);
    if (status != EW_OK) return status;
    struct rendering r = {
        .template = t, .request = request, .folds_system = t->folds_system, .wants_parts = t->wants_parts};
    status = render(&r, err);
    if (status != EW_OK) return status;
    *text = r.text;
    if (n_bytes) *n_bytes = r.n_bytes;
    return EW_OK;
}

/* ---- opening ---- */

/* Whether a short conversation comes out whole, its system message left out or not. */
static bool shows(const struct ew_chat_template *t, bool with_system, bool in_parts) {
    static const char system[] = "qzsystemqz", user[] = "qzuserqz";
    const struct ew_chat_message messages[] = {{"system", system}, {"user", user}};
    const struct ew_chat_request request = {
        .messages = with_system ? messages : messages + 1,
        .n_messages = with_system ? 2 : 1,
        .add_generation_prompt = true,
        .variables = "{\"bos_token\": \"\", \"eos_token\": \"\"}",
        .limits = {.steps = PROBE_STEPS, .memory_bytes = PROBE_BYTES},
    };
    struct rendering r = {.template = t, .request = &request, .wants_parts = in_parts};
    if (render(&r, NULL) != EW_OK) return false;
    bool whole = strstr(r.text, user) && (!with_system || strstr(r.text, system));
    free(r.text);
    return whole;
}

/* Tries out what the template can take. One that shows nothing at all is left to say so when it is used. */
static void probe(struct ew_chat_template *t) {
    for (int in_parts = 0; in_parts < 2; in_parts++) {
        bool with_system = shows(t, true, in_parts);
        if (!with_system && !shows(t, false, in_parts)) continue;
        t->wants_parts = in_parts;
        t->folds_system = !with_system;
        return;
    }
}

struct parsing {
    const char *text;
    size_t n_bytes;
    const struct ew_template_node *statements;
};

static void parse_body(struct ew_chat_machine *m, void *context) {
    struct parsing *p = context;
    p->statements = ew_template_parse(m, p->text, p->n_bytes);
}

enum ew_status ew_chat_template_open(const char *name, const char *text, size_t n_bytes, struct ew_chat_template **out,
                                     struct ew_error *err) {
    if (!name || !text || !out)
        return ew_error_set(err, EW_ERR_ARGUMENT, "ew_chat_template_open: name, text and out must be given");
    if (n_bytes > MAX_TEMPLATE_BYTES)
        return ew_error_set(err, EW_ERR_LIMIT, "%s: a template of %zu bytes (at most %d)", name, n_bytes,
                            MAX_TEMPLATE_BYTES);
    struct ew_chat_template *t = calloc(1, sizeof *t);
    if (t) t->name = strdup(name);
    if (!t || !t->name) {
        free(t);
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", name);
    }
    struct ew_chat_machine m;
    struct parsing p = {.text = text, .n_bytes = n_bytes};
    ew_chat_machine_init(&m, t->name, NULL, err);
    bool parsed = ew_chat_guard(&m, parse_body, &p);
    t->arena = m.arena;
    t->statements = p.statements;
    if (!parsed) {
        ew_chat_template_close(&t);
        return m.status;
    }
    probe(t);
    *out = t;
    return EW_OK;
}

enum ew_status ew_chat_template_open_plain(struct ew_chat_template **out, struct ew_error *err) {
    enum ew_status status = ew_chat_template_open("plain template", PLAIN, sizeof PLAIN - 1, out, err);
    if (status == EW_OK) (*out)->stop = "\nUser:";
    return status;
}

void ew_chat_template_close(struct ew_chat_template **template_) {
    if (!template_ || !*template_) return;
    struct ew_chat_template *t = *template_;
    ew_chat_arena_free(&t->arena);
    free(t->name);
    free(t);
    *template_ = NULL;
}

const char *ew_chat_template_stop(const struct ew_chat_template *t) { return t->stop; }
