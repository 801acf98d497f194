/* Merging stores: the same run once, machines apart, twice the same as once, wrong files named. */
#include "store/store_merge.h"
#include "store_fixture.h"

#include <sqlite3.h>

static const double values[] = {1, 2};

static void run(struct fixture *f, int i, int64_t begin_ns) {
    char key[8];
    const int64_t times[] = {begin_ns + 1, begin_ns + 2}, stamps[] = {begin_ns + 5, begin_ns + 9};
    const struct ew_phase_record phase = {.name = "prefill", .begin_ns = begin_ns, .end_ns = begin_ns + 5};
    const struct ew_sustained_window window = {begin_ns + 9, 3, 4};
    const struct ew_series_record series = {
        .meter_id = f->meter_id, .channel = "pss", .unit = "bytes", .n = 2, .time_ns = times, .value = values};
    struct ew_trial_record t = fixture_trial(f, i, key);
    struct ew_error err = {0};
    assert_int_equal(ew_store_begin_trial(f->store, key, f->invocation_id, 99, NULL), EW_OK);
    t.status = EW_TRIAL_OK;
    t.begin_ns = begin_ns;
    t.end_ns = begin_ns + 10;
    t.phases = &phase;
    t.n_phases = 1;
    t.windows = &window;
    t.n_windows = 1;
    t.stamps_ns = stamps;
    t.n_stamps = 2;
    t.series = &series;
    t.n_series = 1;
    if (ew_store_finish_trial(f->store, &t, &err) != EW_OK) fail_msg("%s", err.message);
}

static void rest(struct fixture *f, const char *place, int64_t begin_ns) {
    const int64_t times[] = {begin_ns, begin_ns + 1};
    const struct ew_series_record series = {
        .meter_id = f->meter_id, .channel = "pss", .unit = "bytes", .n = 2, .time_ns = times, .value = values};
    const struct ew_baseline_record baseline = {
        .invocation_id = f->invocation_id, .place = place, .begin_ns = begin_ns};
    int64_t id = 0;
    assert_int_equal(ew_store_put_baseline(f->store, &baseline, &series, 1, &id, NULL), EW_OK);
}

static void execute(struct fixture *f, const char *sql) {
    sqlite3 *db = NULL;
    ew_store_close(&f->store);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static int64_t number(struct fixture *f, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static struct ew_merge_counts merge(struct fixture *to, const char *path) {
    struct ew_merge_counts counts;
    struct ew_error err = {0};
    struct ew_store *store = NULL;
    if (ew_store_open(to->path, EW_STORE_WRITE, &store, &err) != EW_OK) fail_msg("%s", err.message);
    if (ew_store_merge(store, path, &counts, &err) != EW_OK) fail_msg("%s", err.message);
    int64_t blobs = 0;
    if (ew_store_check(store, &err) != EW_OK) fail_msg("%s", err.message);
    if (ew_store_check_blobs(store, &blobs, &err) != EW_OK) fail_msg("%s", err.message);
    ew_store_close(&store);
    return counts;
}

static void expect(struct ew_merge_counts c, int trials, int same, int twice, int planned, int apart) {
    assert_int_equal(c.trials, trials);
    assert_int_equal(c.same, same);
    assert_int_equal(c.twice, twice);
    assert_int_equal(c.planned, planned);
    assert_int_equal(c.studies_apart, apart);
}

/* A fixture with a store of nothing. */
static void open_empty(struct fixture *f) {
    *f = (struct fixture){0};
    strcpy(f->folder, "/tmp/edgewise-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/s.db", f->folder);
}

static void halves_of_a_study_become_one(void **state) {
    (void)state;
    struct fixture a, out;
    fixture_open(&a);
    fixture_plan(&a, 3);
    rest(&a, "before", 500);
    run(&a, 0, 1000);
    open_empty(&out);
    ew_store_close(&a.store);
    expect(merge(&out, a.path), 1, 0, 0, 2, 0);
    expect(merge(&out, a.path), 0, 1, 0, 0, 0); /* again: nothing */
    assert_int_equal(number(&out, "SELECT count(*) FROM sample_series"), 2);
    /* The same invocation goes on, and its end comes, too. */
    struct ew_error err = {0};
    assert_int_equal(ew_store_open(a.path, EW_STORE_WRITE, &a.store, &err), EW_OK);
    run(&a, 1, 2000);
    rest(&a, "after", 3000);
    ew_store_close(&a.store);
    expect(merge(&out, a.path), 1, 1, 0, 0, 0);
    assert_int_equal(number(&out, "SELECT count(*) FROM trial"), 3);
    assert_int_equal(number(&out, "SELECT count(*) FROM trial WHERE status = 'ok'"), 2);
    assert_int_equal(number(&out, "SELECT count(*) FROM invocation"), 1);
    assert_int_equal(number(&out, "SELECT count(*) FROM meter"), 1);
    assert_int_equal(number(&out, "SELECT count(*) FROM baseline"), 2);
    assert_int_equal(number(&out, "SELECT count(*) FROM sample_series"), 4);
    assert_int_equal(number(&out, "SELECT count(*) FROM phase"), 2);
    assert_int_equal(number(&out, "SELECT sum(n_tokens) FROM sustained_window"), 6);
    assert_int_equal(number(&out, "SELECT last_ns FROM stamps s JOIN trial t ON t.id = s.trial_id WHERE key = 'k1'"),
                     2009);
    fixture_close(&a);
    fixture_close(&out);
}

static void machines_stay_apart(void **state) {
    (void)state;
    struct fixture a, b, out;
    fixture_open(&a);
    fixture_plan(&a, 2);
    run(&a, 0, 1000);
    ew_store_close(&a.store);
    fixture_open(&b);
    fixture_plan(&b, 2);
    run(&b, 0, 7000);
    run(&b, 1, 8000);
    execute(&b, "UPDATE machine SET fingerprint = 'beef', name = 'other board'");
    open_empty(&out);
    expect(merge(&out, a.path), 1, 0, 0, 1, 0);
    expect(merge(&out, b.path), 2, 0, 0, 0, 1);
    expect(merge(&out, b.path), 0, 2, 0, 0, 1);
    expect(merge(&out, a.path), 0, 1, 0, 0, 0);
    assert_int_equal(number(&out, "SELECT count(*) FROM machine"), 2);
    assert_int_equal(number(&out, "SELECT count(*) FROM model"), 1);
    assert_int_equal(number(&out, "SELECT count(*) FROM config"), 1);
    assert_int_equal(number(&out, "SELECT count(*) FROM study WHERE name IN ('st', 'st @ other board')"), 2);
    assert_int_equal(number(&out, "SELECT count(*) FROM trial t JOIN invocation i ON i.id = t.invocation_id JOIN"
                                  " machine m ON m.id = i.machine_id WHERE m.name = 'other board'"),
                     2);
    /* The other board's file has not been touched. */
    assert_int_equal(number(&b, "SELECT count(*) FROM trial WHERE key = 'k0'"), 1);
    fixture_close(&a);
    fixture_close(&b);
    fixture_close(&out);
}

static void measured_twice_keeps_the_first(void **state) {
    (void)state;
    struct fixture a, b;
    fixture_open(&a);
    fixture_plan(&a, 2);
    run(&a, 0, 1000);
    ew_store_close(&a.store);
    fixture_open(&b);
    fixture_plan(&b, 2);
    run(&b, 0, 7000);
    run(&b, 1, 8000);
    execute(&b, "UPDATE invocation SET started_unix_ns = 77");
    expect(merge(&a, b.path), 1, 0, 1, 0, 0); /* the planned one gives way */
    assert_int_equal(number(&a, "SELECT begin_ns FROM trial WHERE key = 'k0'"), 1000);
    assert_int_equal(number(&a, "SELECT begin_ns FROM trial WHERE key = 'k1'"), 8000);
    assert_int_equal(number(&a, "SELECT count(*) FROM trial"), 2);
    fixture_close(&a);
    fixture_close(&b);
}

static void refuse(struct fixture *to, const char *path, enum ew_status expected, const char *word) {
    struct ew_merge_counts counts;
    struct ew_error err = {0};
    struct ew_store *store = NULL;
    assert_int_equal(ew_store_open(to->path, EW_STORE_WRITE, &store, &err), EW_OK);
    assert_int_equal(ew_store_merge(store, path, &counts, &err), expected);
    if (!strstr(err.message, word) || !strstr(err.message, path)) fail_msg("%s", err.message);
    ew_store_close(&store);
    assert_int_equal(number(to, "SELECT count(*) FROM trial"), 0);
}

static void wrong_files_are_named(void **state) {
    (void)state;
    struct fixture a, out;
    open_empty(&out);
    fixture_open(&a);
    fixture_plan(&a, 1);
    run(&a, 0, 1000);
    refuse(&out, "/no/such.db", EW_ERR_NOT_FOUND, "no such store");
    refuse(&out, out.path, EW_ERR_ARGUMENT, "is the file to merge into");
    execute(&a, "PRAGMA user_version = 6");
    refuse(&out, a.path, EW_ERR_UNSUPPORTED, "schema version 6");
    execute(&a, "PRAGMA user_version = 1");
    refuse(&out, a.path, EW_ERR_UNSUPPORTED, "edgewise store upgrade");
    execute(&a, "PRAGMA user_version = 5; PRAGMA foreign_keys = OFF; UPDATE trial SET config_id = 99");
    refuse(&out, a.path, EW_ERR_FORMAT, "refers to a row of config");
    FILE *f = fopen(a.path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 500; i++) fputs("not a database ", f);
    fclose(f);
    refuse(&out, a.path, EW_ERR_FORMAT, "is not a store");
    fixture_close(&a);
    fixture_close(&out);
}

/* SQLite reads names of attached files as URIs. */
static void odd_names(void **state) {
    (void)state;
    struct fixture a, out;
    char odd[160];
    fixture_open(&a);
    fixture_plan(&a, 1);
    run(&a, 0, 1000);
    ew_store_close(&a.store);
    open_empty(&out);
    snprintf(odd, sizeof odd, "%s/a?mode=rw#%%41 b.db", out.folder);
    assert_int_equal(rename(a.path, odd), 0);
    expect(merge(&out, odd), 1, 0, 0, 0, 0);
    unlink(odd);
    char side[176];
    static const char *const ends[] = {"-wal", "-shm"};
    for (int i = 0; i < 2; i++) {
        snprintf(side, sizeof side, "%s%s", odd, ends[i]);
        unlink(side);
    }
    fixture_close(&a);
    fixture_close(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_of_a_study_become_one),
        cmocka_unit_test(machines_stay_apart),
        cmocka_unit_test(measured_twice_keeps_the_first),
        cmocka_unit_test(wrong_files_are_named),
        cmocka_unit_test(odd_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
