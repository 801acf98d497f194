/* What the user of a chat says: lines of a terminal with editing and history, or of a pipe. */
#ifndef EW_CLI_CHAT_INPUT_H
#define EW_CLI_CHAT_INPUT_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>

struct ew_chat_input;

enum ew_chat_said {
    EW_SAID_TEXT,    /* a message or a command */
    EW_SAID_NOTHING, /* an empty line, or one that Ctrl-C took back */
    EW_SAID_GOODBYE  /* the end of the input */
};

/* On a terminal: editing by libedit. Errors: MEMORY, IO. */
enum ew_status ew_chat_input_open(struct ew_chat_input **out, struct ew_error *err);
void ew_chat_input_close(struct ew_chat_input **input);
bool ew_chat_input_is_terminal(const struct ew_chat_input *input);

/* The next thing that is said: one line, several that each end with a backslash, or all between two lines of """.
 * *text [*n] belongs to the input until the next call. */
enum ew_chat_said ew_chat_input_read(struct ew_chat_input *input, const char **text, size_t *n);

#endif
