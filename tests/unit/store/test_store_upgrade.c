/* Stores that were made with the schemas of versions 1 to 4, whose texts are kept in tests/fixtures/stores. */
#include "store_fixture.h"

#include <sqlite3.h>

static char *read_schema(int version) {
    char path[4096];
    const char *source = getenv("EW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/stores/schema-%d.sql", source ? source : ".", version);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 65536);
    assert_true(fread(text, 1, 65535, f) > 1000);
    fclose(f);
    return text;
}

static void execute(sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
}

/* One finished trial with a phase, and one that is planned, written by hand. */
static void make_old(struct fixture *f, int version) {
    strcpy(f->folder, "/tmp/edgewise-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/s.db", f->folder);
    f->store = NULL;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    char *schema = read_schema(version), numbers[96];
    execute(db, schema);
    free(schema);
    snprintf(numbers, sizeof numbers, "PRAGMA application_id = 1163356499; PRAGMA user_version = %d", version);
    execute(db, numbers);
    execute(db,
            "INSERT INTO study VALUES (1, 'old', 'old.yaml', 'text', '{}', 7, 100);"
            "INSERT INTO machine VALUES (1, 'feed', 'board', 'aarch64', 4, 1000, 'neon', 'Linux', '{}');"
            "INSERT INTO model VALUES (1, 'mk', '/m.gguf', 'M', 'llama', 'Q4_0', NULL, 0, 0, 10, 5, 6, 7, 1, 2, 3, 4);"
            "INSERT INTO config (id, key, model_id, prefill_threads, decode_threads, prompt_tokens, generate_tokens,"
            " depth, context, layout, cpu_mask, sample_text) VALUES (1, 'ck', 1, 4, 2, 16, 4, 0, 20, 'auto', 0, 0);"
            "INSERT INTO invocation (id, study_id, machine_id, started_unix_ns, started_ns, boot_id, version, build,"
            " state_json) VALUES (1, 1, 1, 2, 3, 'boot', '0.1.0', 'gcc', '{}');"
            "INSERT INTO trial (id, study_id, config_id, invocation_id, key, repeat, position, seed, status,"
            " attempts, begin_ns, end_ns, ttft_ns) VALUES (1, 1, 1, 1, 'k0', 0, 0, 7, 'ok', 1, 10, 90, 33),"
            " (2, 1, 1, NULL, 'k1', 1, 1, 8, 'planned', 0, NULL, NULL, NULL);"
            "INSERT INTO phase VALUES (1, 0, 'prefill', 20, 60, 16, NULL, NULL, NULL, NULL, NULL);");
    sqlite3_close(db);
}

static void expect_old_study(struct ew_store *store) {
    struct ew_stored_study *s = NULL;
    struct ew_error err = {0};
    if (ew_store_read_study(store, 0, &s, &err) != EW_OK) fail_msg("%s", err.message);
    assert_string_equal(s->study.name, "old");
    assert_int_equal(s->n_trials, 2);
    assert_int_equal(s->trials[0].status, EW_TRIAL_OK);
    assert_int_equal(s->trials[0].ttft_ns, 33);
    assert_int_equal(s->trials[0].n_phases, 1);
    assert_int_equal(s->trials[0].phases[0].end_ns, 60);
    assert_int_equal(s->trials[0].n_windows, 0);
    assert_int_equal(s->trials[0].conditions.throttle_core_events, EW_MISSING); /* not known, not zero */
    assert_true(s->trials[0].conditions.start_c != s->trials[0].conditions.start_c);
    assert_null(s->trials[0].conditions.gate);
    assert_null(s->trials[0].conditions.memory_json);
    assert_true(s->trials[0].conditions.others_share != s->trials[0].conditions.others_share);
    assert_int_equal(s->trials[0].gpu_peak_bytes, EW_MISSING);
    assert_false(s->trials[0].conditions.throttled);
    assert_int_equal(s->configs[0].prefill_threads, 4);
    assert_int_equal(s->configs[0].batch, 0);
    assert_null(s->configs[0].cores);
    assert_int_equal(s->configs[0].spin_us, 0);
    assert_null(s->configs[0].governor);
    assert_null(s->configs[0].speculate);
    assert_int_equal(s->trials[0].drafts.drafted, EW_MISSING);
    assert_int_equal(s->invocations[0].own_cpu_ns, EW_MISSING);
    assert_int_equal(s->n_qualities, 0);
    assert_int_equal(s->n_answers, 0);
    ew_store_free_study(&s);
}

static int version_of(const char *path) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return version;
}

static void read_only(int version) {
    struct fixture f;
    make_old(&f, version);
    struct ew_error err = {0};
    if (ew_store_open(f.path, EW_STORE_READ, &f.store, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_store_version(f.store), version);
    expect_old_study(f.store);
    if (ew_store_check(f.store, &err) != EW_OK) fail_msg("%s", err.message);
    ew_store_close(&f.store);
    assert_int_equal(version_of(f.path), version);
    fixture_close(&f);
}

static void reading_leaves_the_file_as_it_is(void **state) {
    (void)state;
    read_only(1);
    read_only(2);
    read_only(3);
    read_only(4);
}

/* Every table of the upgraded file has the columns of a new one, in its order, with types, defaults and NOT NULL. */
static void columns_of(const char *path, char *text, size_t capacity) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" ||"
                                        " coalesce(c.dflt_value, '') || c.pk FROM sqlite_schema m,"
                                        " pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    size_t used = 0;
    while (sqlite3_step(stmt) == SQLITE_ROW)
        used += (size_t)snprintf(text + used, capacity - used, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
    assert_true(used > 1000 && used < capacity);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static void put_figure(struct ew_store *store) {
    const struct ew_quality_record figure = {.model_id = 1,
                                             .study_id = EW_MISSING,
                                             .measure = "perplexity",
                                             .data = "text",
                                             .data_hash = "0",
                                             .settings = "context 8, stride 0",
                                             .value = 3.5};
    struct ew_error err = {0};
    int64_t id = 0;
    if (ew_store_put_quality(store, &figure, &id, &err) != EW_OK) fail_msg("%s", err.message);
}

static void upgrade(int version) {
    struct fixture f, fresh;
    static char old_columns[32768], new_columns[32768];
    make_old(&f, version);
    struct ew_error err = {0};
    if (ew_store_open(f.path, EW_STORE_WRITE, &f.store, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_store_version(f.store), version);
    expect_old_study(f.store);
    /* It goes on where it was. */
    assert_int_equal(ew_store_begin_trial(f.store, "k1", 1, 99, NULL), EW_OK);
    const struct ew_sustained_window windows[] = {{100, 5, 40}, {200, 6, 41}};
    const struct ew_trial_record t = {.key = "k1",
                                      .status = EW_TRIAL_OK,
                                      .windows = windows,
                                      .n_windows = 2,
                                      .gpu_peak_bytes = 77,
                                      .drafts = {30, 20, 10},
                                      .conditions = {.gate = "passed",
                                                     .start_c = 41.5,
                                                     .throttled = true,
                                                     .memory_json = "{\"limit_hits\":3}",
                                                     .others_share = 0.25,
                                                     .stolen_share = 0.125}};
    if (ew_store_finish_trial(f.store, &t, &err) != EW_OK) fail_msg("%s", err.message);
    put_figure(f.store);
    ew_store_close(&f.store);
    fixture_open(&fresh);
    ew_store_close(&fresh.store);
    columns_of(f.path, old_columns, sizeof old_columns);
    columns_of(fresh.path, new_columns, sizeof new_columns);
    assert_string_equal(old_columns, new_columns);
    assert_int_equal(version_of(f.path), version_of(fresh.path));
    fixture_close(&fresh);
    if (ew_store_open(f.path, EW_STORE_READ, &f.store, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_store_version(f.store), 5);
    if (ew_store_check(f.store, &err) != EW_OK) fail_msg("%s", err.message);
    struct ew_stored_study *s = NULL;
    assert_int_equal(ew_store_read_study(f.store, 0, &s, &err), EW_OK);
    assert_int_equal(s->trials[1].n_windows, 2);
    assert_int_equal(s->trials[1].windows[1].n_tokens, 6);
    assert_int_equal(s->n_qualities, 1);
    assert_true(s->qualities[0].value == 3.5);
    assert_string_equal(s->trials[1].conditions.gate, "passed");
    assert_true(s->trials[1].conditions.throttled && s->trials[1].conditions.start_c == 41.5);
    assert_int_equal(s->trials[1].gpu_peak_bytes, 77);
    assert_int_equal(s->trials[1].drafts.drafted, 30);
    assert_int_equal(s->trials[1].drafts.accepted, 20);
    assert_int_equal(s->trials[1].drafts.passes, 10);
    assert_true(s->trials[1].conditions.others_share == 0.25 && s->trials[1].conditions.stolen_share == 0.125);
    assert_string_equal(s->trials[1].conditions.memory_json, "{\"limit_hits\":3}");
    ew_store_free_study(&s);
    fixture_close(&f);
}

static void upgraded_is_as_new(void **state) {
    (void)state;
    upgrade(1);
    upgrade(2);
    upgrade(3);
    upgrade(4);
}

static void versions_that_are_not_known(void **state) {
    (void)state;
    struct fixture f;
    make_old(&f, 1);
    static const char *const wrong[] = {"PRAGMA user_version = 6", "PRAGMA user_version = 0"};
    for (int i = 0; i < 2; i++) {
        sqlite3 *db = NULL;
        assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
        execute(db, wrong[i]);
        sqlite3_close(db);
        for (int mode = EW_STORE_READ; mode <= EW_STORE_WRITE; mode++) {
            struct ew_error err = {0};
            assert_int_equal(ew_store_open(f.path, (enum ew_store_mode)mode, &f.store, &err), EW_ERR_UNSUPPORTED);
            assert_non_null(strstr(err.message, "s.db: has schema version"));
            assert_non_null(strstr(err.message, "knows 1 to 5"));
        }
    }
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_leaves_the_file_as_it_is),
        cmocka_unit_test(upgraded_is_as_new),
        cmocka_unit_test(versions_that_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
