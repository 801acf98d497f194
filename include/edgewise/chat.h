/* Chat templates: a conversation to the text that a model was trained on.
 *
 * A template is a small program in the subset of Jinja that model files carry in tokenizer.chat_template; docs/chat.md
 * lists it. It is a stranger's program, so it runs in a sandbox: no files, no network, and limits on steps, depth,
 * memory and output. A template is immutable after opening and may be shared by threads; opening and rendering take up
 * to 256 KiB of stack. */
#ifndef EDGEWISE_CHAT_H
#define EDGEWISE_CHAT_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ew_chat_template;

/* Parses a template of n_bytes (at most 1 MiB). name is what messages call it, e.g. its file. *out is owned by the
 * caller: ew_chat_template_close. Errors: FORMAT (with the line), LIMIT, MEMORY. */
enum ew_status ew_chat_template_open(const char *name, const char *text, size_t n_bytes, struct ew_chat_template **out,
                                     struct ew_error *err);

/* The model's own template (key tokenizer.chat_template). Errors: NOT_FOUND when it has none; as above. */
enum ew_status ew_chat_template_open_model(const struct ew_model *model, struct ew_chat_template **out,
                                           struct ew_error *err);

/* For models without one: "User: …" and "Assistant: …", a blank line between turns. */
enum ew_status ew_chat_template_open_plain(struct ew_chat_template **out, struct ew_error *err);

void ew_chat_template_close(struct ew_chat_template **template_); /* NULL and *NULL are fine */

struct ew_chat_message {
    const char *role;    /* "system", "user", "assistant", "tool" … */
    const char *content; /* UTF-8 */
};

/* What a rendering may take; 0 = the default. Reaching one is an error (LIMIT), never a cut text. */
struct ew_chat_limits {
    uint64_t steps;      /* 20 million; about one per operation, and one per 16 bytes that an operation copies */
    size_t memory_bytes; /* 64 MiB of values */
    size_t output_bytes; /* 16 MiB */
};

struct ew_chat_request {
    /* The conversation. Where the template has no place for a system message (it refuses one, or leaves its text out),
     * that text goes before the first user message, a line break between. */
    const struct ew_chat_message *messages; /* [n_messages] */
    size_t n_messages;
    bool add_generation_prompt;   /* end with the opening of an answer */
    const struct ew_model *model; /* gives bos_token and eos_token; NULL = neither is defined */
    /* A JSON object of further variables, e.g. {"tools": […], "enable_thinking": false}; NULL = none. They win over
     * the members above: a "messages" here is handed on as it is, for content in parts or calls of tools. */
    const char *variables;
    int64_t now_s; /* for strftime_now, in seconds since 1970; 0 = now. Shown in the local time zone. */
    struct ew_chat_limits limits;
};

/* The text of the conversation, NUL-terminated: *text is the caller's to free(); n_bytes may be NULL.
 * Errors: ARGUMENT (raise_exception, or a template that does not fit the conversation: the message has the line),
 * FORMAT (variables), UNSUPPORTED, LIMIT, MEMORY. */
enum ew_status ew_chat_template_render(const struct ew_chat_template *template_, const struct ew_chat_request *request,
                                       char **text, size_t *n_bytes, struct ew_error *err);

/* A text that ends an answer besides the model's end tokens: "\nUser:" of the plain template, else NULL. */
const char *ew_chat_template_stop(const struct ew_chat_template *template_);

#ifdef __cplusplus
}
#endif

#endif
