/* Owns how SQLite is called and how its errors read. Knows no table; see store_write.c, store_trial.c, store_read.c. */
#include "store/store_sql.h"
#include "base/error.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum ew_status ew_store_sql_error(const struct ew_store *store, int code, const char *doing, struct ew_error *err) {
    switch (code & 0xff) {
    case SQLITE_FULL:
        return ew_error_set(err, EW_ERR_IO,
                            "%s: %s: the disk is full; nothing that was there before is lost. Free some "
                            "space and run the same command again",
                            store->path, doing);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ew_error_set(err, EW_ERR_IO, "%s: %s: another program has locked it", store->path, doing);
    case SQLITE_NOTADB:
        return ew_error_set(err, EW_ERR_FORMAT, "%s: is not a store of edgewise (no SQLite file)", store->path);
    case SQLITE_CORRUPT:
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %s: the file is damaged: %s", store->path, doing,
                            sqlite3_errmsg(store->db));
    case SQLITE_READONLY:
    case SQLITE_PERM: return ew_error_set(err, EW_ERR_PERMISSION, "%s: %s: not writable", store->path, doing);
    case SQLITE_NOMEM: return ew_error_set(err, EW_ERR_MEMORY, "%s: %s: out of memory", store->path, doing);
    case SQLITE_IOERR:
        return ew_error_set(err, EW_ERR_IO,
                            "%s: %s: %s (disk full, or failing?); nothing that was there before is lost", store->path,
                            doing, sqlite3_errmsg(store->db));
    default: return ew_error_set(err, EW_ERR_IO, "%s: %s: %s", store->path, doing, sqlite3_errmsg(store->db));
    }
}

static int bind_all(sqlite3_stmt *stmt, const char *format, va_list args) {
    int code = SQLITE_OK;
    for (int i = 0; format[i] && code == SQLITE_OK; i++) {
        if (format[i] == 'i') {
            int64_t value = va_arg(args, int64_t);
            code = value == EW_MISSING ? sqlite3_bind_null(stmt, i + 1) : sqlite3_bind_int64(stmt, i + 1, value);
        } else if (format[i] == 't') {
            const char *text = va_arg(args, const char *);
            code = text ? sqlite3_bind_text(stmt, i + 1, text, -1, SQLITE_TRANSIENT) : sqlite3_bind_null(stmt, i + 1);
        } else if (format[i] == 'd') {
            double value = va_arg(args, double);
            code = isnan(value) ? sqlite3_bind_null(stmt, i + 1) : sqlite3_bind_double(stmt, i + 1, value);
        } else {
            const void *data = va_arg(args, const void *);
            size_t size = va_arg(args, size_t);
            code = sqlite3_bind_blob64(stmt, i + 1, data, size, SQLITE_TRANSIENT);
        }
    }
    return code;
}

static enum ew_status prepare(struct ew_store *store, sqlite3_stmt **out, struct ew_error *err, const char *sql,
                              const char *format, va_list args) {
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK) code = bind_all(stmt, format, args);
    if (code != SQLITE_OK) {
        enum ew_status status = ew_store_sql_error(store, code, "cannot ask", err);
        sqlite3_finalize(stmt);
        return status;
    }
    *out = stmt;
    return EW_OK;
}

enum ew_status ew_store_sql_prepare(struct ew_store *store, sqlite3_stmt **out, struct ew_error *err, const char *sql,
                                    const char *format, ...) {
    va_list args;
    va_start(args, format);
    enum ew_status status = prepare(store, out, err, sql, format, args);
    va_end(args);
    return status;
}

enum ew_status ew_store_sql_run(struct ew_store *store, struct ew_error *err, const char *sql, const char *format,
                                ...) {
    va_list args;
    va_start(args, format);
    sqlite3_stmt *stmt = NULL;
    enum ew_status status = prepare(store, &stmt, err, sql, format, args);
    va_end(args);
    if (status != EW_OK) return status;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
    }
    if (code != SQLITE_DONE) status = ew_store_sql_error(store, code, "cannot write", err);
    sqlite3_finalize(stmt);
    return status;
}

enum ew_status ew_store_sql_int(struct ew_store *store, int64_t *out, struct ew_error *err, const char *sql,
                                const char *format, ...) {
    va_list args;
    va_start(args, format);
    sqlite3_stmt *stmt = NULL;
    enum ew_status status = prepare(store, &stmt, err, sql, format, args);
    va_end(args);
    if (status != EW_OK) return status;
    int64_t value = 0;
    bool found = false;
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        found = true;
        value = sqlite3_column_int64(stmt, 0);
        /* To the end: an INSERT … RETURNING commits, and may fail, only there. */
        do code = sqlite3_step(stmt);
        while (code == SQLITE_ROW);
    }
    if (code != SQLITE_DONE)
        status = ew_store_sql_error(store, code, "cannot read or write", err);
    else if (!found)
        status = ew_error_set(err, EW_ERR_NOT_FOUND, "%s: no such row", store->path);
    else
        *out = value;
    sqlite3_finalize(stmt);
    return status;
}

enum ew_status ew_store_sql_begin(struct ew_store *store, struct ew_error *err) {
    return ew_store_sql_run(store, err, "BEGIN IMMEDIATE", "");
}

enum ew_status ew_store_sql_end(struct ew_store *store, enum ew_status status, struct ew_error *err) {
    if (status == EW_OK) status = ew_store_sql_run(store, err, "COMMIT", "");
    if (status != EW_OK && !sqlite3_get_autocommit(store->db)) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}
