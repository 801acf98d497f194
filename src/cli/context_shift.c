/* Owns which tokens are forgotten; how a session forgets them is the engine's. */
#include "cli/context_shift.h"

#include "base/error.h"
#include <stdlib.h>
#include <string.h>

enum { KEY_SHIFT = 2201, KEY_KEEP };

static const struct argp_option options[] = {
    {"context-shift", KEY_SHIFT, "N", 0,
     "When the context is full, forget its N oldest tokens, or half of them, and go on (off: stop there)", 2},
    {"keep", KEY_KEEP, "N", 0, "First tokens that --context-shift never forgets (1)", 2},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct ew_shift_options *o = state->input;
    switch (key) {
    case KEY_SHIFT:
        o->on = true;
        o->n_discard = strcmp(arg, "half") == 0 ? 0 : ew_cli_u32(state, "--context-shift", arg, 1, 1 << 24);
        return 0;
    case KEY_KEEP:
        o->has_keep = true;
        o->n_keep = ew_cli_u32(state, "--keep", arg, 0, 1 << 24);
        return 0;
    case ARGP_KEY_END:
        if (o->has_keep && !o->on) argp_error(state, "--keep is for --context-shift");
        if (!o->has_keep) o->n_keep = 1;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp ew_shift_options_argp = {.options = options, .parser = parse};

enum ew_status ew_held_tokens_open(struct ew_held_tokens *held, const struct ew_session *session,
                                   struct ew_error *err) {
    uint32_t capacity = ew_session_params_of(session).n_ctx;
    int32_t *ids = malloc(capacity * sizeof *ids);
    if (!ids) return ew_error_set(err, EW_ERR_MEMORY, "context: out of memory for the ids of %u tokens", capacity);
    *held = (struct ew_held_tokens){.ids = ids};
    return EW_OK;
}

void ew_held_tokens_close(struct ew_held_tokens *held) {
    free(held->ids);
    *held = (struct ew_held_tokens){0};
}

void ew_held_tokens_add(struct ew_held_tokens *held, const int32_t *ids, size_t n) {
    memcpy(held->ids + held->n, ids, n * sizeof *ids);
    held->n += n;
}

enum ew_status ew_context_shift(const struct ew_shift_options *o, struct ew_session *session,
                                struct ew_held_tokens *held, struct ew_error *err) {
    uint32_t n = (uint32_t)held->n, discard = o->n_discard;
    if (discard == 0) discard = n > o->n_keep ? (n - o->n_keep) / 2 : 0;
    if (discard == 0 || o->n_keep >= n || discard >= n - o->n_keep)
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "--context-shift: to forget %u tokens behind %u leaves nothing of a context of %u", discard,
                            o->n_keep, n);
    enum ew_status status = ew_session_shift(session, held->ids, o->n_keep, discard, err);
    if (status != EW_OK) return status;
    held->n -= discard;
    memmove(held->ids + o->n_keep, held->ids + o->n_keep + discard, (held->n - o->n_keep) * sizeof *held->ids);
    held->n_shifts++;
    return EW_OK;
}
