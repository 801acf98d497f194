/* Owns the parsing of GGUF files. Refuses whatever does not follow the specification, and never allocates by a count
 * that the file could not hold: arrays are sized from counts that were checked against the bytes left.
 * Values are read through gguf_value.c. */
#include "gguf/gguf_read.h"

#include "base/bytes.h"
#include "base/error.h"
#include "gguf/gguf_file.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits of ours, far above any known model: parsing stays below 4 bytes of memory per byte of file, and 100 MiB. */
enum { MAX_KV = 1 << 16, MAX_TENSORS = 1 << 20, MAX_KEY_BYTES = 65535, MAX_NAME_BYTES = 64 };
/* Least bytes of an entry: key length + 1 letter + type + value; name length + 1 letter + dims + one dim + type +
 * offset. */
enum { MIN_KV_BYTES = 14, MIN_TENSOR_BYTES = 33 };
enum { DEFAULT_ALIGNMENT = 32, MAX_ALIGNMENT = 1 << 20 };
enum { NAME_BUF = 160 };

struct parser {
    struct ew_gguf *gguf;
    size_t n_kv_read, n_tensors_read; /* complete entries */
    struct ew_bytes bytes;
    struct ew_error *err;
};

__attribute__((format(printf, 3, 4))) static enum ew_status fail(struct parser *p, enum ew_status status,
                                                                 const char *format, ...) {
    char text[EW_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ew_error_set(p->err, status, "%s: %s", p->gguf->name, text);
}

static enum ew_status fail_cut(struct parser *p, const char *what) {
    return fail(p, EW_ERR_FORMAT, "%s ends beyond the file (byte %zu of %zu): the file is cut or damaged", what,
                p->bytes.pos, p->bytes.size);
}

static bool take_string(struct parser *p, struct ew_gguf_string *out) {
    uint64_t size;
    if (!ew_bytes_u64(&p->bytes, &size) || size > p->bytes.size - p->bytes.pos) return false;
    *out = (struct ew_gguf_string){.data = (const char *)p->bytes.data + p->bytes.pos, .size = (size_t)size};
    p->bytes.pos += (size_t)size;
    return true;
}

/* ---- header ---- */

static enum ew_status parse_magic(struct parser *p) {
    struct ew_gguf *gguf = p->gguf;
    if (p->bytes.size == 0) return fail(p, EW_ERR_FORMAT, "is empty");
    const uint8_t *magic = ew_bytes_take(&p->bytes, 4);
    if (!magic || memcmp(magic, "GGUF", 4) != 0)
        return fail(p, EW_ERR_FORMAT, "is not a GGUF file (no GGUF at its start)");
    if (!ew_bytes_u32(&p->bytes, &gguf->version)) return fail_cut(p, "the header");
    if (gguf->version != 0 && (gguf->version & 0xffff) == 0)
        return fail(p, EW_ERR_UNSUPPORTED, "is a big-endian GGUF file; little-endian ones are read");
    if (gguf->version != 2 && gguf->version != 3)
        return fail(p, EW_ERR_UNSUPPORTED, "GGUF version %" PRIu32 " is not known (2 and 3 are)", gguf->version);
    return EW_OK;
}

/* Checks one of the two counts against the bytes left and our limit. */
static enum ew_status check_count(struct parser *p, const char *what, uint64_t n, size_t min_bytes, size_t limit) {
    size_t left = p->bytes.size - p->bytes.pos;
    if (n > left / min_bytes)
        return fail(p, EW_ERR_FORMAT,
                    "%" PRIu64 " %s cannot be in the %zu bytes that follow (%zu could): "
                    "the file is cut or damaged",
                    n, what, left, left / min_bytes);
    if (n > limit)
        return fail(p, EW_ERR_UNSUPPORTED, "%" PRIu64 " %s are more than the %zu that are read", n, what, limit);
    return EW_OK;
}

/* ---- metadata ---- */

static enum ew_status fail_key(struct parser *p, const struct ew_gguf_kv *kv, enum ew_status status, const char *text) {
    char key[NAME_BUF];
    return fail(p, status, "key %s: %s", ew_gguf_print_string(kv->key, key, sizeof key), text);
}

static enum ew_status parse_key(struct parser *p, struct ew_gguf_kv *kv, size_t index) {
    char what[64];
    snprintf(what, sizeof what, "metadata key %zu of %zu", index + 1, p->gguf->n_kv);
    if (!take_string(p, &kv->key)) return fail_cut(p, what);
    if (kv->key.size == 0) return fail(p, EW_ERR_FORMAT, "%s is empty", what);
    if (kv->key.size > MAX_KEY_BYTES)
        return fail(p, EW_ERR_FORMAT, "%s has %zu bytes (at most %d are allowed)", what, kv->key.size, MAX_KEY_BYTES);
    if (memchr(kv->key.data, 0, kv->key.size)) return fail_key(p, kv, EW_ERR_FORMAT, "contains a zero byte");
    return EW_OK;
}

static enum ew_status parse_value_type(struct parser *p, const struct ew_gguf_kv *kv, enum ew_gguf_value_type *out) {
    uint32_t type;
    if (!ew_bytes_u32(&p->bytes, &type)) return fail_key(p, kv, EW_ERR_FORMAT, "its type lies beyond the file");
    if (type > EW_GGUF_F64) {
        char text[64];
        snprintf(text, sizeof text, "value type %" PRIu32 " is not known (0–12 are)", type);
        return fail_key(p, kv, EW_ERR_FORMAT, text);
    }
    *out = (enum ew_gguf_value_type)type;
    return EW_OK;
}

/* Moves past n values of a type and checks what can be wrong inside them. */
static enum ew_status parse_values(struct parser *p, struct ew_gguf_kv *kv, enum ew_gguf_value_type type) {
    static const char cut[] = "its value ends beyond the file: the file is cut or damaged";
    size_t begin = p->bytes.pos;
    kv->data = p->bytes.data + begin;
    if (type == EW_GGUF_STRING) {
        struct ew_gguf_string ignored;
        for (uint64_t i = 0; i < kv->n; i++)
            if (!take_string(p, &ignored)) return fail_key(p, kv, EW_ERR_FORMAT, cut);
        kv->size_bytes = p->bytes.pos - begin;
        return EW_OK;
    }
    if (kv->n > SIZE_MAX || !ew_mul_size((size_t)kv->n, ew_gguf_value_bytes(type), &kv->size_bytes) ||
        !ew_bytes_take(&p->bytes, kv->size_bytes))
        return fail_key(p, kv, EW_ERR_FORMAT, cut);
    if (type == EW_GGUF_BOOL)
        for (size_t i = 0; i < kv->size_bytes; i++)
            if (kv->data[i] > 1) return fail_key(p, kv, EW_ERR_FORMAT, "a truth value is neither 0 nor 1");
    return EW_OK;
}

static enum ew_status parse_kv(struct parser *p, struct ew_gguf_kv *kv, size_t index) {
    enum ew_status status = parse_key(p, kv, index);
    if (status != EW_OK) return status;
    if ((status = parse_value_type(p, kv, &kv->type)) != EW_OK) return status;
    kv->n = 1;
    kv->element_type = kv->type;
    if (kv->type == EW_GGUF_ARRAY) {
        if ((status = parse_value_type(p, kv, &kv->element_type)) != EW_OK) return status;
        if (kv->element_type == EW_GGUF_ARRAY)
            return fail_key(p, kv, EW_ERR_UNSUPPORTED, "is an array of arrays; those are not read");
        if (!ew_bytes_u64(&p->bytes, &kv->n)) return fail_key(p, kv, EW_ERR_FORMAT, "its length lies beyond the file");
    }
    return parse_values(p, kv, kv->element_type);
}

/* ---- tensors ---- */

static enum ew_status fail_tensor(struct parser *p, const struct ew_gguf_tensor *tensor, enum ew_status status,
                                  const char *format, ...) __attribute__((format(printf, 4, 5)));
static enum ew_status fail_tensor(struct parser *p, const struct ew_gguf_tensor *tensor, enum ew_status status,
                                  const char *format, ...) {
    char name[NAME_BUF], text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail(p, status, "tensor %s: %s", ew_gguf_print_string(tensor->name, name, sizeof name), text);
}

static enum ew_status parse_tensor_name(struct parser *p, struct ew_gguf_tensor *tensor, size_t index) {
    char what[64];
    snprintf(what, sizeof what, "the name of tensor %zu of %zu", index + 1, p->gguf->n_tensors);
    if (!take_string(p, &tensor->name)) return fail_cut(p, what);
    if (tensor->name.size == 0 || tensor->name.size > MAX_NAME_BYTES)
        return fail(p, EW_ERR_FORMAT, "%s has %zu bytes (1 to %d are allowed)", what, tensor->name.size,
                    MAX_NAME_BYTES);
    if (memchr(tensor->name.data, 0, tensor->name.size))
        return fail_tensor(p, tensor, EW_ERR_FORMAT, "the name contains a zero byte");
    return EW_OK;
}

static enum ew_status parse_tensor_shape(struct parser *p, struct ew_gguf_tensor *tensor) {
    if (!ew_bytes_u32(&p->bytes, &tensor->n_dims)) return fail_cut(p, "the tensor table");
    if (tensor->n_dims < 1 || tensor->n_dims > EW_GGUF_MAX_DIMS)
        return fail_tensor(p, tensor, EW_ERR_FORMAT, "%" PRIu32 " dimensions (1 to %d are allowed)", tensor->n_dims,
                           EW_GGUF_MAX_DIMS);
    for (uint32_t i = 0; i < EW_GGUF_MAX_DIMS; i++) {
        tensor->ne[i] = 1;
        if (i < tensor->n_dims && !ew_bytes_u64(&p->bytes, &tensor->ne[i])) return fail_cut(p, "the tensor table");
        if (tensor->ne[i] == 0) return fail_tensor(p, tensor, EW_ERR_FORMAT, "dimension %" PRIu32 " is 0", i + 1);
    }
    return EW_OK;
}

static enum ew_status check_tensor_type(struct parser *p, struct ew_gguf_tensor *tensor) {
    const struct ew_type_traits *traits = ew_type_traits(tensor->type);
    if (!traits && tensor->type < EW_TYPE_ID_END)
        return fail_tensor(p, tensor, EW_ERR_UNSUPPORTED, "type %" PRIu32 " has been retired from GGUF", tensor->type);
    if (!traits)
        return fail_tensor(p, tensor, EW_ERR_UNSUPPORTED, "type %" PRIu32 " is not known (0–%d are)", tensor->type,
                           EW_TYPE_ID_END - 1);
    if (tensor->ne[0] % traits->block_elems != 0)
        return fail_tensor(p, tensor, EW_ERR_FORMAT, "row length %" PRIu64 " is not a multiple of %" PRIu32 " (%s)",
                           tensor->ne[0], traits->block_elems, traits->name);
    size_t bytes = tensor->ne[0] > SIZE_MAX ? 0 : ew_type_row_bytes(tensor->type, (size_t)tensor->ne[0]);
    bool fits = bytes > 0;
    for (uint32_t i = 1; fits && i < EW_GGUF_MAX_DIMS; i++)
        fits = tensor->ne[i] <= SIZE_MAX && ew_mul_size(bytes, (size_t)tensor->ne[i], &bytes);
    if (!fits)
        return fail_tensor(p, tensor, EW_ERR_FORMAT,
                           "%" PRIu64 " × %" PRIu64 " × %" PRIu64 " × %" PRIu64 " is larger than any file",
                           tensor->ne[0], tensor->ne[1], tensor->ne[2], tensor->ne[3]);
    tensor->size_bytes = bytes;
    return EW_OK;
}

static enum ew_status parse_tensor(struct parser *p, struct ew_gguf_tensor *tensor, size_t index) {
    enum ew_status status = parse_tensor_name(p, tensor, index);
    if (status != EW_OK) return status;
    if ((status = parse_tensor_shape(p, tensor)) != EW_OK) return status;
    if (!ew_bytes_u32(&p->bytes, &tensor->type) || !ew_bytes_u64(&p->bytes, &tensor->offset))
        return fail_cut(p, "the tensor table");
    p->n_tensors_read++;
    return EW_OK;
}

/* Turns offsets from the start of the data into offsets from the start of the file. */
static enum ew_status place_tensor(struct parser *p, struct ew_gguf_tensor *tensor) {
    size_t data_size = p->bytes.size - p->gguf->header_bytes;
    if (tensor->offset % p->gguf->alignment != 0)
        return fail_tensor(p, tensor, EW_ERR_FORMAT, "offset %" PRIu64 " is not a multiple of the alignment, %" PRIu32,
                           tensor->offset, p->gguf->alignment);
    if (tensor->offset > data_size || tensor->size_bytes > data_size - tensor->offset)
        return fail_tensor(p, tensor, EW_ERR_FORMAT,
                           "%zu bytes at offset %" PRIu64 " end beyond the file, whose data has %zu bytes: "
                           "the file is cut or damaged",
                           tensor->size_bytes, tensor->offset, data_size);
    tensor->offset += p->gguf->header_bytes;
    tensor->data = p->bytes.data + tensor->offset;
    return EW_OK;
}

/* ---- order, duplicates, overlaps ---- */

static int compare_kv(const void *a, const void *b) {
    return ew_gguf_compare((*(const struct ew_gguf_kv *const *)a)->key, (*(const struct ew_gguf_kv *const *)b)->key);
}

static int compare_tensor_name(const void *a, const void *b) {
    return ew_gguf_compare((*(const struct ew_gguf_tensor *const *)a)->name,
                           (*(const struct ew_gguf_tensor *const *)b)->name);
}

static int compare_tensor_offset(const void *a, const void *b) {
    const struct ew_gguf_tensor *x = *(const struct ew_gguf_tensor *const *)a;
    const struct ew_gguf_tensor *y = *(const struct ew_gguf_tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum ew_status index_kv(struct parser *p) {
    struct ew_gguf *gguf = p->gguf;
    for (size_t i = 0; i < gguf->n_kv; i++) gguf->kv_by_key[i] = &gguf->kv[i];
    if (gguf->n_kv > 1) qsort(gguf->kv_by_key, gguf->n_kv, sizeof *gguf->kv_by_key, compare_kv);
    for (size_t i = 1; i < gguf->n_kv; i++)
        if (compare_kv(&gguf->kv_by_key[i - 1], &gguf->kv_by_key[i]) == 0)
            return fail_key(p, gguf->kv_by_key[i], EW_ERR_FORMAT, "appears twice");
    gguf->n_kv_sorted = gguf->n_kv;
    return EW_OK;
}

static enum ew_status index_tensors(struct parser *p) {
    struct ew_gguf *gguf = p->gguf;
    struct ew_gguf_tensor **sorted = gguf->tensor_by_name;
    size_t n = gguf->n_tensors;
    if (n == 0) return EW_OK;
    for (size_t i = 0; i < n; i++) sorted[i] = &gguf->tensors[i];
    qsort(sorted, n, sizeof *sorted, compare_tensor_offset);
    for (size_t i = 1; i < n; i++) {
        char name[NAME_BUF];
        if (sorted[i]->offset - sorted[i - 1]->offset < sorted[i - 1]->size_bytes)
            return fail_tensor(p, sorted[i], EW_ERR_FORMAT, "its data overlaps that of %s",
                               ew_gguf_print_string(sorted[i - 1]->name, name, sizeof name));
    }
    qsort(sorted, n, sizeof *sorted, compare_tensor_name);
    for (size_t i = 1; i < n; i++)
        if (compare_tensor_name(&sorted[i - 1], &sorted[i]) == 0)
            return fail_tensor(p, sorted[i], EW_ERR_FORMAT, "appears twice");
    gguf->n_tensors_sorted = n;
    return EW_OK;
}

/* ---- the whole ---- */

static enum ew_status read_alignment(struct parser *p) {
    static const char key[] = "general.alignment";
    uint64_t alignment = DEFAULT_ALIGNMENT;
    enum ew_status status = ew_gguf_get_u64(p->gguf, key, &alignment, p->err);
    if (status != EW_OK && status != EW_ERR_NOT_FOUND) return status;
    if (alignment < 8 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
        return fail(p, EW_ERR_FORMAT, "key %s: %" PRIu64 " is not a power of two from 8 to %d", key, alignment,
                    MAX_ALIGNMENT);
    p->gguf->alignment = (uint32_t)alignment;
    return EW_OK;
}

static enum ew_status parse_metadata(struct parser *p) {
    struct ew_gguf *gguf = p->gguf;
    enum ew_status status;
    for (; p->n_kv_read < gguf->n_kv; p->n_kv_read++)
        if ((status = parse_kv(p, &gguf->kv[p->n_kv_read], p->n_kv_read)) != EW_OK) return status;
    if ((status = index_kv(p)) != EW_OK) return status;
    return read_alignment(p);
}

static enum ew_status parse_tensors(struct parser *p) {
    struct ew_gguf *gguf = p->gguf;
    enum ew_status status;
    for (size_t i = 0; i < gguf->n_tensors; i++)
        if ((status = parse_tensor(p, &gguf->tensors[i], i)) != EW_OK) return status;
    for (size_t i = 0; i < gguf->n_tensors; i++)
        if ((status = check_tensor_type(p, &gguf->tensors[i])) != EW_OK) return status;
    size_t end;
    if (!ew_align_size(p->bytes.pos, gguf->alignment, &end)) return fail_cut(p, "the header");
    /* A file without tensors may end before the padding. */
    gguf->header_bytes = end < p->bytes.size ? end : p->bytes.size;
    for (size_t i = 0; i < gguf->n_tensors; i++)
        if ((status = place_tensor(p, &gguf->tensors[i])) != EW_OK) return status;
    return index_tensors(p);
}

static void *zeroed_array(size_t n, size_t size) { return calloc(n > 0 ? n : 1, size); }

static enum ew_status parse(struct parser *p) {
    struct ew_gguf *gguf = p->gguf;
    uint64_t n_tensors, n_kv;
    enum ew_status status = parse_magic(p);
    if (status != EW_OK) return status;
    if (!ew_bytes_u64(&p->bytes, &n_tensors) || !ew_bytes_u64(&p->bytes, &n_kv)) return fail_cut(p, "the header");
    if ((status = check_count(p, "metadata pairs", n_kv, MIN_KV_BYTES, MAX_KV)) != EW_OK) return status;
    if ((status = check_count(p, "tensors", n_tensors, MIN_TENSOR_BYTES, MAX_TENSORS)) != EW_OK) return status;
    gguf->n_kv = (size_t)n_kv;
    gguf->n_tensors = (size_t)n_tensors;
    gguf->kv = zeroed_array(gguf->n_kv, sizeof *gguf->kv);
    gguf->kv_by_key = zeroed_array(gguf->n_kv, sizeof *gguf->kv_by_key);
    gguf->tensors = zeroed_array(gguf->n_tensors, sizeof *gguf->tensors);
    gguf->tensor_by_name = zeroed_array(gguf->n_tensors, sizeof *gguf->tensor_by_name);
    if (!gguf->kv || !gguf->kv_by_key || !gguf->tensors || !gguf->tensor_by_name)
        return fail(p, EW_ERR_MEMORY, "no memory for a table of %zu tensors", gguf->n_tensors);
    if ((status = parse_metadata(p)) != EW_OK) return status;
    return parse_tensors(p);
}

/* Keeps what was read before the fault. */
static void truncate_to_read(const struct parser *p) {
    p->gguf->n_kv = p->n_kv_read;
    p->gguf->n_tensors = p->n_tensors_read;
    p->gguf->n_tensors_sorted = p->gguf->n_kv_sorted = 0;
    for (size_t i = 0; i < p->gguf->n_tensors; i++) {
        struct ew_gguf_tensor *tensor = &p->gguf->tensors[i];
        if (tensor->data) tensor->offset -= p->gguf->header_bytes;
        tensor->data = NULL;
    }
}

/* fault NULL: any fault is an error. Otherwise a fault after the header is described there. */
static enum ew_status open_map(const char *name, struct ew_file_map map, struct ew_error *fault, struct ew_gguf **out,
                               struct ew_error *err) {
    enum ew_status status;
    struct ew_gguf *gguf = calloc(1, sizeof *gguf);
    if (!gguf || !(gguf->name = strdup(name))) {
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: no memory to open it", name);
        goto done;
    }
    gguf->map = map;
    struct parser parser = {.gguf = gguf, .bytes = {.data = map.data, .size = map.size}, .err = fault ? fault : err};
    status = parse(&parser);
    if (status != EW_OK && status != EW_ERR_MEMORY && fault && gguf->tensor_by_name) {
        truncate_to_read(&parser);
        status = EW_OK;
    }
    if (status != EW_OK) {
        if (fault && err) *err = *fault;
        goto done;
    }
    *out = gguf;
    gguf = NULL;
done:
    ew_gguf_close(&gguf);
    return status;
}

static enum ew_status open_path(const char *path, struct ew_error *fault, struct ew_gguf **out, struct ew_error *err) {
    struct ew_file_map map;
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    if ((status = open_map(path, map, fault, out, err)) != EW_OK) {
        ew_file_map_close(&map);
        return status;
    }
    (*out)->owns_map = true;
    return EW_OK;
}

enum ew_status ew_gguf_open(const char *path, struct ew_gguf **out, struct ew_error *err) {
    return open_path(path, NULL, out, err);
}

enum ew_status ew_gguf_open_damaged(const char *path, struct ew_gguf **out, struct ew_error *fault,
                                    struct ew_error *err) {
    *fault = (struct ew_error){0};
    return open_path(path, fault, out, err);
}

enum ew_status ew_gguf_open_memory(const char *name, const void *data, size_t size, struct ew_gguf **out,
                                   struct ew_error *err) {
    return open_map(name, (struct ew_file_map){.data = data, .size = size}, NULL, out, err);
}

void ew_gguf_close(struct ew_gguf **gguf) {
    if (!gguf || !*gguf) return;
    struct ew_gguf *g = *gguf;
    if (g->owns_map) ew_file_map_close(&g->map);
    free(g->tensor_by_name);
    free(g->tensors);
    free(g->kv_by_key);
    free(g->kv);
    free(g->name);
    free(g);
    *gguf = NULL;
}
