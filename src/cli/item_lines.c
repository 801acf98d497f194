/* Owns the file of items while it is being written. */
#include "cli/item_lines.h"

#include "base/error.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ew_item_lines {
    FILE *file;
    char *path, *temporary;
};

enum ew_status ew_item_lines_open(const char *path, struct ew_item_lines **out, struct ew_error *err) {
    struct ew_item_lines *lines = calloc(1, sizeof *lines);
    if (!lines) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    enum ew_status status = EW_OK;
    lines->path = strdup(path);
    if (!lines->path || asprintf(&lines->temporary, "%s.%ld.partial", path, (long)getpid()) < 0) {
        lines->temporary = NULL;
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    } else if (!(lines->file = fopen(lines->temporary, "wb")))
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot create", path);
    if (status == EW_OK)
        *out = lines;
    else
        ew_item_lines_abandon(&lines);
    return status;
}

enum ew_status ew_item_lines_add(struct ew_item_lines *lines, json_t *object, struct ew_error *err) {
    if (!object) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", lines->path);
    bool written = json_dumpf(object, lines->file, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    written = fputc('\n', lines->file) != EOF && written;
    json_decref(object);
    return written ? EW_OK : ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot write", lines->path);
}

void ew_item_lines_abandon(struct ew_item_lines **lines) {
    if (!lines || !*lines) return;
    if ((*lines)->file) {
        fclose((*lines)->file);
        unlink((*lines)->temporary);
    }
    free((*lines)->temporary);
    free((*lines)->path);
    free(*lines);
    *lines = NULL;
}

enum ew_status ew_item_lines_finish(struct ew_item_lines **lines, struct ew_error *err) {
    struct ew_item_lines *l = *lines;
    enum ew_status status = EW_OK;
    FILE *file = l->file;
    l->file = NULL;
    if (fclose(file) != 0 || rename(l->temporary, l->path) != 0) {
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot write", l->path);
        unlink(l->temporary);
    }
    ew_item_lines_abandon(lines);
    return status;
}
