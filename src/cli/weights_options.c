/* Owns --weights and --cache. What the layouts are and when a side file is used: docs/memory.md. */
#include "cli/weights_options.h"
#include "base/cache_folder.h"
#include "base/error.h"
#include "study/trial_spec.h"

#include <stdlib.h>

enum { KEY_WEIGHTS = 2201, KEY_CACHE };

static const struct argp_option options[] = {
    {"weights", KEY_WEIGHTS, "LAYOUT", 0,
     "Where matrices are: mapped, packed, side_file (packed once, and kept for the next time) or auto (auto)", 2},
    {"cache", KEY_CACHE, "DIR", 0, "Side files are in DIR/packed (~/.cache/edgewise)", 2},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct ew_weights_options *o = state->input;
    switch (key) {
    case KEY_WEIGHTS:
        if (!ew_layout_by_name(arg, &o->layout))
            argp_error(state, "--weights: `%s` is not one of mapped, packed, auto, side_file", arg);
        return 0;
    case KEY_CACHE: o->cache = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp ew_weights_options_argp = {.options = options, .parser = parse};

enum ew_status ew_weights_options_apply(struct ew_weights_options *o, struct ew_session_params *params,
                                        struct ew_error *err) {
    o->folder = ew_packed_folder(o->cache);
    if (!o->folder) return ew_error_set(err, EW_ERR_MEMORY, "--cache: out of memory");
    params->layout = o->layout;
    params->side_folder = o->folder;
    return EW_OK;
}

void ew_weights_options_close(struct ew_weights_options *o) {
    free(o->folder);
    o->folder = NULL;
}
