/* Owns the words of --context and --kv. What fits is the engine's to say. */
#include "cli/context_options.h"
#include "edgewise/speculation.h"

#include <stdio.h>
#include <string.h>

enum { KEY_KV = 2101 };

static const struct argp_option options[] = {
    {"context", 'c', "N", 0,
     "Context length in tokens, or auto: the longest that memory allows (the trained one, at "
     "most 4096)",
     2},
    {"kv", KEY_KV, "TYPE", 0, "Type of the KV cache: f16, q8_0, f32, or keys and values apart, as q8_0/f16 (f16)", 2},
    {0},
};

void ew_cli_kv(const struct argp_state *state, const char *text, enum ew_kv_type *k, enum ew_kv_type *v) {
    if (!ew_kv_by_name(text, k, v))
        argp_error(state, "--kv: `%s` is not f16, q8_0, f32, or two of them as in q8_0/f16 (keys first)", text);
}

void ew_cli_speculate(const struct argp_state *state, const char *text, uint32_t *n_draft) {
    if (!ew_draft_parse(text, n_draft))
        argp_error(state, "--speculate: `%s` is not off, auto or a number of 1 to 15", text);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct ew_context_options *o = state->input;
    switch (key) {
    case 'c':
        o->automatic = strcmp(arg, "auto") == 0;
        o->n_ctx = o->automatic ? 0 : ew_cli_u32(state, "--context", arg, 2, 1 << 24);
        return 0;
    case KEY_KV: ew_cli_kv(state, arg, &o->kv_k, &o->kv_v); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp ew_context_options_argp = {.options = options, .parser = parse};

enum ew_status ew_context_options_apply(const struct ew_context_options *o, const struct ew_model *model,
                                        const char *root, struct ew_session_params *params,
                                        struct ew_context_choice *choice, struct ew_error *err) {
    *choice = (struct ew_context_choice){0};
    params->n_ctx = o->n_ctx;
    params->kv_k = o->kv_k;
    params->kv_v = o->kv_v;
    if (!o->automatic) return EW_OK;
    enum ew_status status = ew_session_choose_context(model, params, root, choice, err);
    if (status == EW_OK) params->n_ctx = choice->n_ctx;
    return status;
}

void ew_context_choice_text(const struct ew_context_choice *c, char *buf, size_t capacity) {
    const double mib = 1 << 20;
    int n = c->by_memory ? snprintf(buf, capacity, "context %u of %u tokens", c->n_ctx, c->n_ctx_train)
                         : snprintf(buf, capacity, "context %u tokens, what the model was trained for", c->n_ctx);
    if (n < 0 || (size_t)n >= capacity) return;
    snprintf(buf + n, capacity - (size_t)n, ": %.0f MiB needed of %.0f MiB free, %.0f MiB left to others",
             (double)c->needed_bytes / mib, (double)c->free_bytes / mib, (double)c->spared_bytes / mib);
}

enum ew_status ew_context_options_open(const struct ew_context_options *o, struct ew_model *model, const char *root,
                                       const struct ew_session_params *params, struct ew_session **out,
                                       struct ew_error *err) {
    struct ew_session_params p = *params;
    struct ew_context_choice choice;
    enum ew_status status = ew_context_options_apply(o, model, root, &p, &choice, err);
    if (status == EW_OK) status = ew_session_open(model, &p, out, err);
    if (status != EW_OK) return status;
    const char *note = ew_session_weights(*out)->note;
    if (*note) fprintf(stderr, "edgewise: note: %s\n", note);
    if (choice.n_ctx == 0) return EW_OK;
    char text[160];
    ew_context_choice_text(&choice, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return EW_OK;
}
