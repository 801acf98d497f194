/* Owns the commands of a chat, the lines that begin with a slash. */
#include "cli/chat_turns.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name, *argument, *summary;
    bool (*run)(struct ew_chat *chat, const char *argument); /* false: leave */
};

static bool help(struct ew_chat *chat, const char *argument);

static bool set_system(struct ew_chat *chat, const char *argument) {
    struct ew_error err = {0};
    const char *now = ew_conversation_system(chat->conversation);
    if (!*argument) {
        ew_chat_note(chat, "system message: %s", now ? now : "none");
        return true;
    }
    if (ew_conversation_set_system(chat->conversation, strcmp(argument, "-") == 0 ? NULL : argument, &err) != EW_OK)
        ew_chat_complain(chat, &err);
    else
        ew_chat_note(chat, "the system message holds from the next turn on");
    return true;
}

/* The context is kept: what the next prompt has in common with it need not be evaluated again. */
static bool reset(struct ew_chat *chat, const char *argument) {
    struct ew_error err = {0};
    (void)argument;
    ew_conversation_clear(chat->conversation);
    if (ew_chat_renew_sampler(chat, &err) != EW_OK)
        ew_chat_complain(chat, &err);
    else
        ew_chat_note(chat, "a new conversation%s",
                     ew_conversation_system(chat->conversation) ? ", same system message" : "");
    return true;
}

static bool save(struct ew_chat *chat, const char *argument) {
    struct ew_error err = {0};
    if (!*argument)
        ew_chat_note(chat, "/save wants the name of a file");
    else if (ew_conversation_save(chat->conversation, argument, &err) != EW_OK)
        ew_chat_complain(chat, &err);
    else
        ew_chat_note(chat, "%s: %zu turns", argument, ew_conversation_n_turns(chat->conversation));
    return true;
}

static bool leave(struct ew_chat *chat, const char *argument) {
    (void)chat;
    (void)argument;
    return false;
}

static const struct command commands[] = {
    {"/help", "", "this list", help},
    {"/system", "[TEXT]", "set the system message, show it, or take it away (-)", set_system},
    {"/reset", "", "forget the conversation, keep the system message", reset},
    {"/save", "FILE", "write the conversation as JSON into a new file", save},
    {"/bye", "", "leave, as Ctrl-D does", leave},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static bool help(struct ew_chat *chat, const char *argument) {
    (void)argument;
    for (int i = 0; i < N_COMMANDS; i++)
        ew_chat_note(chat, "  %-8s %-7s %s", commands[i].name, commands[i].argument, commands[i].summary);
    ew_chat_note(chat, "A line that ends with \\ goes on in the next; \"\"\" alone begins and ends a longer text;\n"
                       "// at its start says a line that begins with a slash. Ctrl-C stops an answer.");
    return true;
}

bool ew_chat_command(struct ew_chat *chat, const char *line) {
    size_t n = strcspn(line, " \t");
    const char *argument = line + n + strspn(line + n, " \t");
    for (int i = 0; i < N_COMMANDS; i++)
        if (strlen(commands[i].name) == n && memcmp(commands[i].name, line, n) == 0)
            return commands[i].run(chat, argument);
    ew_chat_note(chat, "`%.*s` is not a command; /help lists them", (int)(n < 40 ? n : 40), line);
    return true;
}
