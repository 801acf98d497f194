/* --context-shift: a completion that goes on when its context is full, by forgetting its oldest tokens. Off unless
 * asked for: what a model says after it has forgotten is another text than with a longer context. */
#ifndef EW_CLI_CONTEXT_SHIFT_H
#define EW_CLI_CONTEXT_SHIFT_H

#include "cli/command.h"
#include "edgewise/session.h"

/* As an argp child whose input is this; zero-filled at first. */
struct ew_shift_options {
    bool on;
    uint32_t n_discard; /* 0: half of what is not kept */
    uint32_t n_keep;    /* first tokens that stay; 1 where none was given */
    bool has_keep;
};
extern const struct argp ew_shift_options_argp;

/* The tokens that a session's context holds, oldest first. */
struct ew_held_tokens {
    int32_t *ids; /* [capacity] the context's length; owned */
    size_t n;
    uint32_t n_shifts;
};

/* Errors: MEMORY. */
enum ew_status ew_held_tokens_open(struct ew_held_tokens *held, const struct ew_session *session, struct ew_error *err);
void ew_held_tokens_close(struct ew_held_tokens *held);
void ew_held_tokens_add(struct ew_held_tokens *held, const int32_t *ids, size_t n); /* they fit */

/* Forgets as the options say. Errors: ARGUMENT (nothing would be left), and those of ew_session_shift. */
enum ew_status ew_context_shift(const struct ew_shift_options *o, struct ew_session *session,
                                struct ew_held_tokens *held, struct ew_error *err);

#endif
