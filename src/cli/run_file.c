/* Owns reading the JSON of `edgewise meter run` back. It may have been edited or come from elsewhere: every number is
 * checked, and what does not fit is refused by name. Written by meter_run_json.c. */
#include "cli/run_file.h"
#include "base/error.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE = 256 << 20 };
static const int64_t latest_ns = INT64_C(4000000000000000000);

struct reading {
    const char *path;
    struct ew_run_file *file;
    size_t capacity;
    struct ew_error *err;
};

static enum ew_status bad(const struct reading *r, const char *where, const char *rule) {
    return ew_error_set(r->err, EW_ERR_FORMAT, "%s: %s: %s", r->path, where, rule);
}

static bool take_time(const json_t *object, const char *key, int64_t *out) {
    const json_t *value = json_object_get(object, key);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0 && *out <= latest_ns;
}

static bool take_span(const json_t *object, int64_t *begin, int64_t *end) {
    return take_time(object, "begin_ns", begin) && take_time(object, "end_ns", end) && *end >= *begin;
}

static enum ew_status add_window(struct reading *r, const json_t *object, const char *name, uint32_t run,
                                 bool warm_up) {
    struct ew_run_file *f = r->file;
    struct ew_run_window w = {.run = run, .warm_up = warm_up};
    if (!take_span(object, &w.begin_ns, &w.end_ns)) return bad(r, "runs", "begin_ns and end_ns must rise");
    if (!name || strlen(name) >= sizeof w.name) return bad(r, "phases", "name must be a text of at most 63 bytes");
    memcpy(w.name, name, strlen(name) + 1);
    if (f->n == EW_RUN_MOST_WINDOWS) return ew_error_set(r->err, EW_ERR_LIMIT, "%s: too many runs or phases", r->path);
    if (f->n == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 16;
        struct ew_run_window *larger = reallocarray(f->windows, capacity, sizeof *larger);
        if (!larger) return ew_error_set(r->err, EW_ERR_MEMORY, "%s: out of memory", r->path);
        f->windows = larger;
        r->capacity = capacity;
    }
    f->windows[f->n++] = w;
    return EW_OK;
}

static enum ew_status take_runs(struct reading *r, const json_t *root) {
    const json_t *runs = json_object_get(root, "runs"), *run, *phase;
    size_t i, k;
    if (!json_is_array(runs) || json_array_size(runs) == 0) return bad(r, "runs", "must hold at least one run");
    json_array_foreach(runs, i, run) {
        bool warm_up = json_is_true(json_object_get(run, "warm_up"));
        enum ew_status status = add_window(r, run, "", (uint32_t)i, warm_up);
        if (status != EW_OK) return status;
        json_array_foreach(json_object_get(run, "phases"), k, phase) {
            status = add_window(r, phase, json_string_value(json_object_get(phase, "name")), (uint32_t)i, warm_up);
            if (status != EW_OK) return status;
        }
    }
    return EW_OK;
}

/* Files of before these were written have neither. */
static enum ew_status take_rests(struct reading *r, const json_t *root) {
    const json_t *rests = json_object_get(root, "rests");
    for (size_t i = 0; i < json_array_size(rests) && i < 2; i++) {
        struct ew_load_phase *rest = &r->file->rests[i];
        if (!take_span(json_array_get(rests, i), &rest->begin_ns, &rest->end_ns))
            return bad(r, "rests", "begin_ns and end_ns must rise");
        r->file->n_rests = i + 1;
    }
    return EW_OK;
}

static enum ew_status take_signature(struct reading *r, const json_t *object, struct ew_played_signature *out) {
    const json_t *edges = json_object_get(object, "edges");
    size_t n = json_array_size(edges);
    int64_t last;
    if (!take_span(object, &out->pattern.begin_ns, &out->pattern.end_ns) ||
        !take_time(object, "switch_ns", &out->switch_ns))
        return bad(r, "signatures", "begin_ns and end_ns must rise, and switch_ns be a time");
    if (n < 2 || n > sizeof out->edges / sizeof *out->edges) return bad(r, "signatures", "2 to 64 edges are possible");
    last = out->pattern.begin_ns;
    for (size_t i = 0; i < n; i++) {
        const json_t *edge = json_array_get(edges, i);
        out->edges[i].on = json_is_true(json_object_get(edge, "on"));
        if (!take_time(edge, "time_ns", &out->edges[i].time_ns) || out->edges[i].time_ns < last ||
            out->edges[i].time_ns > out->pattern.end_ns || out->edges[i].on != (i % 2 == 0))
            return bad(r, "signatures", "edges must rise and alternate, the first on");
        last = out->edges[i].time_ns;
    }
    out->pattern.edges = out->edges;
    out->pattern.n = n;
    return EW_OK;
}

static enum ew_status take_signatures(struct reading *r, const json_t *root) {
    const json_t *signatures = json_object_get(root, "signatures");
    struct ew_run_file *f = r->file;
    for (size_t i = 0; i < json_array_size(signatures) && i < 2; i++) {
        enum ew_status status = take_signature(r, json_array_get(signatures, i), &f->signatures[i]);
        if (status != EW_OK) return status;
        f->n_signatures = i + 1;
    }
    if (f->n_signatures == 2 && f->signatures[1].pattern.begin_ns < f->signatures[0].pattern.end_ns)
        return bad(r, "signatures", "the second begins before the first has ended");
    return EW_OK;
}

static enum ew_status take_all(struct reading *r, const json_t *root) {
    const char *format = json_string_value(json_object_get(root, "format"));
    int64_t begin, unix_ns;
    if (!format || strcmp(format, "edgewise-meter-run-1") != 0)
        return bad(r, "format", "is not edgewise-meter-run-1: this is no file of `edgewise meter run -o`");
    if (!take_time(root, "begin_ns", &begin) || !take_time(root, "begin_unix_ns", &unix_ns))
        return bad(r, "begin_ns, begin_unix_ns", "must be times");
    r->file->epoch_ns = begin - unix_ns;
    enum ew_status status = take_runs(r, root);
    if (status == EW_OK) status = take_rests(r, root);
    return status == EW_OK ? take_signatures(r, root) : status;
}

enum ew_status ew_run_file_open(const char *path, struct ew_run_file **out, struct ew_error *err) {
    struct stat st;
    json_error_t where;
    if (stat(path, &st) != 0)
        return ew_error_errno(err, errno == ENOENT ? EW_ERR_NOT_FOUND : EW_ERR_IO, errno, "%s: cannot read", path);
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: is no file, or larger than 256 MiB", path);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (!root) return ew_error_set(err, EW_ERR_FORMAT, "%s:%d: %s", path, where.line, where.text);
    struct ew_run_file *file = calloc(1, sizeof *file);
    struct reading r = {.path = path, .file = file, .err = err};
    enum ew_status status = file ? take_all(&r, root) : ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    json_decref(root);
    if (status != EW_OK)
        ew_run_file_close(&file);
    else
        *out = file;
    return status;
}

void ew_run_file_close(struct ew_run_file **file) {
    if (!file || !*file) return;
    free((*file)->windows);
    free(*file);
    *file = NULL;
}
