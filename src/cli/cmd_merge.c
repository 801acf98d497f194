/* edgewise merge: what several stores hold, in one file. What counts as the same run: src/store/store_merge.h. */
#include "cli/command.h"
#include "store/store_merge.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_SOURCES = 256 };

struct options {
    struct ew_cli_common common;
    const char *out;
    const char *sources[MAX_SOURCES];
    size_t n_sources;
};

static const char doc[] =
    "Copies what the other stores hold into OUT.db, which is made where it does not exist. A run is taken once, "
    "however "
    "often its file is merged; machines are kept apart. The other files are only read.\v"
    "Example:\n  edgewise merge boards.db pi5.db orin.db\n  edgewise report boards.db\n\ndocs/store.md says more.";

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case ARGP_KEY_ARG:
        if (!o->out)
            o->out = arg;
        else if (o->n_sources == MAX_SOURCES)
            argp_error(state, "more than %d files at once", MAX_SOURCES);
        else
            o->sources[o->n_sources++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->n_sources == 0) argp_error(state, "merge what? For instance: edgewise merge all.db a.db b.db");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void say(const struct options *o, const char *path, const struct ew_merge_counts *c, json_t *list) {
    if (o->common.json) {
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "file", path, "new", (json_int_t)c->trials,
                                        "same", (json_int_t)c->same, "measured_twice", (json_int_t)c->twice, "planned",
                                        (json_int_t)c->planned, "studies_apart", (json_int_t)c->studies_apart));
        return;
    }
    printf("%s: %lld new runs", path, (long long)c->trials);
    if (c->same > 0) printf(", %lld there already", (long long)c->same);
    if (c->twice > 0) printf(", %lld measured twice (the first ones stay)", (long long)c->twice);
    if (c->planned > 0) printf(", %lld planned", (long long)c->planned);
    if (c->studies_apart > 0) printf("; %lld studies kept apart by machine", (long long)c->studies_apart);
    putchar('\n');
}

int ew_cmd_merge(int argc, char **argv) {
    struct options o = {0};
    static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {.parser = parse, .args_doc = "OUT.db A.db…", .doc = doc, .children = children};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    struct ew_error err = {0};
    struct ew_store *store = NULL;
    bool fresh = access(o.out, F_OK) != 0;
    json_t *list = json_array();
    enum ew_status status = ew_store_open(o.out, EW_STORE_WRITE, &store, &err);
    size_t done = 0;
    for (; status == EW_OK && done < o.n_sources; done++) {
        struct ew_merge_counts counts;
        status = ew_store_merge(store, o.sources[done], &counts, &err);
        if (status != EW_OK) break;
        say(&o, o.sources[done], &counts, list);
    }
    ew_store_close(&store);
    if (status != EW_OK && fresh && done == 0) unlink(o.out); /* nothing is in it */
    if (o.common.json && status == EW_OK) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(list);
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
