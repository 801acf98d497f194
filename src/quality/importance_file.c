/* Owns the reading of both forms of importance files and the writing of one; importance_file.h describes them. Bytes
 * pass the GGUF reader or the bounds-checked cursor; what is kept afterwards is finite and not negative. */
#include "quality/importance_file.h"

#include "base/bytes.h"
#include "base/error.h"
#include "gguf/gguf_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char SUMS[] = ".in_sum2", COUNTS[] = ".counts";

/* Tokens of a call in the older form, and names longer than those of any tensor. */
enum { OLD_CALL_TOKENS = 512, MOST_NAME = 255 };

/* ---- reading GGUF ---- */

static bool ends_with(struct ew_gguf_string name, const char *end) {
    size_t n = strlen(end);
    return name.size > n && memcmp(name.data + name.size - n, end, n) == 0;
}

static enum ew_status check_values(const char *path, const char *name, const double *values, size_t n,
                                   struct ew_error *err) {
    for (size_t i = 0; i < n; i++)
        if (!(values[i] >= 0) || !isfinite(values[i]))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: tensor %s: value %zu is %g (sums and counts are 0 or more)",
                                path, name, i, values[i]);
    return EW_OK;
}

static void copy_floats(const struct ew_gguf_tensor *t, size_t n, double *out) {
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, t->data + i * sizeof value, sizeof value);
        out[i] = (double)value;
    }
}

static enum ew_status read_pair(const struct ew_gguf *gguf, const struct ew_gguf_tensor *sums, struct ew_importance *m,
                                struct ew_error *err) {
    const char *path = ew_gguf_path(gguf);
    char name[MOST_NAME + 1], twin[MOST_NAME + 1];
    int n = (int)(sums->name.size - strlen(SUMS));
    if (snprintf(twin, sizeof twin, "%.*s%s", n, sums->name.data, COUNTS) >= (int)sizeof twin)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: a tensor's name has %zu bytes (%d at most)", path, sums->name.size,
                            MOST_NAME);
    ew_gguf_print_string((struct ew_gguf_string){sums->name.data, (size_t)n}, name, sizeof name);
    const struct ew_gguf_tensor *counts = ew_gguf_find_tensor(gguf, twin);
    if (!counts) return ew_error_set(err, EW_ERR_FORMAT, "%s: tensor %s has sums, but no counts", path, name);
    if (sums->type != EW_TYPE_F32 || counts->type != EW_TYPE_F32)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: tensor %s: sums and counts are not both F32", path, name);
    uint64_t matrices = sums->ne[1] * sums->ne[2] * sums->ne[3];
    if (counts->ne[0] != 1 || counts->ne[1] * counts->ne[2] * counts->ne[3] != matrices)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: tensor %s: %llu × %llu counts for sums of %llu matrices", path,
                            name, (unsigned long long)(counts->ne[1] * counts->ne[2] * counts->ne[3]),
                            (unsigned long long)counts->ne[0], (unsigned long long)matrices);
    struct ew_importance_entry *e;
    enum ew_status status = ew_importance_add(m, sums->name.data, (size_t)n, sums->ne[0], matrices, &e, err);
    if (status != EW_OK) return ew_error_prefix(err, status, "%s", path);
    copy_floats(sums, e->n_in * e->n_matrices, e->sum_squares);
    copy_floats(counts, e->n_matrices, e->count);
    status = check_values(path, name, e->sum_squares, e->n_in * e->n_matrices, err);
    return status == EW_OK ? check_values(path, name, e->count, e->n_matrices, err) : status;
}

static uint32_t read_u32(const struct ew_gguf *gguf, const char *key) {
    uint64_t value;
    return ew_gguf_get_u64(gguf, key, &value, NULL) == EW_OK && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static enum ew_status read_datasets(const struct ew_gguf *gguf, struct ew_importance *m, struct ew_error *err) {
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(gguf, "imatrix.datasets");
    if (!kv || kv->type != EW_GGUF_ARRAY || kv->element_type != EW_GGUF_STRING) return EW_OK;
    struct ew_gguf_string dataset;
    enum ew_status status = EW_OK;
    for (const uint8_t *at = kv->data; status == EW_OK && ew_gguf_next_string(kv, &at, &dataset);)
        status = ew_importance_add_dataset(m, dataset.data, dataset.size, err);
    return status;
}

static enum ew_status read_gguf(const struct ew_gguf *gguf, struct ew_importance *m, struct ew_error *err) {
    struct ew_gguf_string type = {0};
    if (ew_gguf_get_string(gguf, "general.type", &type, NULL) != EW_OK || type.size != 7 ||
        memcmp(type.data, "imatrix", 7) != 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: is no importance matrix (general.type is not `imatrix`)",
                            ew_gguf_path(gguf));
    m->chunk_count = read_u32(gguf, "imatrix.chunk_count");
    m->chunk_size = read_u32(gguf, "imatrix.chunk_size");
    enum ew_status status = read_datasets(gguf, m, err);
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf) && status == EW_OK; i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        if (ends_with(t->name, SUMS)) status = read_pair(gguf, t, m, err);
    }
    return status;
}

/* ---- reading the older form ---- */

static enum ew_status cut_short(const char *path, size_t at, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_FORMAT, "%s: is no importance matrix, or ends too early (at byte %zu)", path, at);
}

/* A length that is stored as a signed number. */
static bool take_length(struct ew_bytes *b, uint32_t most, uint32_t *out) {
    return ew_bytes_u32(b, out) && *out <= most;
}

static enum ew_status read_old_entry(const char *path, struct ew_bytes *b, struct ew_importance *m,
                                     struct ew_error *err) {
    uint32_t n_name, n_calls, n_values;
    const char *name = NULL;
    const uint8_t *values = NULL;
    if (take_length(b, MOST_NAME, &n_name) && n_name > 0) name = (const char *)ew_bytes_take(b, n_name);
    if (name && ew_bytes_u32(b, &n_calls) && n_calls <= INT32_MAX && take_length(b, INT32_MAX, &n_values) &&
        n_values > 0)
        values = ew_bytes_take(b, (size_t)n_values * sizeof(float));
    if (!values || memchr(name, 0, n_name)) return cut_short(path, b->pos, err);
    char printed[MOST_NAME + 1];
    ew_gguf_print_string((struct ew_gguf_string){name, n_name}, printed, sizeof printed);
    if (ew_importance_find(m, name, n_name))
        return ew_error_set(err, EW_ERR_FORMAT, "%s: tensor %s comes twice", path, printed);
    struct ew_importance_entry *e;
    enum ew_status status = ew_importance_add(m, name, n_name, n_values, 1, &e, err);
    if (status != EW_OK) return ew_error_prefix(err, status, "%s", path);
    for (size_t i = 0; i < n_values; i++) {
        float value;
        memcpy(&value, values + i * sizeof value, sizeof value);
        e->sum_squares[i] = (double)value * OLD_CALL_TOKENS;
    }
    e->count[0] = (double)n_calls * OLD_CALL_TOKENS;
    return check_values(path, printed, e->sum_squares, e->n_in, err);
}

static enum ew_status read_old(const char *path, const void *data, size_t size, struct ew_importance *m,
                               struct ew_error *err) {
    struct ew_bytes b = {.data = data, .size = size};
    uint32_t n_entries, n_name;
    if (!ew_bytes_u32(&b, &n_entries) || n_entries == 0 || n_entries > INT32_MAX) return cut_short(path, b.pos, err);
    enum ew_status status = EW_OK;
    for (uint32_t i = 0; i < n_entries && status == EW_OK; i++) status = read_old_entry(path, &b, m, err);
    m->chunk_size = OLD_CALL_TOKENS;
    if (status != EW_OK || b.pos == b.size) return status;
    const char *name = NULL;
    if (ew_bytes_u32(&b, &m->chunk_count) && ew_bytes_u32(&b, &n_name)) name = (const char *)ew_bytes_take(&b, n_name);
    if (!name || b.pos != b.size) return cut_short(path, b.pos, err);
    return n_name > 0 ? ew_importance_add_dataset(m, name, n_name, err) : EW_OK;
}

enum ew_status ew_importance_read_memory(const char *name, const void *data, size_t size, struct ew_importance **out,
                                         struct ew_error *err) {
    struct ew_gguf *gguf = NULL;
    struct ew_importance *m = NULL;
    enum ew_status status = ew_importance_open(&m, err);
    if (status != EW_OK) return status;
    if (size >= 4 && memcmp(data, "GGUF", 4) == 0) {
        status = ew_gguf_open_memory(name, data, size, &gguf, err);
        if (status == EW_OK) status = read_gguf(gguf, m, err);
    } else {
        status = read_old(name, data, size, m, err);
    }
    if (status == EW_OK && m->n_entries == 0) status = ew_error_set(err, EW_ERR_FORMAT, "%s: has no entries", name);
    ew_gguf_close(&gguf);
    if (status == EW_OK)
        *out = m;
    else
        ew_importance_close(&m);
    return status;
}

enum ew_status ew_importance_read(const char *path, struct ew_importance **out, struct ew_error *err) {
    struct ew_file_map map = {0};
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status == EW_OK) status = ew_importance_read_memory(path, map.data, map.size, out, err);
    ew_file_map_close(&map);
    return status;
}

/* ---- writing ---- */

static enum ew_status add_tensors(const struct ew_importance_entry *e, struct ew_gguf_writer *w, struct ew_error *err) {
    char name[64 + 1]; /* the longest that GGUF allows */
    if (strlen(e->name) + strlen(SUMS) >= sizeof name)
        return ew_error_set(err, EW_ERR_LIMIT, "tensor %s: its name leaves no room for `%s` (%zu bytes in all)",
                            e->name, SUMS, sizeof name - 1);
    snprintf(name, sizeof name, "%s%s", e->name, SUMS);
    enum ew_status status =
        ew_gguf_writer_add_tensor(w, name, EW_TYPE_F32, 2, (uint64_t[]){e->n_in, e->n_matrices}, err);
    snprintf(name, sizeof name, "%s%s", e->name, COUNTS);
    if (status == EW_OK)
        status = ew_gguf_writer_add_tensor(w, name, EW_TYPE_F32, 2, (uint64_t[]){1, e->n_matrices}, err);
    return status;
}

static enum ew_status write_floats(struct ew_gguf_writer *w, const double *values, size_t n, struct ew_error *err) {
    enum { PIECE = 4096 };
    float piece[PIECE];
    enum ew_status status = EW_OK;
    for (size_t at = 0; at < n && status == EW_OK; at += PIECE) {
        size_t count = n - at < PIECE ? n - at : PIECE;
        for (size_t i = 0; i < count; i++) piece[i] = (float)values[at + i];
        status = ew_gguf_writer_write(w, piece, count * sizeof *piece, err);
    }
    return status;
}

static void put_metadata(const struct ew_importance *m, struct ew_gguf_writer *w) {
    ew_gguf_put_string(w, "general.type", "imatrix");
    ew_gguf_put_strings(w, "imatrix.datasets", m->n_datasets);
    for (size_t i = 0; i < m->n_datasets; i++) ew_gguf_put_element(w, m->datasets[i], strlen(m->datasets[i]));
    ew_gguf_put_u32(w, "imatrix.chunk_count", m->chunk_count);
    ew_gguf_put_u32(w, "imatrix.chunk_size", m->chunk_size);
}

static enum ew_status write_all(const struct ew_importance *m, const char *path, struct ew_gguf_writer *w,
                                struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < m->n_entries && status == EW_OK; i++) {
        const struct ew_importance_entry *e = &m->entries[i];
        status = check_values(path, e->name, e->sum_squares, e->n_in * e->n_matrices, err);
        if (status == EW_OK) status = add_tensors(e, w, err);
    }
    put_metadata(m, w);
    if (status == EW_OK) status = ew_gguf_writer_begin(w, path, err);
    for (size_t i = 0; i < m->n_entries && status == EW_OK; i++) {
        const struct ew_importance_entry *e = &m->entries[i];
        status = write_floats(w, e->sum_squares, e->n_in * e->n_matrices, err);
        if (status == EW_OK) status = write_floats(w, e->count, e->n_matrices, err);
    }
    return status == EW_OK ? ew_gguf_writer_finish(w, err) : status;
}

enum ew_status ew_importance_write(const struct ew_importance *m, const char *path, struct ew_error *err) {
    struct ew_gguf_writer *w = NULL;
    if (m->n_entries == 0) return ew_error_set(err, EW_ERR_FORMAT, "%s: has no entries", path);
    enum ew_status status = ew_gguf_writer_open(&w, err);
    if (status == EW_OK) status = write_all(m, path, w, err);
    ew_gguf_writer_close(&w);
    return status;
}
