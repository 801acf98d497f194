/* Owns the list of stored tensors and the files they lie in. What is in a file: safetensors.c, llama2c.c. */
#include "convert/checkpoint.h"

#include "base/error.h"
#include "convert/folder_json.h"
#include "convert/safetensors.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILES = 4096 };

size_t ew_stored_type_bytes(enum ew_stored_type type) {
    static const size_t bytes[] = {
        [EW_STORED_F64] = 8, [EW_STORED_F32] = 4, [EW_STORED_F16] = 2, [EW_STORED_BF16] = 2, [EW_STORED_OTHER] = 0};
    return bytes[type];
}

void ew_checkpoint_close(struct ew_checkpoint *checkpoint) {
    for (size_t i = 0; i < checkpoint->n_tensors; i++) free(checkpoint->tensors[i].name);
    for (size_t i = 0; i < checkpoint->n_files; i++) {
        ew_file_map_close(&checkpoint->files[i].map);
        free(checkpoint->files[i].path);
    }
    free(checkpoint->tensors);
    free(checkpoint->files);
    *checkpoint = (struct ew_checkpoint){0};
}

enum ew_status ew_checkpoint_add_file(struct ew_checkpoint *checkpoint, const char *path, uint32_t *index,
                                      struct ew_error *err) {
    struct ew_checkpoint_file file = {0};
    enum ew_status status = ew_file_map_open(path, &file.map, err);
    if (status != EW_OK) return status;
    struct ew_checkpoint_file *grown = realloc(checkpoint->files, (checkpoint->n_files + 1) * sizeof *grown);
    if (grown) checkpoint->files = grown;
    if (!grown || !(file.path = strdup(path))) {
        ew_file_map_close(&file.map);
        return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory to open it", path);
    }
    *index = (uint32_t)checkpoint->n_files;
    checkpoint->files[checkpoint->n_files++] = file;
    return EW_OK;
}

struct ew_stored_tensor *ew_checkpoint_add_tensor(struct ew_checkpoint *checkpoint, const char *name, size_t n) {
    if (checkpoint->n_tensors == checkpoint->capacity) {
        size_t capacity = checkpoint->capacity ? checkpoint->capacity * 2 : 64;
        struct ew_stored_tensor *grown = realloc(checkpoint->tensors, capacity * sizeof *grown);
        if (!grown) return NULL;
        checkpoint->tensors = grown;
        checkpoint->capacity = capacity;
    }
    struct ew_stored_tensor *tensor = &checkpoint->tensors[checkpoint->n_tensors];
    *tensor = (struct ew_stored_tensor){.name = strndup(name, n)};
    if (!tensor->name) return NULL;
    checkpoint->n_tensors++;
    return tensor;
}

static int by_name(const void *a, const void *b) {
    const struct ew_stored_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

enum ew_status ew_checkpoint_sort(struct ew_checkpoint *checkpoint, const char *source, struct ew_error *err) {
    if (checkpoint->n_tensors > 0)
        qsort(checkpoint->tensors, checkpoint->n_tensors, sizeof *checkpoint->tensors, by_name);
    for (size_t i = 1; i < checkpoint->n_tensors; i++)
        if (by_name(&checkpoint->tensors[i - 1], &checkpoint->tensors[i]) == 0)
            return ew_error_set(err, EW_ERR_FORMAT, "%s: tensor %.100s: is there twice", source,
                                checkpoint->tensors[i].name);
    return EW_OK;
}

struct ew_stored_tensor *ew_checkpoint_find(const struct ew_checkpoint *checkpoint, const char *name) {
    const struct ew_stored_tensor key = {.name = (char *)(uintptr_t)name};
    if (checkpoint->n_tensors == 0) return NULL;
    return bsearch(&key, checkpoint->tensors, checkpoint->n_tensors, sizeof key, by_name);
}

/* ---- folders ---- */

static enum ew_status add_safetensors(struct ew_checkpoint *checkpoint, const char *folder, const char *file,
                                      struct ew_error *err) {
    uint32_t index;
    char *path = ew_folder_path(folder, file);
    if (!path) return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its name", file);
    enum ew_status status = ew_checkpoint_add_file(checkpoint, path, &index, err);
    if (status == EW_OK) {
        const struct ew_file_map *map = &checkpoint->files[index].map;
        status = ew_safetensors_read(path, map->data, map->size, index, checkpoint, err);
    }
    free(path);
    return status;
}

static bool has_file(const struct ew_checkpoint *checkpoint, const char *file) {
    for (size_t i = 0; i < checkpoint->n_files; i++) {
        const char *name = strrchr(checkpoint->files[i].path, '/');
        if (name && strcmp(name + 1, file) == 0) return true;
    }
    return false;
}

/* The index names the file of every tensor: each file is opened once, and each tensor must be where it is said to be.
 */
static enum ew_status open_index(const char *folder, const json_t *index, struct ew_checkpoint *out,
                                 struct ew_error *err) {
    const json_t *map = json_object_get(index, "weight_map");
    const char *tensor;
    json_t *value;
    if (!json_is_object(map) || json_object_size(map) == 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s/model.safetensors.index.json: weight_map is missing or empty",
                            folder);
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
        const char *file = json_string_value(value);
        if (!file || !*file || strchr(file, '/') || strcmp(file, "..") == 0)
            return ew_error_set(err, EW_ERR_FORMAT,
                                "%s/model.safetensors.index.json: %.100s: its file is no plain name in that folder",
                                folder, tensor);
        if (has_file(out, file)) continue;
        if (out->n_files == MAX_FILES)
            return ew_error_set(err, EW_ERR_LIMIT, "%s: more than %d files of weights", folder, MAX_FILES);
        enum ew_status status = add_safetensors(out, folder, file, err);
        if (status != EW_OK) return status;
    }
    enum ew_status status = ew_checkpoint_sort(out, folder, err);
    if (status != EW_OK) return status;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
        const struct ew_stored_tensor *found = ew_checkpoint_find(out, tensor);
        if (!found || strcmp(strrchr(out->files[found->file].path, '/') + 1, json_string_value(value)) != 0)
            return ew_error_set(err, EW_ERR_FORMAT, "%s/%s: tensor %.100s: is not there, but the index says so", folder,
                                json_string_value(value), tensor);
    }
    return EW_OK;
}

static enum ew_status fail_no_weights(const char *folder, struct ew_error *err) {
    static const char *const other[] = {"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth",
                                        "consolidated.safetensors", "tf_model.h5"};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        char *path = ew_folder_path(folder, other[i]);
        bool there = path && access(path, F_OK) == 0;
        free(path);
        if (there)
            return ew_error_set(err, EW_ERR_UNSUPPORTED,
                                "%s: has %s, which is not read (model.safetensors or model.safetensors.index.json is)",
                                folder, other[i]);
    }
    return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: has neither model.safetensors nor model.safetensors.index.json",
                        folder);
}

enum ew_status ew_checkpoint_open_folder(const char *folder, struct ew_checkpoint *out, struct ew_error *err) {
    struct ew_checkpoint made = {0};
    json_t *index = NULL;
    enum ew_status status = ew_folder_json_load(folder, "model.safetensors.index.json", true, &index, err);
    if (status == EW_OK && index) {
        status = open_index(folder, index, &made, err);
    } else if (status == EW_OK) {
        status = add_safetensors(&made, folder, "model.safetensors", err);
        if (status == EW_ERR_NOT_FOUND) status = fail_no_weights(folder, err);
        if (status == EW_OK) status = ew_checkpoint_sort(&made, folder, err);
    }
    json_decref(index);
    if (status == EW_OK)
        *out = made;
    else
        ew_checkpoint_close(&made);
    return status;
}
