/* Owns the choice of a reader for a file, and the walk over a folder of tables. */
#include "quality/task_read.h"

#include "base/error.h"
#include "base/file_map.h"
#include "base/text_parts.h"
#include "quality/task_reading.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

struct text_form {
    const char *name;
    enum ew_status (*read)(struct ew_task_reading *r);
};
static const struct text_form text_forms[] = {{"hellaswag_text", ew_task_read_hellaswag_text},
                                              {"truthfulqa", ew_task_read_truthfulqa},
                                              {"mmlu", ew_task_read_mmlu}};
enum { N_TEXT_FORMS = sizeof text_forms / sizeof *text_forms };

const char *ew_task_format_names(void) {
    static char names[400];
    if (names[0]) return names;
    for (size_t i = 0; i < ew_task_json_form_count; i++)
        if (i == 0 || strcmp(ew_task_json_forms[i].name, ew_task_json_forms[i - 1].name) != 0)
            ew_text_add_part(names, sizeof names, ", ", "%s", ew_task_json_forms[i].name);
    for (size_t i = 0; i < N_TEXT_FORMS; i++) ew_text_add_part(names, sizeof names, ", ", "%s", text_forms[i].name);
    return names;
}

/* ---- lines of JSON ---- */

static enum ew_status parse_line(const struct ew_task_reading *r, const char *line, size_t n, json_t **out) {
    json_error_t where = {0};
    json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, &where);
    if (object && json_is_object(object)) {
        *out = object;
        return EW_OK;
    }
    bool parsed = object != NULL;
    json_decref(object);
    if (parsed) return ew_task_refuse(r, "must be a JSON object, as every line of a task");
    return ew_task_refuse(r, "column %d: %s", where.column, where.text);
}

static const struct ew_task_json_form *recognise(const json_t *object) {
    for (size_t i = 0; i < ew_task_json_form_count; i++) {
        const struct ew_task_json_form *form = &ew_task_json_forms[i];
        bool fits = true;
        for (int k = 0; k < 4 && form->keys[k] && fits; k++) fits = json_object_get(object, form->keys[k]) != NULL;
        if (fits) return form;
    }
    return NULL;
}

static bool is_blank(const char *line, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t') return false;
    return true;
}

/* form: NULL = recognised by the first object. */
static enum ew_status read_json_lines(struct ew_task_reading *r, const struct ew_task_json_form *form) {
    const char *line;
    size_t n, at = 0;
    enum ew_status status = EW_OK;
    bool first = true;
    while (status == EW_OK && ew_task_next_line(r, &at, &line, &n)) {
        json_t *object = NULL;
        if (is_blank(line, n)) continue;
        status = parse_line(r, line, n, &object);
        if (status != EW_OK) break;
        if (!form && !(form = recognise(object)))
            status = ew_task_refuse(r, "no known form of a task has these members; --format names one of %s",
                                    ew_task_format_names());
        if (status == EW_OK && first) r->set->rules = form->rules;
        if (status == EW_OK) status = form->read(r, object);
        json_decref(object);
        first = false;
    }
    return status;
}

/* ---- one file ---- */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), tail = strlen(end);
    return n >= tail && strcmp(text + n - tail, end) == 0;
}

static enum ew_status read_by_look(struct ew_task_reading *r) {
    size_t at = 0;
    while (at < r->n_bytes && strchr(" \t\r\n", r->text[at])) at++;
    if (at < r->n_bytes && r->text[at] == '{') return read_json_lines(r, NULL);
    if (ends_with(r->file, ".csv")) {
        const char *end = memchr(r->text, '\n', r->n_bytes);
        size_t head = end ? (size_t)(end - r->text) : r->n_bytes;
        return memmem(r->text, head, "Best Answer", 11) ? ew_task_read_truthfulqa(r) : ew_task_read_mmlu(r);
    }
    if (ew_task_is_hellaswag_text(r->text, r->n_bytes)) return ew_task_read_hellaswag_text(r);
    return ew_error_set(r->err, EW_ERR_FORMAT, "%s: is in no known form of a task; --format names one of %s", r->file,
                        ew_task_format_names());
}

static enum ew_status read_named(struct ew_task_reading *r, const char *format) {
    for (size_t i = 0; i < ew_task_json_form_count; i++)
        if (strcmp(ew_task_json_forms[i].name, format) == 0) return read_json_lines(r, &ew_task_json_forms[i]);
    for (size_t i = 0; i < N_TEXT_FORMS; i++)
        if (strcmp(text_forms[i].name, format) == 0) return text_forms[i].read(r);
    return ew_error_set(r->err, EW_ERR_ARGUMENT, "--format: `%.40s` is not one of %s", format, ew_task_format_names());
}

static enum ew_status read_file(struct ew_task_set *set, const char *path, const char *format, struct ew_error *err) {
    struct ew_file_map map = {0};
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    const char *text = map.size > 0 ? (const char *)map.data : "";
    struct ew_task_reading r = {
        .set = set, .file = path, .text = text, .n_bytes = map.size, .file_index = (uint32_t)set->n_files, .err = err};
    static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark belongs to no item */
    if (map.size >= 3 && memcmp(text, mark, 3) == 0) r.text += 3, r.n_bytes -= 3;
    size_t before = set->n_items;
    set->data_hash = XXH3_64bits_withSeed(text, map.size, set->data_hash);
    if (!ew_task_set_add_file(set, path)) status = ew_task_no_memory(&r);
    if (status == EW_OK) status = format ? read_named(&r, format) : read_by_look(&r);
    if (status == EW_OK && set->n_items == before) status = ew_error_set(err, EW_ERR_FORMAT, "%s: has no items", path);
    ew_file_map_close(&map);
    return status;
}

/* ---- a folder ---- */

static int is_table(const struct dirent *entry) { return ends_with(entry->d_name, ".csv"); }

static enum ew_status read_folder(struct ew_task_set *set, const char *folder, struct ew_error *err) {
    struct dirent **entries = NULL;
    char path[4096];
    int n = scandir(folder, &entries, is_table, alphasort);
    enum ew_status status = EW_OK;
    if (n <= 0) status = ew_error_set(err, EW_ERR_FORMAT, "%s: has no tables (*.csv)", folder);
    for (int i = 0; i < n; i++) {
        if (status == EW_OK && snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) >= (int)sizeof path)
            status = ew_error_set(err, EW_ERR_ARGUMENT, "%s: the path is too long", folder);
        if (status == EW_OK) status = read_file(set, path, "mmlu", err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The file's name without folder and ending. */
static const char *plain_name(struct ew_task_set *set, const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    const char *slash = memrchr(path, '/', n);
    const char *base = slash && slash + 1 < path + n ? slash + 1 : path;
    n -= (size_t)(base - path);
    const char *dot = memchr(base, '.', n);
    return ew_task_set_copy(set, base, dot && dot > base ? (size_t)(dot - base) : n);
}

enum ew_status ew_task_open(const char *path, const char *format, struct ew_task_set **out, struct ew_error *err) {
    struct ew_task_set *set = ew_task_set_new();
    char test[4096];
    enum ew_status status = EW_OK;
    if (!set || !(set->name = plain_name(set, path)))
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    else if (!is_folder(path))
        status = read_file(set, path, format, err);
    else if (snprintf(test, sizeof test, "%s/test", path) < (int)sizeof test && is_folder(test))
        status = read_folder(set, test, err);
    else
        status = read_folder(set, path, err);
    if (status == EW_OK)
        *out = set;
    else
        ew_task_set_close(&set);
    return status;
}
