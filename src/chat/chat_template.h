/* An opened template, for the room's own files. */
#ifndef EW_CHAT_CHAT_TEMPLATE_H
#define EW_CHAT_CHAT_TEMPLATE_H

#include "chat/chat_machine.h"
#include "chat/template_node.h"

struct ew_chat_template {
    char *name;
    struct ew_chat_arena arena; /* holds the tree and the texts it points to */
    const struct ew_template_node *statements;
    const char *stop;
    bool folds_system; /* has no place for a system message */
    bool wants_parts;  /* takes content as a list of parts only: [{"type": "text", "text": …}] */
};

/* The spelling of the model's bos or eos token into buf [capacity], NUL-terminated; false when it has none. */
bool ew_chat_model_token(const struct ew_model *model, bool end, char *buf, size_t capacity);

#endif
