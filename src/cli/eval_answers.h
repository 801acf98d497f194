/* edgewise eval --prompts: what a model writes behind each prompt of a fixed set, always the likeliest token. */
#ifndef EW_CLI_EVAL_ANSWERS_H
#define EW_CLI_EVAL_ANSWERS_H

#include "edgewise/session.h"

enum { EW_ANSWER_TOKENS = 64 };

struct ew_eval_answers {
    const char *model, *prompts;      /* files */
    const char *store;                /* NULL: kept nowhere */
    uint32_t tokens;                  /* of an answer, at most; 0 = EW_ANSWER_TOKENS */
    bool json;                        /* an object a line, as each answer is there; docs/eval.md */
    struct ew_session_params session; /* n_ctx is set here */
};

/* Prompts are read as they are, without a chat template. Errors: those of the files, the session and the store; LIMIT
 * naming a prompt that leaves no room in the model's context; CANCELLED. */
enum ew_status ew_eval_answer(const struct ew_eval_answers *what, struct ew_error *err);

#endif
