/* Owns --meter-source, --power-trace, --calibration and their variables; calibration_choice.c applies the last. */
#include "cli/meter_options.h"
#include "cli/calibration_choice.h"
#include "meter/plug_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SOURCE = 2901, KEY_TRACE, KEY_CALIBRATION };

static const struct argp_option options[] = {
    {"meter-source", KEY_SOURCE, "SOURCE", 0,
     "Add a meter that cannot be found by itself: replay:FILE, log:FILE, shelly:HOST, tasmota:HOST, assumed:WATTS; "
     "docs/meters.md lists all kinds. Repeatable; $EDGEWISE_METERS gives more, separated by spaces",
     8},
    {"power-trace", KEY_TRACE, "FILE", 0, "Play a recorded power trace as the energy meter (replay:FILE)", 8},
    {"calibration", KEY_CALIBRATION, "FILE", 0,
     "Correct a meter by a kept calibration: a file, auto (the newest of this board for each meter), or none "
     "($EDGEWISE_CALIBRATION, otherwise none)",
     8},
    {0},
};

static void add(struct argp_state *state, struct ew_meter_options *o, const char *source) {
    if (o->n_sources == EW_CLI_MAX_SOURCES)
        argp_error(state, "--meter-source %s: more than %d meters", source, EW_CLI_MAX_SOURCES);
    o->sources[o->n_sources++] = source;
}

static void add_owned(struct argp_state *state, struct ew_meter_options *o, char *source) {
    if (!source) argp_failure(state, 1, 0, "out of memory");
    add(state, o, source);
    o->owned[o->n_owned++] = source;
}

static void add_environment(struct argp_state *state, struct ew_meter_options *o) {
    const char *text = getenv("EDGEWISE_METERS");
    while (text && *text) {
        size_t n = strcspn(text, " ");
        if (n) add_owned(state, o, strndup(text, n));
        text += n + strspn(text + n, " ");
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct ew_meter_options *o = state->input;
    char *source = NULL;
    switch (key) {
    case KEY_SOURCE: add(state, o, arg); return 0;
    case KEY_TRACE: add_owned(state, o, asprintf(&source, "replay:%s", arg) < 0 ? NULL : source); return 0;
    case KEY_CALIBRATION: o->calibration = arg; return 0;
    case ARGP_KEY_END:
        add_environment(state, o);
        if (!o->calibration) o->calibration = getenv("EDGEWISE_CALIBRATION");
        if (!o->calibration || !*o->calibration) o->calibration = "none";
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp ew_meter_options_argp = {.options = options, .parser = parse};

struct ew_meter_config ew_meter_options_config(const struct ew_meter_options *o, const char *root) {
    return (struct ew_meter_config){.root = root,
                                    .sources = o->sources,
                                    .n_sources = o->n_sources,
                                    .plugs = &ew_plugs_over_http,
                                    .found = ew_calibration_choice_apply,
                                    .found_context = o->calibration};
}

void ew_meter_options_close(struct ew_meter_options *o) {
    for (size_t i = 0; i < o->n_owned; i++) free(o->owned[i]);
    *o = (struct ew_meter_options){0};
}
