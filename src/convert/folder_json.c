/* Owns the loading of JSON files. Refuses files that are too large to be what they are called, and duplicate keys. */
#include "convert/folder_json.h"

#include "base/error.h"
#include "base/file_map.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20 };

char *ew_folder_path(const char *folder, const char *file) {
    char *path;
    return asprintf(&path, "%s/%s", folder, file) < 0 ? NULL : path;
}

enum ew_status ew_folder_json_parse(const char *name, const void *data, size_t size, json_t **out,
                                    struct ew_error *err) {
    json_error_t where = {0};
    json_t *root = size > 0 ? json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &where) : NULL;
    if (!root && size == 0) return ew_error_set(err, EW_ERR_FORMAT, "%s: is empty", name);
    if (!root && where.line < 0) return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory to read it", name);
    if (!root) return ew_error_set(err, EW_ERR_FORMAT, "%s: line %d: %s", name, where.line, where.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return ew_error_set(err, EW_ERR_FORMAT, "%s: is not a JSON object", name);
    }
    *out = root;
    return EW_OK;
}

enum ew_status ew_folder_json_load(const char *folder, const char *file, bool optional, json_t **out,
                                   struct ew_error *err) {
    struct ew_file_map map = {0};
    char *path = ew_folder_path(folder, file);
    if (!path) return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its name", file);
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status == EW_ERR_NOT_FOUND && optional) {
        *out = NULL;
        status = EW_OK;
    } else if (status == EW_OK && map.size > MAX_FILE_BYTES) {
        status = ew_error_set(err, EW_ERR_LIMIT, "%s: %zu bytes (at most %d are read)", path, map.size, MAX_FILE_BYTES);
    } else if (status == EW_OK) {
        status = ew_folder_json_parse(path, map.data, map.size, out, err);
    }
    ew_file_map_close(&map);
    free(path);
    return status;
}

const json_t *ew_folder_json_find(const json_t *object, const char *names) {
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, "|");
        const json_t *value = json_object_getn(object, at, n);
        if (value && !json_is_null(value)) return value;
        at += n + (at[n] == '|');
    }
    return NULL;
}

bool ew_folder_json_whole(const json_t *value, double low, double high, uint64_t *out) {
    double number = json_is_real(value) ? json_real_value(value) : -1;
    if (!(number >= low && number <= high) || number < 0 || number > 0x1p53 || floor(number) != number) return false;
    *out = (uint64_t)number;
    return true;
}
