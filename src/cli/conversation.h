/* The turns of a chat, and what they are as a prompt: text by the template, then token ids. */
#ifndef EW_CLI_CONVERSATION_H
#define EW_CLI_CONVERSATION_H

#include "cli/run_options.h"
#include "edgewise/chat.h"

struct ew_conversation;

/* With the template that the options name, else the model's own, else the plain one; and their system message. The
 * model must outlive it. Errors: those of templates; NOT_FOUND, IO for a file. *out: ew_conversation_close. */
enum ew_status ew_conversation_open(const struct ew_model *model, const struct ew_run_options *options,
                                    struct ew_conversation **out, struct ew_error *err);
void ew_conversation_close(struct ew_conversation **conversation);

/* Appends a turn; content [n_bytes] is copied, and ends at a NUL byte. */
enum ew_status ew_conversation_add(struct ew_conversation *c, const char *role, const char *content, size_t n_bytes,
                                   struct ew_error *err);
void ew_conversation_drop_last(struct ew_conversation *c);
/* Drops the oldest user message and its answer; false when only the newest turn is left. */
bool ew_conversation_drop_oldest(struct ew_conversation *c);
void ew_conversation_clear(struct ew_conversation *c);           /* all turns; the system message stays */
size_t ew_conversation_n_turns(const struct ew_conversation *c); /* user messages */

/* text NULL or "": none. */
enum ew_status ew_conversation_set_system(struct ew_conversation *c, const char *text, struct ew_error *err);
const char *ew_conversation_system(const struct ew_conversation *c); /* NULL = none */

/* The prompt for the next answer: *ids [*n], the caller's to free(). */
enum ew_status ew_conversation_prompt(const struct ew_conversation *c, int32_t **ids, size_t *n, struct ew_error *err);

/* Whether this token ends an answer: the model says so, or the template puts it there. */
bool ew_conversation_ends(const struct ew_conversation *c, int32_t id);
/* A text that ends an answer; NULL = none. */
const char *ew_conversation_stop(const struct ew_conversation *c);

/* The turns as JSON into a new file: {"model": …, "messages": [{"role": …, "content": …}]}. Errors: IO, ARGUMENT
 * (the file is there already), MEMORY. */
enum ew_status ew_conversation_save(const struct ew_conversation *c, const char *path, struct ew_error *err);

#endif
