/* Owns reading samples back; they are read trial by trial because a long study has more of them than memory. */
#include "base/error.h"
#include "store/series_blob.h"
#include "store/store_sql.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SAMPLES = 1 << 26 };

void ew_store_free_series(struct ew_series_record **series, size_t n) {
    if (!series || !*series) return;
    for (size_t i = 0; i < n; i++) {
        free((char *)(*series)[i].channel);
        free((char *)(*series)[i].unit);
        free((int64_t *)(*series)[i].time_ns);
        free((double *)(*series)[i].value);
    }
    free(*series);
    *series = NULL;
}

static int64_t column_int(sqlite3_stmt *stmt, int i) {
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? EW_MISSING : sqlite3_column_int64(stmt, i);
}

static char *column_copy(sqlite3_stmt *stmt, int i) {
    const char *text = (const char *)sqlite3_column_text(stmt, i);
    return strdup(text ? text : "");
}

/* What it allocated before failing stays in *o, for ew_store_free_series. */
static enum ew_status read_row(struct ew_store *store, sqlite3_stmt *s, struct ew_series_record *o,
                               struct ew_error *err) {
    *o = (struct ew_series_record){.id = column_int(s, 0),
                                   .trial_id = column_int(s, 1),
                                   .baseline_id = column_int(s, 2),
                                   .meter_id = column_int(s, 3),
                                   .channel = column_copy(s, 4),
                                   .unit = column_copy(s, 5),
                                   .n = column_int(s, 6),
                                   .n_missing = column_int(s, 7)};
    if (o->n < 0 || o->n > MAX_SAMPLES)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: series %lld: %lld samples: 0 to %d can be", store->path,
                            (long long)o->id, (long long)o->n, MAX_SAMPLES);
    size_t n = (size_t)o->n;
    int64_t *time_ns = malloc((n + 1) * sizeof *time_ns);
    double *value = malloc((n + 1) * sizeof *value);
    o->time_ns = time_ns;
    o->value = value;
    if (!time_ns || !value || !o->channel || !o->unit)
        return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for %zu samples", store->path, n);
    struct ew_series_blob blob = {.data = (void *)sqlite3_column_blob(s, 9),
                                  .size = (size_t)sqlite3_column_bytes(s, 9),
                                  .xxh64 = sqlite3_column_int64(s, 8)};
    enum ew_status status = ew_series_blob_decode(&blob, time_ns, value, n, err);
    if (status != EW_OK)
        ew_error_prefix(err, status, "%s: series %lld (%s)", store->path, (long long)o->id, o->channel);
    return status;
}

enum ew_status ew_store_read_series(struct ew_store *store, int64_t trial_id, int64_t baseline_id,
                                    struct ew_series_record **out, size_t *n, struct ew_error *err) {
    sqlite3_stmt *stmt = NULL;
    struct ew_series_record *rows = NULL;
    size_t count = 0;
    enum ew_status status = ew_store_sql_prepare(
        store, &stmt, err,
        "SELECT id, trial_id, baseline_id, meter_id, channel, unit, n, n_missing, xxh64, blob FROM sample_series"
        " WHERE trial_id = ?1 OR (?1 IS NULL AND baseline_id = ?2) ORDER BY id",
        "ii", trial_id, baseline_id);
    if (status != EW_OK) return status;
    int code = SQLITE_DONE;
    while (status == EW_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct ew_series_record *larger = realloc(rows, (count + 1) * sizeof *rows);
        if (!larger) {
            status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", store->path);
            break;
        }
        rows = larger;
        status = read_row(store, stmt, &rows[count++], err);
    }
    if (status == EW_OK && code != SQLITE_DONE) status = ew_store_sql_error(store, code, "cannot read", err);
    sqlite3_finalize(stmt);
    if (status != EW_OK) {
        ew_store_free_series(&rows, count);
        return status;
    }
    *out = rows;
    *n = count;
    return EW_OK;
}

static enum ew_status check_series(struct ew_store *store, int64_t *blobs, struct ew_error *err) {
    sqlite3_stmt *stmt = NULL;
    enum ew_status status = ew_store_sql_prepare(
        store, &stmt, err,
        "SELECT id, trial_id, baseline_id, meter_id, channel, unit, n, n_missing, xxh64, blob FROM sample_series", "");
    if (status != EW_OK) return status;
    int code = SQLITE_DONE;
    while (status == EW_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct ew_series_record *row = calloc(1, sizeof *row);
        status =
            row ? read_row(store, stmt, row, err) : ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", store->path);
        ew_store_free_series(&row, 1);
        ++*blobs;
    }
    if (status == EW_OK && code != SQLITE_DONE) status = ew_store_sql_error(store, code, "cannot read", err);
    sqlite3_finalize(stmt);
    return status;
}

enum ew_status ew_store_check_blobs(struct ew_store *store, int64_t *blobs, struct ew_error *err) {
    const struct ew_study_record *studies = NULL;
    size_t n = 0;
    *blobs = 0;
    enum ew_status status = ew_store_list_studies(store, &studies, &n, err);
    for (size_t i = 0; status == EW_OK && i < n; i++) {
        struct ew_stored_study *study = NULL; /* reading it checks its stamps */
        status = ew_store_read_study(store, studies[i].id, &study, err);
        for (size_t t = 0; study && t < study->n_trials; t++) *blobs += study->trials[t].n_stamps > 0;
        ew_store_free_study(&study);
    }
    return status == EW_OK ? check_series(store, blobs, err) : status;
}
