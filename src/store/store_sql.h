/* Private to src/store: SQLite statements in one call each. Formats of arguments: i = int64_t (EW_MISSING is NULL),
 * t = text (NULL is NULL), d = double (NAN is NULL), b = const void *, size_t. */
#ifndef EW_STORE_STORE_SQL_H
#define EW_STORE_STORE_SQL_H

#include "store/store.h"
#include <sqlite3.h>

/* What a missing KV type stands for: kept in full, as NULLs are not equal to each other. */
#define EW_STORE_KV_DEFAULT "f16"

struct ew_store {
    sqlite3 *db;
    char *path;
    int64_t version; /* of the schema, when it was opened */
    int lock_fd;     /* -1 for readers */
    char *lock_path;
    void *list_blocks; /* memory behind what ew_store_list_studies gave */
};

/* store_read.c: frees list_blocks. */
void ew_store_close_list(struct ew_store *store);

/* Makes a message of what SQLite said last. `doing` reads as "cannot write trial 0123…". */
enum ew_status ew_store_sql_error(const struct ew_store *store, int code, const char *doing, struct ew_error *err);

/* Prepares and binds; *out is the caller's: sqlite3_finalize. */
enum ew_status ew_store_sql_prepare(struct ew_store *store, sqlite3_stmt **out, struct ew_error *err, const char *sql,
                                    const char *format, ...);
/* Prepares, binds, runs to the end, and drops rows. */
enum ew_status ew_store_sql_run(struct ew_store *store, struct ew_error *err, const char *sql, const char *format, ...);
/* The first column of the first row; NOT_FOUND (with err set) when there is no row. */
enum ew_status ew_store_sql_int(struct ew_store *store, int64_t *out, struct ew_error *err, const char *sql,
                                const char *format, ...);

/* BEGIN IMMEDIATE; then COMMIT where status is EW_OK, otherwise ROLLBACK. Returns what is to be returned. */
enum ew_status ew_store_sql_begin(struct ew_store *store, struct ew_error *err);
enum ew_status ew_store_sql_end(struct ew_store *store, enum ew_status status, struct ew_error *err);

#endif
