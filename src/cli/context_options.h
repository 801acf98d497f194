/* --context and --kv, as commands share them: how many tokens a session remembers, and in what form. */
#ifndef EW_CLI_CONTEXT_OPTIONS_H
#define EW_CLI_CONTEXT_OPTIONS_H

#include "cli/command.h"
#include "edgewise/session.h"

/* As an argp child whose input is this; zero-filled at first. */
struct ew_context_options {
    uint32_t n_ctx; /* 0: the session's default */
    bool automatic; /* as long as memory allows */
    enum ew_kv_type kv_k, kv_v;
};
extern const struct argp ew_context_options_argp;

/* Parses a type of the KV cache; wrong use exits as argp does. */
void ew_cli_kv(const struct argp_state *state, const char *text, enum ew_kv_type *k, enum ew_kv_type *v);

/* Parses --speculate: how many tokens to draft. Wrong use exits as argp does. */
void ew_cli_speculate(const struct argp_state *state, const char *text, uint32_t *n_draft);

/* Puts the options into params, whose other members are final: with --context auto they decide what fits. choice: out,
 * where that was chosen; else n_ctx 0. Errors: those of ew_session_choose_context. */
enum ew_status ew_context_options_apply(const struct ew_context_options *o, const struct ew_model *model,
                                        const char *root, struct ew_session_params *params,
                                        struct ew_context_choice *choice, struct ew_error *err);

/* The same, opens the session, and says on standard error what was chosen and why a side file is not used. */
enum ew_status ew_context_options_open(const struct ew_context_options *o, struct ew_model *model, const char *root,
                                       const struct ew_session_params *params, struct ew_session **out,
                                       struct ew_error *err);

/* "context 8192 of 131072 tokens: 812 MiB needed of 1024 MiB free, 128 MiB left to others" */
void ew_context_choice_text(const struct ew_context_choice *choice, char *buf, size_t capacity);

#endif
