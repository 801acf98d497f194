/* Owns the table of a safetensors file. Which files there are: checkpoint.c. */
#include "convert/safetensors.h"

#include "base/bytes.h"
#include "base/error.h"
#include "convert/folder_json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TABLE_BYTES = 100000000, MAX_TENSORS = 1 << 20 }; /* the format's own limit on the table */

static const struct {
    const char *name;
    enum ew_stored_type type;
    uint32_t bits;
} types[] = {
    {"F64", EW_STORED_F64, 64},      {"F32", EW_STORED_F32, 32},      {"F16", EW_STORED_F16, 16},
    {"BF16", EW_STORED_BF16, 16},    {"I64", EW_STORED_OTHER, 64},    {"U64", EW_STORED_OTHER, 64},
    {"I32", EW_STORED_OTHER, 32},    {"U32", EW_STORED_OTHER, 32},    {"I16", EW_STORED_OTHER, 16},
    {"U16", EW_STORED_OTHER, 16},    {"I8", EW_STORED_OTHER, 8},      {"U8", EW_STORED_OTHER, 8},
    {"BOOL", EW_STORED_OTHER, 8},    {"F8_E4M3", EW_STORED_OTHER, 8}, {"F8_E5M2", EW_STORED_OTHER, 8},
    {"F8_E8M0", EW_STORED_OTHER, 8}, {"C64", EW_STORED_OTHER, 64},
};

struct range {
    uint64_t begin, end;
    const char *name;
};

struct table {
    const char *file;
    const uint8_t *data; /* after the table */
    size_t size;
    uint32_t index;
    struct ew_checkpoint *checkpoint;
    struct range *ranges;
    size_t n_ranges;
    struct ew_error *err;
};

/* Names come from the file: long ones are cut in messages. */
#define SHOWN "%s: tensor %.100s: "

static enum ew_status read_type(const struct table *t, const char *name, const json_t *entry,
                                struct ew_stored_tensor *out, uint32_t *bits) {
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    if (!type) return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "dtype is missing or no text", t->file, name);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, type) != 0) continue;
        out->type = types[i].type;
        *bits = types[i].bits;
        snprintf(out->type_name, sizeof out->type_name, "%s", type);
        return EW_OK;
    }
    return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "dtype `%.20s` is not known", t->file, name, type);
}

/* The shape, without the dimensions of 1 where there are more than 4; *elements is its product. */
static enum ew_status read_shape(const struct table *t, const char *name, const json_t *entry,
                                 struct ew_stored_tensor *out, size_t *elements) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "shape is missing or no list", t->file, name);
    size_t n = json_array_size(shape), total = 1;
    for (size_t i = 0; i < EW_STORED_MAX_DIMS; i++) out->shape[i] = 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t extent;
        if (!ew_folder_json_whole(json_array_get(shape, i), 0, 0x1p53, &extent))
            return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "shape[%zu] is not a whole number", t->file, name, i);
        if (!ew_mul_size(total, (size_t)extent, &total))
            return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "its shape is larger than any file", t->file, name);
        if (n > EW_STORED_MAX_DIMS && extent == 1) continue;
        if (out->n_dims == EW_STORED_MAX_DIMS)
            return ew_error_set(t->err, EW_ERR_LIMIT, SHOWN "%zu dimensions (up to %d are read)", t->file, name, n,
                                EW_STORED_MAX_DIMS);
        out->shape[out->n_dims++] = extent;
    }
    *elements = total;
    return EW_OK;
}

static enum ew_status read_range(const struct table *t, const char *name, const json_t *entry, struct range *out) {
    const json_t *range = json_object_get(entry, "data_offsets");
    if (json_array_size(range) != 2 || !ew_folder_json_whole(json_array_get(range, 0), 0, 0x1p53, &out->begin) ||
        !ew_folder_json_whole(json_array_get(range, 1), 0, 0x1p53, &out->end))
        return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "data_offsets are not two whole numbers", t->file, name);
    if (out->begin > out->end || out->end > t->size)
        return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "bytes %llu to %llu, but the file has %zu of data", t->file,
                            name, (unsigned long long)out->begin, (unsigned long long)out->end, t->size);
    out->name = name;
    return EW_OK;
}

static enum ew_status read_tensor(struct table *t, const char *name, const json_t *entry) {
    struct ew_stored_tensor tensor = {.file = t->index};
    struct range *range = &t->ranges[t->n_ranges];
    uint32_t bits = 0;
    size_t elements = 0, bytes = 0;
    enum ew_status status = read_type(t, name, entry, &tensor, &bits);
    if (status == EW_OK) status = read_shape(t, name, entry, &tensor, &elements);
    if (status == EW_OK) status = read_range(t, name, entry, range);
    if (status != EW_OK) return status;
    if (!ew_mul_size(elements, bits / 8, &bytes) || bytes != range->end - range->begin)
        return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "%zu elements of %s do not take %llu bytes", t->file, name,
                            elements, tensor.type_name, (unsigned long long)(range->end - range->begin));
    tensor.data = t->data + range->begin;
    tensor.size_bytes = bytes;
    t->n_ranges++;
    struct ew_stored_tensor *added = ew_checkpoint_add_tensor(t->checkpoint, name, strlen(name));
    if (!added) return ew_error_set(t->err, EW_ERR_MEMORY, "%s: no memory for its table", t->file);
    tensor.name = added->name;
    *added = tensor;
    return EW_OK;
}

static int by_begin(const void *a, const void *b) {
    const struct range *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* The format allows no holes and no sharing, so that every byte of a file is somebody's. */
static enum ew_status check_ranges(struct table *t) {
    uint64_t at = 0;
    if (t->n_ranges > 0) qsort(t->ranges, t->n_ranges, sizeof *t->ranges, by_begin);
    for (size_t i = 0; i < t->n_ranges; i++) {
        if (t->ranges[i].begin != at)
            return ew_error_set(t->err, EW_ERR_FORMAT, SHOWN "begins at byte %llu, where %llu was to be expected",
                                t->file, t->ranges[i].name, (unsigned long long)t->ranges[i].begin,
                                (unsigned long long)at);
        at = t->ranges[i].end;
    }
    if (at == t->size) return EW_OK;
    return ew_error_set(t->err, EW_ERR_FORMAT, "%s: %zu bytes of data, but the tensors end at %llu", t->file, t->size,
                        (unsigned long long)at);
}

static enum ew_status read_table(struct table *t, json_t *root) {
    const char *name;
    json_t *entry;
    if (json_object_size(root) > MAX_TENSORS)
        return ew_error_set(t->err, EW_ERR_LIMIT, "%s: %zu tensors (at most %d are read)", t->file,
                            json_object_size(root), MAX_TENSORS);
    t->ranges = calloc(json_object_size(root) + 1, sizeof *t->ranges);
    if (!t->ranges) return ew_error_set(t->err, EW_ERR_MEMORY, "%s: no memory for its table", t->file);
    json_object_foreach(root, name, entry) {
        if (strcmp(name, "__metadata__") == 0) continue;
        enum ew_status status = read_tensor(t, name, entry);
        if (status != EW_OK) return status;
    }
    return check_ranges(t);
}

enum ew_status ew_safetensors_read(const char *name, const uint8_t *data, size_t size, uint32_t file,
                                   struct ew_checkpoint *checkpoint, struct ew_error *err) {
    struct ew_bytes bytes = {.data = data, .size = size};
    uint64_t table_bytes;
    if (!ew_bytes_u64(&bytes, &table_bytes))
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %zu bytes are no safetensors file", name, size);
    if (table_bytes > MAX_TABLE_BYTES)
        return ew_error_set(err, EW_ERR_LIMIT, "%s: a table of %llu bytes (at most %d are allowed)", name,
                            (unsigned long long)table_bytes, MAX_TABLE_BYTES);
    const uint8_t *text = ew_bytes_take(&bytes, (size_t)table_bytes);
    if (!text)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: ends inside its table of %llu bytes", name,
                            (unsigned long long)table_bytes);
    json_t *root = NULL;
    enum ew_status status = ew_folder_json_parse(name, text, (size_t)table_bytes, &root, err);
    if (status != EW_OK) return status;
    struct table table = {.file = name,
                          .data = data + bytes.pos,
                          .size = size - bytes.pos,
                          .index = file,
                          .checkpoint = checkpoint,
                          .err = err};
    status = read_table(&table, root);
    free(table.ranges);
    json_decref(root);
    return status;
}
