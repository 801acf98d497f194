/* Owns opening, creating, locking and checking a store file. Tables: schema.sql. Writers hold a lock file beside the
 * store, because two studies in one store would take each other's running trials for killed ones. */
#include "store/store.h"
#include "base/error.h"
#include "store/store_sql.h"
#include "store/store_upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const int application_id = 0x45576953; /* "EWiS": PRAGMA application_id */
extern const char ew_store_schema[];

static enum ew_status take_lock(struct ew_store *store, struct ew_error *err) {
    if (asprintf(&store->lock_path, "%s-lock", store->path) < 0) {
        store->lock_path = NULL;
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", store->path);
    }
    for (;;) {
        int fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) {
            enum ew_status kind = errno == ENOENT ? EW_ERR_NOT_FOUND : errno == EACCES ? EW_ERR_PERMISSION : EW_ERR_IO;
            return ew_error_errno(err, kind, errno, "%s: cannot create", store->lock_path);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            close(fd);
            return ew_error_set(err, EW_ERR_IO,
                                "%s: another study is writing to it (it holds %s); wait for it, or name "
                                "another store",
                                store->path, store->lock_path);
        }
        /* Whoever held the lock before may have removed the file between open and flock. */
        struct stat ours, named;
        if (fstat(fd, &ours) == 0 && stat(store->lock_path, &named) == 0 && ours.st_ino == named.st_ino) {
            store->lock_fd = fd;
            return EW_OK;
        }
        close(fd);
    }
}

static enum ew_status create_schema(struct ew_store *store, struct ew_error *err) {
    char tail[96];
    snprintf(tail, sizeof tail, "PRAGMA application_id = %d; PRAGMA user_version = %d;", application_id,
             EW_STORE_VERSION);
    enum ew_status status = ew_store_sql_begin(store, err);
    if (status != EW_OK) return status;
    int code = sqlite3_exec(store->db, ew_store_schema, NULL, NULL, NULL);
    if (code == SQLITE_OK) code = sqlite3_exec(store->db, tail, NULL, NULL, NULL);
    if (code != SQLITE_OK) status = ew_store_sql_error(store, code, "cannot create", err);
    return ew_store_sql_end(store, status, err);
}

static enum ew_status check_schema(struct ew_store *store, enum ew_store_mode mode, struct ew_error *err) {
    int64_t version = 0, application = 0, tables = 0;
    enum ew_status status = ew_store_sql_int(store, &version, err, "PRAGMA user_version", "");
    if (status == EW_OK) status = ew_store_sql_int(store, &application, err, "PRAGMA application_id", "");
    if (status == EW_OK) status = ew_store_sql_int(store, &tables, err, "SELECT count(*) FROM sqlite_schema", "");
    if (status != EW_OK) return status;
    if (tables == 0 && mode == EW_STORE_WRITE) return create_schema(store, err);
    if (application != application_id)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: is not a store of edgewise (application id %lld)", store->path,
                            (long long)application);
    store->version = version;
    if (version < 1 || version > EW_STORE_VERSION)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: has schema version %lld; this edgewise knows 1 to %d",
                            store->path, (long long)version, EW_STORE_VERSION);
    if (version == EW_STORE_VERSION) return EW_OK;
    return mode == EW_STORE_READ ? ew_store_show_as_newest(store, err) : ew_store_upgrade(store, err);
}

static enum ew_status open_database(struct ew_store *store, enum ew_store_mode mode, struct ew_error *err) {
    int flags = mode == EW_STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    /* URIs are for attaching read-only (store_merge.c); a path is never one. */
    char name[4096];
    snprintf(name, sizeof name, "%s%s", strncmp(store->path, "file:", 5) == 0 ? "./" : "", store->path);
    int code = sqlite3_open_v2(name, &store->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
    if (code != SQLITE_OK) {
        int os_error = store->db ? sqlite3_system_errno(store->db) : 0;
        if (os_error == 0) return ew_store_sql_error(store, code, "cannot open", err);
        enum ew_status kind = os_error == EACCES ? EW_ERR_PERMISSION : EW_ERR_IO;
        return ew_error_errno(err, kind, os_error, "%s: cannot open", store->path);
    }
    sqlite3_busy_timeout(store->db, 5000);
    /* FULL: a finished trial survives a power cut, not only a kill. */
    const char *pragmas = mode == EW_STORE_READ
                              ? "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
                              : "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL;"
                                "PRAGMA synchronous = FULL;";
    code = sqlite3_exec(store->db, pragmas, NULL, NULL, NULL);
    if (code != SQLITE_OK) return ew_store_sql_error(store, code, "cannot open", err);
    enum ew_status status = check_schema(store, mode, err);
    if (status == EW_OK && mode == EW_STORE_READ) sqlite3_exec(store->db, "PRAGMA query_only = ON", NULL, NULL, NULL);
    return status;
}

enum ew_status ew_store_open(const char *path, enum ew_store_mode mode, struct ew_store **out, struct ew_error *err) {
    struct stat info;
    bool in_memory = strcmp(path, ":memory:") == 0;
    if (in_memory) {
        /* nothing to look at */
    } else if (stat(path, &info) != 0) {
        if (mode == EW_STORE_READ && errno == ENOENT)
            return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: no such store", path);
        if (errno != ENOENT) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot open", path);
    } else if (!S_ISREG(info.st_mode)) {
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: is not a regular file", path);
    }
    struct ew_store *store = calloc(1, sizeof *store);
    if (!store) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    store->lock_fd = -1;
    store->path = strdup(path);
    enum ew_status status = store->path ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    if (status == EW_OK && mode == EW_STORE_WRITE && !in_memory) status = take_lock(store, err);
    if (status == EW_OK) status = open_database(store, mode, err);
    if (status != EW_OK) {
        ew_store_close(&store);
        return status;
    }
    *out = store;
    return EW_OK;
}

void ew_store_close(struct ew_store **store) {
    if (!store || !*store) return;
    struct ew_store *s = *store;
    sqlite3_close(s->db);
    if (s->lock_fd >= 0) {
        unlink(s->lock_path);
        close(s->lock_fd);
    }
    ew_store_close_list(s);
    free(s->lock_path);
    free(s->path);
    free(s);
    *store = NULL;
}

const char *ew_store_path(const struct ew_store *store) { return store->path; }
int ew_store_version(const struct ew_store *store) { return (int)store->version; }

enum ew_status ew_store_check(struct ew_store *store, struct ew_error *err) {
    sqlite3_stmt *stmt = NULL;
    enum ew_status status = ew_store_sql_prepare(store, &stmt, err, "PRAGMA integrity_check(1)", "");
    if (status != EW_OK) return status;
    int code = sqlite3_step(stmt);
    const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (!said)
        status = ew_store_sql_error(store, code, "cannot check", err);
    else if (strcmp(said, "ok") != 0)
        status = ew_error_set(err, EW_ERR_FORMAT, "%s: the file is damaged: %s", store->path, said);
    sqlite3_finalize(stmt);
    if (status != EW_OK) return status;
    status = ew_store_sql_prepare(store, &stmt, err, "PRAGMA foreign_key_check", "");
    if (status != EW_OK) return status;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        status = ew_error_set(err, EW_ERR_FORMAT, "%s: table %s row %lld refers to a row of %s that is not there",
                              store->path, (const char *)sqlite3_column_text(stmt, 0),
                              (long long)sqlite3_column_int64(stmt, 1), (const char *)sqlite3_column_text(stmt, 2));
    sqlite3_finalize(stmt);
    return status;
}
