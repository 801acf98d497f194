/* Owns importance matrices in memory; their files are importance_file.c's, where they come from importance_collect.c's.
 */
#include "quality/importance.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>

enum { MOST_VALUES = 1 << 28 };

enum ew_status ew_importance_open(struct ew_importance **out, struct ew_error *err) {
    *out = calloc(1, sizeof **out);
    return *out ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "importance matrix: out of memory");
}

static void entry_free(struct ew_importance_entry *e) {
    free(e->name);
    free(e->sum_squares);
    free(e->count);
}

void ew_importance_close(struct ew_importance **importance) {
    if (!importance || !*importance) return;
    struct ew_importance *m = *importance;
    for (size_t i = 0; i < m->n_entries; i++) entry_free(&m->entries[i]);
    for (size_t i = 0; i < m->n_datasets; i++) free(m->datasets[i]);
    free(m->entries);
    free(m->datasets);
    free(m);
    *importance = NULL;
}

struct ew_importance_entry *ew_importance_find(const struct ew_importance *m, const char *name, size_t n) {
    for (size_t i = 0; i < m->n_entries; i++)
        if (strlen(m->entries[i].name) == n && memcmp(m->entries[i].name, name, n) == 0) return &m->entries[i];
    return NULL;
}

static enum ew_status entry_open(const char *name, size_t n_name, size_t n_in, size_t n_matrices,
                                 struct ew_importance_entry *out, struct ew_error *err) {
    size_t n = 0;
    if (n_in == 0 || n_matrices == 0 || !ew_mul_size(n_in, n_matrices, &n) || n > MOST_VALUES)
        return ew_error_set(err, EW_ERR_LIMIT, "tensor %.*s: %zu × %zu columns (1 to %d in all are allowed)",
                            (int)n_name, name, n_in, n_matrices, MOST_VALUES);
    *out = (struct ew_importance_entry){.name = strndup(name, n_name),
                                        .n_in = n_in,
                                        .n_matrices = n_matrices,
                                        .sum_squares = calloc(n, sizeof *out->sum_squares),
                                        .count = calloc(n_matrices, sizeof *out->count)};
    if (out->name && out->sum_squares && out->count) return EW_OK;
    entry_free(out);
    return ew_error_set(err, EW_ERR_MEMORY, "tensor %.*s: out of memory for the sums of %zu columns", (int)n_name, name,
                        n);
}

enum ew_status ew_importance_add(struct ew_importance *m, const char *name, size_t n_name, size_t n_in,
                                 size_t n_matrices, struct ew_importance_entry **out, struct ew_error *err) {
    struct ew_importance_entry *e = ew_importance_find(m, name, n_name);
    if (e && (e->n_in != n_in || e->n_matrices != n_matrices))
        return ew_error_set(err, EW_ERR_SHAPE, "tensor %s: importance of %zu × %zu columns meets %zu × %zu", e->name,
                            n_matrices, n_in, e->n_matrices, e->n_in);
    if (!e) {
        struct ew_importance_entry *more = realloc(m->entries, (m->n_entries + 1) * sizeof *more);
        if (!more) return ew_error_set(err, EW_ERR_MEMORY, "importance matrix: out of memory");
        m->entries = more;
        e = &m->entries[m->n_entries];
        enum ew_status status = entry_open(name, n_name, n_in, n_matrices, e, err);
        if (status != EW_OK) return status;
        m->n_entries++;
    }
    *out = e;
    return EW_OK;
}

enum ew_status ew_importance_add_dataset(struct ew_importance *m, const char *name, size_t n, struct ew_error *err) {
    char **more = realloc(m->datasets, (m->n_datasets + 1) * sizeof *more);
    if (more) m->datasets = more;
    char *copy = more ? strndup(name, n) : NULL;
    if (!copy) return ew_error_set(err, EW_ERR_MEMORY, "importance matrix: out of memory");
    m->datasets[m->n_datasets++] = copy;
    return EW_OK;
}

static enum ew_status merge_entry(struct ew_importance *into, const struct ew_importance_entry *from,
                                  struct ew_error *err) {
    struct ew_importance_entry *e;
    enum ew_status status =
        ew_importance_add(into, from->name, strlen(from->name), from->n_in, from->n_matrices, &e, err);
    if (status != EW_OK) return status;
    for (size_t i = 0; i < e->n_matrices * e->n_in; i++) e->sum_squares[i] += from->sum_squares[i];
    for (size_t i = 0; i < e->n_matrices; i++) e->count[i] += from->count[i];
    return EW_OK;
}

enum ew_status ew_importance_merge(struct ew_importance *into, const struct ew_importance *from, struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < from->n_entries && status == EW_OK; i++) status = merge_entry(into, &from->entries[i], err);
    for (size_t i = 0; i < from->n_datasets && status == EW_OK; i++)
        status = ew_importance_add_dataset(into, from->datasets[i], strlen(from->datasets[i]), err);
    if (__builtin_add_overflow(into->chunk_count, from->chunk_count, &into->chunk_count))
        into->chunk_count = UINT32_MAX;
    if (into->chunk_size == 0) into->chunk_size = from->chunk_size;
    return status;
}

bool ew_importance_fits(const struct ew_importance_entry *e, size_t n_in, size_t n_matrices) {
    size_t all = 0;
    if (e->n_matrices == n_matrices) return e->n_in == n_in;
    return e->n_matrices == 1 && ew_mul_size(n_in, n_matrices, &all) && e->n_in == all;
}

void ew_importance_weights(const struct ew_importance_entry *e, size_t matrix, size_t n_in, float *out) {
    const double *sums = e->sum_squares + matrix * n_in, count = e->count[e->n_matrices == 1 ? 0 : matrix];
    double total = 0;
    for (size_t i = 0; i < n_in; i++) total += sums[i];
    bool known = count > 0 && total > 0;
    for (size_t i = 0; i < n_in; i++) out[i] = known ? (float)(sums[i] / count) : 1.0f;
}
