/* One answer of a chat: the new part of the prompt is evaluated, then tokens are generated until something ends it. */
#ifndef EW_CLI_REPLY_H
#define EW_CLI_REPLY_H

#include "cli/conversation.h"

enum ew_reply_end {
    EW_REPLY_ENDED = 0,  /* by an end token or the template's stop text */
    EW_REPLY_LENGTH,     /* --tokens */
    EW_REPLY_CONTEXT,    /* the context is full */
    EW_REPLY_INTERRUPTED /* Ctrl-C */
};

struct ew_reply {
    char *text; /* [n_text], NUL-terminated; owned, kept from answer to answer */
    size_t n_text, text_capacity;
    size_t n_tokens;                /* generated, the one that ended it included */
    size_t n_prompt, n_reused;      /* tokens of the prompt, and how many of them the context still had */
    int64_t begin_ns, end_ns;       /* the machine's clock */
    int64_t prefill_ns;             /* evaluation of the prompt's new part */
    int64_t first_token_ns;         /* from begin_ns */
    int64_t decode_ns;              /* from the first token to the last */
    uint64_t n_drafted, n_accepted; /* tokens that speculation drafted, and those of them that the answer has */
    enum ew_reply_end end;
};

/* What an answer is made with, and what the session's context holds. */
struct ew_replier {
    struct ew_model *model;
    struct ew_session *session;
    struct ew_sampler *sampler;
    struct ew_conversation *conversation;
    uint32_t n_most; /* --tokens; 0 = no limit */
    bool ignore_end;
    int32_t *held; /* [n_held] tokens in the context; capacity: the whole context */
    size_t n_held;
    /* Sees the text piece by piece as soon as it is certain. May be NULL. */
    void (*show)(const char *text, size_t n, void *context);
    void *context;
};

/* Answers the prompt ids[0..n), which fits the context. On an error the context holds what was evaluated. Errors:
 * MEMORY, and those of sessions. Ctrl-C (cli/interrupt.h) is no error. */
enum ew_status ew_reply_prompt(struct ew_replier *a, const int32_t *ids, size_t n, struct ew_reply *answer,
                               struct ew_error *err);

/* "stop", "length", "context", "interrupted": the word for JSON. */
const char *ew_reply_end_name(enum ew_reply_end end);

#endif
