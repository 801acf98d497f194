/* The chat of `edgewise run`: what it consists of, for its own files. */
#ifndef EW_CLI_CHAT_TURNS_H
#define EW_CLI_CHAT_TURNS_H

#include "cli/chat_energy.h"
#include "cli/chat_input.h"
#include "cli/reply.h"

struct ew_chat {
    const struct ew_run_options *options;
    struct ew_model *model;
    struct ew_session *session;
    struct ew_sampler *sampler;
    struct ew_conversation *conversation;
    struct ew_chat_energy *energy; /* NULL: no meter */
    struct ew_chat_input *input;   /* NULL: one turn only */
    struct ew_replier replier;
    struct ew_reply answer;
    bool text_begun; /* of the answer that is shown now */
    bool held_c2;    /* its last byte was 0xc2 and is not shown yet */
    bool colour;     /* of notes, on standard error */
    int exit_status;
};

/* Chats over the terminal or a pipe until the user leaves; or, where once is not NULL, answers that one message.
 * Messages go to standard error, and the exit status is returned. */
int ew_chat_run(const struct ew_run_options *options, const char *model_path, const char *once);

/* Runs a line that begins with a slash; false when it asks to leave. */
bool ew_chat_command(struct ew_chat *chat, const char *line);

/* A quiet line on standard error. */
__attribute__((format(printf, 2, 3))) void ew_chat_note(const struct ew_chat *chat, const char *format, ...);
/* "edgewise: message", and the exit status becomes that of a failure. */
void ew_chat_complain(struct ew_chat *chat, const struct ew_error *err);

/* A new sampler, without memory of what was said. */
enum ew_status ew_chat_renew_sampler(struct ew_chat *chat, struct ew_error *err);

#endif
