/* edgewise store: whether a store is whole, and bringing one of an older version up to date. */
#include "base/error.h"
#include "cli/command.h"
#include "store/store.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct options {
    struct ew_cli_common common;
    const char *action, *path;
};

static const char doc[] =
    "check: reads the whole file — its structure, that no row refers to one that is missing, and every stamp and "
    "sample "
    "with its checksum. upgrade: brings a store of an older version up to date; what it holds stays.\v"
    "Example:\n  edgewise store check paper.db\n\ndocs/store.md explains the file.";

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case ARGP_KEY_ARG:
        if (!o->action)
            o->action = arg;
        else if (!o->path)
            o->path = arg;
        else
            argp_error(state, "%s: one store at a time", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->action && strcmp(o->action, "check") != 0 && strcmp(o->action, "upgrade") != 0)
            argp_error(state, "`%s` is not check or upgrade", o->action);
        if (!o->path) argp_error(state, "which store? For instance: edgewise store check demo.db");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static enum ew_status count_trials(struct ew_store *store, size_t *n_studies, size_t *n_trials, size_t *n_done,
                                   struct ew_error *err) {
    const struct ew_study_record *studies = NULL;
    enum ew_status status = ew_store_list_studies(store, &studies, n_studies, err);
    for (size_t i = 0; status == EW_OK && i < *n_studies; i++) {
        struct ew_stored_study *study = NULL;
        status = ew_store_read_study(store, studies[i].id, &study, err);
        for (size_t t = 0; study && t < study->n_trials; t++) *n_done += study->trials[t].status > EW_TRIAL_RUNNING;
        if (study) *n_trials += study->n_trials;
        ew_store_free_study(&study);
    }
    return status;
}

static enum ew_status check(const struct options *o, struct ew_store *store, struct ew_error *err) {
    size_t studies = 0, trials = 0, done = 0;
    int64_t blobs = 0;
    enum ew_status status = ew_store_check(store, err);
    if (status == EW_OK) status = ew_store_check_blobs(store, &blobs, err);
    if (status == EW_OK) status = count_trials(store, &studies, &trials, &done, err);
    if (status != EW_OK) return status;
    if (!o->common.json) {
        printf("%s: whole. Schema version %d, %zu stud%s, %zu of %zu runs done, %lld blobs read\n", o->path,
               ew_store_version(store), studies, studies == 1 ? "y" : "ies", done, trials, (long long)blobs);
        return EW_OK;
    }
    json_t *root = json_pack("{s:s, s:i, s:I, s:I, s:I, s:I}", "store", o->path, "schema_version",
                             ew_store_version(store), "studies", (json_int_t)studies, "trials", (json_int_t)trials,
                             "done", (json_int_t)done, "blobs", (json_int_t)blobs);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return EW_OK;
}

static enum ew_status upgrade(const char *path, struct ew_error *err) {
    struct ew_store *store = NULL;
    /* For reading first: opening for writing would make a file that is not there. */
    enum ew_status status = ew_store_open(path, EW_STORE_READ, &store, err);
    if (status != EW_OK) return status;
    int before = ew_store_version(store);
    ew_store_close(&store);
    status = ew_store_open(path, EW_STORE_WRITE, &store, err);
    ew_store_close(&store);
    if (status == EW_OK) status = ew_store_open(path, EW_STORE_READ, &store, err);
    if (status != EW_OK) return status;
    int after = ew_store_version(store);
    ew_store_close(&store);
    if (before == after)
        printf("%s: has schema version %d, the newest\n", path, after);
    else
        printf("%s: upgraded from schema version %d to %d\n", path, before, after);
    return EW_OK;
}

int ew_cmd_store(int argc, char **argv) {
    struct options o = {0};
    static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = parse, .args_doc = "check|upgrade FILE.db", .doc = doc, .children = children};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    struct ew_error err = {0};
    struct ew_store *store = NULL;
    enum ew_status status;
    if (strcmp(o.action, "upgrade") == 0) {
        status = upgrade(o.path, &err);
    } else {
        status = ew_store_open(o.path, EW_STORE_READ, &store, &err);
        if (status == EW_OK) status = check(&o, store, &err);
        ew_store_close(&store);
    }
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
