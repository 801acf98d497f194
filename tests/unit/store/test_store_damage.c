/* Stores that are no stores, damaged, from the future, or on a full disk. */
#include "store_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void run_sql(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void expect_open(const char *path, enum ew_store_mode mode, enum ew_status status, const char *word) {
    struct ew_store *store = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_store_open(path, mode, &store, &err), status);
    assert_null(store);
    assert_non_null(strstr(err.message, path));
    if (!strstr(err.message, word)) fail_msg("`%s` is not in: %s", word, err.message);
}

static void other_files_are_refused(void **state) {
    (void)state;
    char folder[] = "/tmp/edgewise-damage-XXXXXX", path[96];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.db", folder);
    expect_open(path, EW_STORE_READ, EW_ERR_NOT_FOUND, "no such store");
    expect_open(folder, EW_STORE_READ, EW_ERR_ARGUMENT, "not a regular file");
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fputs("not a database at all\n", f);
    fclose(f);
    expect_open(path, EW_STORE_READ, EW_ERR_FORMAT, "not a store of edgewise");
    expect_open(path, EW_STORE_WRITE, EW_ERR_FORMAT, "not a store of edgewise");
    unlink(path);
    run_sql(path, "CREATE TABLE t (x)"); /* somebody else's database is neither read nor changed */
    expect_open(path, EW_STORE_WRITE, EW_ERR_FORMAT, "not a store of edgewise");
    unlink(path);
    snprintf(path, sizeof path, "%s/no/such/folder.db", folder);
    expect_open(path, EW_STORE_WRITE, EW_ERR_NOT_FOUND, "No such file");
    rmdir(folder);
}

static void newer_schema_is_refused(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    ew_store_close(&f.store);
    run_sql(f.path, "PRAGMA user_version = 6");
    expect_open(f.path, EW_STORE_READ, EW_ERR_UNSUPPORTED, "schema version 6");
    fixture_close(&f);
}

static void bad_rows_are_named(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_plan(&f, 1);
    ew_store_close(&f.store);
    run_sql(f.path, "INSERT INTO stamps VALUES (1, 3, 1, 2, 0, x'00112233')");
    struct ew_error err = {0};
    struct ew_stored_study *study = NULL;
    assert_int_equal(ew_store_open(f.path, EW_STORE_READ, &f.store, &err), EW_OK);
    assert_int_equal(ew_store_read_study(f.store, 0, &study, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "trial k0"));
    ew_store_close(&f.store);
    run_sql(f.path, "UPDATE stamps SET n = 9000000000000");
    assert_int_equal(ew_store_open(f.path, EW_STORE_READ, &f.store, &err), EW_OK);
    assert_int_equal(ew_store_read_study(f.store, 0, &study, &err), EW_ERR_FORMAT);
    ew_store_close(&f.store);
    run_sql(f.path, "DELETE FROM stamps; PRAGMA foreign_keys = OFF; UPDATE trial SET config_id = 77");
    assert_int_equal(ew_store_open(f.path, EW_STORE_READ, &f.store, &err), EW_OK);
    assert_int_equal(ew_store_check(f.store, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "trial"));
    fixture_close(&f);
}

/* Every cut of the file: an error or a readable study, never a crash. */
static void cut_files_do_not_crash(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_plan(&f, 8);
    ew_store_close(&f.store);
    struct stat info;
    assert_int_equal(stat(f.path, &info), 0);
    for (off_t size = info.st_size - 512; size > 0; size -= 4099) {
        assert_int_equal(truncate(f.path, size), 0);
        struct ew_stored_study *study = NULL;
        if (ew_store_open(f.path, EW_STORE_READ, &f.store, NULL) == EW_OK &&
            ew_store_read_study(f.store, 0, &study, NULL) == EW_OK)
            assert_int_equal(study->n_trials, 8);
        ew_store_free_study(&study);
        ew_store_close(&f.store);
    }
    fixture_close(&f);
}

static void full_disk_loses_nothing(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_plan(&f, 2);
    static int64_t times[20000];
    static double values[20000];
    for (int i = 0; i < 20000; i++) values[i] = (double)(((uint64_t)i * 2654435761u) % 1000003u);
    const struct ew_series_record series = {
        .meter_id = f.meter_id, .channel = "pss", .unit = "bytes", .n = 20000, .time_ns = times, .value = values};
    char key[8];
    struct ew_trial_record t = fixture_trial(&f, 0, key);
    t.status = EW_TRIAL_OK;
    t.series = &series;
    t.n_series = 1;
    assert_int_equal(ew_store_begin_trial(f.store, "k0", f.invocation_id, 1, NULL), EW_OK);
    char wal[128];
    snprintf(wal, sizeof wal, "%s-wal", f.path);
    struct stat info;
    assert_int_equal(stat(wal, &info), 0);
    struct rlimit old, tight;
    getrlimit(RLIMIT_FSIZE, &old);
    tight = old;
    tight.rlim_cur = (rlim_t)info.st_size + 8192;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    struct ew_error err = {0};
    enum ew_status status = ew_store_finish_trial(f.store, &t, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, EW_ERR_IO);
    assert_non_null(strstr(err.message, "disk"));
    assert_int_equal(ew_store_finish_trial(f.store, &t, &err), EW_OK); /* room again: the same record goes in */
    assert_int_equal(ew_store_check(f.store, &err), EW_OK);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_files_are_refused), cmocka_unit_test(newer_schema_is_refused),
        cmocka_unit_test(bad_rows_are_named),      cmocka_unit_test(cut_files_do_not_crash),
        cmocka_unit_test(full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
