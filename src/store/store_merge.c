/* Owns merging. The other file is attached read-only as `src` and copied by SQL, table by table, within one
 * transaction; what it is called here is decided first, in temporary tables of old and new ids. */
#include "store/store_merge.h"
#include "base/error.h"
#include "store/store_sql.h"
#include "store/store_upgrade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

/* SQLite opens a file read-only by a URI; its special characters are escaped. NULL = out of memory. */
static char *read_only_uri(const char *path) {
    char *uri = malloc(3 * strlen(path) + 32), *to = uri;
    if (!uri) return NULL;
    to += sprintf(to, "file:");
    for (const char *p = path; *p; p++)
        to += *p == '%' || *p == '?' || *p == '#' ? sprintf(to, "%%%02x", (unsigned char)*p) : sprintf(to, "%c", *p);
    strcpy(to, "?mode=ro");
    return uri;
}

/* Opens the other file by itself first: that names every way in which it may be wrong. */
static enum ew_status check_source(const struct ew_store *store, const char *path, struct ew_error *err) {
    struct stat ours, theirs;
    if (stat(store->path, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
        ours.st_dev == theirs.st_dev)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: is the file to merge into; name another one", path);
    struct ew_store *source = NULL;
    enum ew_status status = ew_store_open(path, EW_STORE_READ, &source, err);
    if (status != EW_OK) return status;
    if (ew_store_version(source) != EW_STORE_VERSION)
        status = ew_error_set(err, EW_ERR_UNSUPPORTED,
                              "%s: has schema version %d, the newest is %d: edgewise store upgrade %s", path,
                              ew_store_version(source), EW_STORE_VERSION, path);
    if (status == EW_OK) status = ew_store_check(source, err);
    ew_store_close(&source);
    return status;
}

static enum ew_status execute(struct ew_store *store, const char *sql, struct ew_error *err) {
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? EW_OK : ew_store_sql_error(store, code, "cannot merge", err);
}

/* A column whose value is not copied but looked up. */
struct replaced {
    const char *column, *expression; /* in terms of x, the row of src */
};

/* INSERT INTO main.table SELECT … FROM src.table x WHERE …, over all columns that both have; columns whose replacement
 * is NULL are left out. */
static enum ew_status copy_rows(struct ew_store *store, const char *table, const struct replaced *replaced,
                                const char *where, struct ew_error *err) {
    sqlite3_stmt *stmt = NULL;
    char names[4096], values[8192], sql[13000];
    size_t n = 0, v = 0;
    enum ew_status status =
        ew_store_sql_prepare(store, &stmt, err, "SELECT name FROM pragma_table_info(?1, 'main')", "t", table);
    if (status != EW_OK) return status;
    while (sqlite3_step(stmt) == SQLITE_ROW && n < sizeof names && v < sizeof values) {
        const char *column = (const char *)sqlite3_column_text(stmt, 0);
        const struct replaced *r = replaced;
        while (r->column && strcmp(r->column, column) != 0) r++;
        if (r->column && !r->expression) continue;
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", column);
        v += r->column ? (size_t)snprintf(values + v, sizeof values - v, "%s(%s)", v ? ", " : "", r->expression)
                       : (size_t)snprintf(values + v, sizeof values - v, "%sx.%s", v ? ", " : "", column);
    }
    sqlite3_finalize(stmt);
    snprintf(sql, sizeof sql, "INSERT INTO main.%s (%s) SELECT %s FROM src.%s x WHERE %s", table, names, values, table,
             where);
    return execute(store, sql, err);
}

#define OWN_ID                                                                                                         \
    { "id", NULL }
#define END_OF_LIST                                                                                                    \
    { NULL, NULL }
#define LOOK_UP(table, column, key)                                                                                    \
    "SELECT m.id FROM main." table " m JOIN src." table " s ON s." key " = m." key " WHERE s.id = x." column

static enum ew_status copy_named(struct ew_store *store, struct ew_error *err) {
    static const struct replaced plain[] = {OWN_ID, END_OF_LIST};
    static const struct replaced config[] = {OWN_ID, {"model_id", LOOK_UP("model", "model_id", "key")}, END_OF_LIST};
    enum ew_status status =
        copy_rows(store, "machine", plain, "x.fingerprint NOT IN (SELECT fingerprint FROM main.machine)", err);
    if (status == EW_OK) status = copy_rows(store, "model", plain, "x.key NOT IN (SELECT key FROM main.model)", err);
    if (status == EW_OK) status = copy_rows(store, "config", config, "x.key NOT IN (SELECT key FROM main.config)", err);
    return status;
}

/* ---- studies ---- */

/* Whether a study of that name here may take the runs of study `id` there: it is new, has not run yet, or ran on all
 * machines that the other ran on. *row: the study here, 0 when new. */
static enum ew_status fits(struct ew_store *store, const char *name, int64_t id, int64_t *row, bool *yes,
                           struct ew_error *err) {
    int64_t ours = 0, strange = 0;
    *row = 0;
    enum ew_status status =
        ew_store_sql_int(store, row, err, "SELECT coalesce((SELECT id FROM main.study WHERE name = ?1), 0)", "t", name);
    if (status == EW_OK)
        status =
            ew_store_sql_int(store, &ours, err, "SELECT count(*) FROM main.invocation WHERE study_id = ?1", "i", *row);
    if (status == EW_OK)
        status = ew_store_sql_int(
            store, &strange, err,
            "SELECT count(*) FROM src.invocation i JOIN src.machine m ON m.id = i.machine_id WHERE i.study_id = ?1"
            " AND m.fingerprint NOT IN (SELECT n.fingerprint FROM main.invocation j JOIN main.machine n"
            " ON n.id = j.machine_id WHERE j.study_id = ?2)",
            "ii", id, *row);
    *yes = *row == 0 || ours == 0 || strange == 0;
    return status;
}

struct study_of_source {
    int64_t id;
    char *name, *machine, *fingerprint;
};

/* The name under which a study of src lives here, its row, and whether its keys must be its own. */
static enum ew_status place_study(struct ew_store *store, const struct study_of_source *s,
                                  struct ew_merge_counts *counts, struct ew_error *err) {
    char names[3][512];
    snprintf(names[0], sizeof names[0], "%s", s->name);
    snprintf(names[1], sizeof names[1], "%.300s @ %.150s", s->name, s->machine);
    snprintf(names[2], sizeof names[2], "%.300s @ %.150s %s", s->name, s->machine, s->fingerprint);
    int64_t row = 0;
    bool yes = false;
    int i = 0;
    enum ew_status status = EW_OK;
    for (; status == EW_OK && !yes && i < 3; i++) status = fits(store, names[i], s->id, &row, &yes, err);
    if (status != EW_OK) return status;
    if (!yes) return ew_error_set(err, EW_ERR_LIMIT, "%s: study %s: three names are taken", store->path, s->name);
    bool apart = i > 1;
    counts->studies_apart += apart;
    if (row == 0)
        status = ew_store_sql_int(
            store, &row, err,
            "INSERT INTO main.study (name, file, source, settings_json, seed, created_unix_ns)"
            " SELECT ?1, file, source, settings_json, seed, created_unix_ns FROM src.study WHERE id = ?2 RETURNING id",
            "ti", names[i - 1], s->id);
    if (status != EW_OK) return status;
    return ew_store_sql_run(store, err, "INSERT INTO temp.map_study VALUES (?1, ?2, ?3)", "iit", s->id, row,
                            apart ? s->fingerprint : NULL);
}

static char *column_copy(sqlite3_stmt *stmt, int i) {
    const char *text = (const char *)sqlite3_column_text(stmt, i);
    return strdup(text ? text : "");
}

static enum ew_status place_studies(struct ew_store *store, struct ew_merge_counts *counts, struct ew_error *err) {
    sqlite3_stmt *stmt = NULL;
    enum ew_status status = ew_store_sql_prepare(
        store, &stmt, err,
        "SELECT s.id, s.name, m.name, m.fingerprint FROM src.study s LEFT JOIN src.invocation i ON i.id ="
        " (SELECT min(id) FROM src.invocation WHERE study_id = s.id) LEFT JOIN src.machine m ON m.id = i.machine_id"
        " ORDER BY s.id",
        "");
    if (status != EW_OK) return status;
    while (status == EW_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        struct study_of_source s = {sqlite3_column_int64(stmt, 0), column_copy(stmt, 1), column_copy(stmt, 2),
                                    column_copy(stmt, 3)};
        status = s.name && s.machine && s.fingerprint
                     ? place_study(store, &s, counts, err)
                     : ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", store->path);
        free(s.name);
        free(s.machine);
        free(s.fingerprint);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- invocations, meters, trials ---- */

/* Ids of what has no name of its own are moved up by what is here already. */
static const char make_maps[] =
    "CREATE TEMP TABLE map_study (old INTEGER PRIMARY KEY, new INTEGER, apart TEXT);"
    "CREATE TEMP TABLE map_invocation (old INTEGER PRIMARY KEY, new INTEGER, fresh INTEGER);"
    "CREATE TEMP TABLE map_meter (old INTEGER PRIMARY KEY, new INTEGER, fresh INTEGER);"
    "CREATE TEMP TABLE map_baseline (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_trial (old INTEGER PRIMARY KEY, new INTEGER, key TEXT);"
    "CREATE TEMP TABLE up AS SELECT (SELECT coalesce(max(id), 0) FROM main.invocation) AS invocation,"
    " (SELECT coalesce(max(id), 0) FROM main.meter) AS meter, (SELECT coalesce(max(id), 0) FROM main.baseline) AS"
    " baseline, (SELECT coalesce(max(id), 0) FROM main.trial) AS trial;";

static const char drop_maps[] = "DROP TABLE temp.map_study; DROP TABLE temp.map_invocation; DROP TABLE temp.map_meter;"
                                "DROP TABLE temp.map_baseline; DROP TABLE temp.map_trial; DROP TABLE temp.up;";

static const char find_invocations[] =
    "INSERT INTO temp.map_invocation SELECT x.id, coalesce(m.id, x.id + u.invocation), m.id IS NULL"
    " FROM src.invocation x JOIN temp.up u JOIN temp.map_study s ON s.old = x.study_id"
    " LEFT JOIN main.invocation m ON m.study_id = s.new AND m.started_unix_ns = x.started_unix_ns"
    " AND m.started_ns = x.started_ns AND m.boot_id IS x.boot_id";

/* An invocation that is here already may have gone on since: its meters are found by name and place, what is new of
 * its baselines and its end is taken over. */
static const char find_meters[] =
    "INSERT INTO temp.map_meter SELECT x.id, coalesce(m.id, x.id + u.meter), m.id IS NULL"
    " FROM (SELECT *, row_number() OVER (PARTITION BY invocation_id, name, quantity ORDER BY id) AS place"
    " FROM src.meter) x JOIN temp.up u JOIN temp.map_invocation i ON i.old = x.invocation_id"
    " LEFT JOIN (SELECT *, row_number() OVER (PARTITION BY invocation_id, name, quantity ORDER BY id) AS place"
    " FROM main.meter) m ON NOT i.fresh AND m.invocation_id = i.new AND m.name = x.name AND m.quantity = x.quantity"
    " AND m.place = x.place;"
    "INSERT INTO temp.map_baseline SELECT x.id, x.id + u.baseline FROM src.baseline x JOIN temp.up u"
    " JOIN temp.map_invocation i ON i.old = x.invocation_id WHERE NOT EXISTS (SELECT 1 FROM main.baseline m"
    " WHERE m.invocation_id = i.new AND m.place = x.place AND m.begin_ns = x.begin_ns);";
static const char end_invocations[] =
    "UPDATE main.invocation AS m SET ended_unix_ns = x.ended_unix_ns, stopped = x.stopped, own_cpu_ns = x.own_cpu_ns,"
    " own_max_rss_bytes = x.own_max_rss_bytes FROM src.invocation x JOIN temp.map_invocation i ON i.old = x.id"
    " WHERE i.new = m.id AND NOT i.fresh AND m.ended_unix_ns IS NULL AND x.ended_unix_ns IS NOT NULL";

static enum ew_status copy_invocations(struct ew_store *store, struct ew_error *err) {
    static const struct replaced invocation[] = {{"id", "SELECT new FROM temp.map_invocation WHERE old = x.id"},
                                                 {"study_id", "SELECT new FROM temp.map_study WHERE old = x.study_id"},
                                                 {"machine_id", LOOK_UP("machine", "machine_id", "fingerprint")},
                                                 END_OF_LIST};
    static const char owner[] = "SELECT new FROM temp.map_invocation WHERE old = x.invocation_id";
    static const struct replaced meter[] = {
        {"id", "SELECT new FROM temp.map_meter WHERE old = x.id"}, {"invocation_id", owner}, END_OF_LIST};
    static const struct replaced baseline[] = {
        {"id", "SELECT new FROM temp.map_baseline WHERE old = x.id"}, {"invocation_id", owner}, END_OF_LIST};
    enum ew_status status = execute(store, find_invocations, err);
    if (status == EW_OK) status = execute(store, find_meters, err);
    if (status == EW_OK) status = execute(store, end_invocations, err);
    if (status == EW_OK)
        status = copy_rows(store, "invocation", invocation, "x.id IN (SELECT old FROM temp.map_invocation WHERE fresh)",
                           err);
    if (status == EW_OK)
        status = copy_rows(store, "meter", meter, "x.id IN (SELECT old FROM temp.map_meter WHERE fresh)", err);
    if (status == EW_OK)
        status = copy_rows(store, "baseline", baseline, "x.id IN (SELECT old FROM temp.map_baseline)", err);
    return status;
}

/* ew_key(key, fingerprint): the key of a run that is kept apart. The same input gives the same key, so that merging
 * again finds what is there. */
static void key_function(sqlite3_context *context, int n, sqlite3_value **arguments) {
    (void)n;
    const char *key = (const char *)sqlite3_value_text(arguments[0]);
    const char *apart = (const char *)sqlite3_value_text(arguments[1]);
    char text[256], made[17];
    if (key && apart) {
        snprintf(text, sizeof text, "%.100s|%.100s", key, apart);
        snprintf(made, sizeof made, "%016llx", (unsigned long long)XXH64(text, strlen(text), 0));
        key = made;
    }
    sqlite3_result_text(context, key ? key : "", -1, SQLITE_TRANSIENT);
}

static const char find_trials[] = "INSERT INTO temp.map_trial SELECT x.id, x.id + u.trial, ew_key(x.key, s.apart)"
                                  " FROM src.trial x JOIN temp.up u JOIN temp.map_study s ON s.old = x.study_id";

/* A run that was only planned here gives way to a finished one. */
static const char drop_planned[] =
    "DELETE FROM main.trial WHERE status IN ('planned', 'running') AND key IN (SELECT t.key FROM temp.map_trial t"
    " JOIN src.trial x ON x.id = t.old WHERE x.status NOT IN ('planned', 'running'))";
static const char drop_known[] = "DELETE FROM temp.map_trial WHERE key IN (SELECT key FROM main.trial)";

/* A run that is under way elsewhere is not a result: here it is planned. */
static enum ew_status copy_trials(struct ew_store *store, struct ew_error *err) {
    static const char known[] = "x.trial_id IN (SELECT old FROM temp.map_trial)";
    static const char owner[] = "SELECT new FROM temp.map_trial WHERE old = x.trial_id";
    static const struct replaced trial[] = {
        {"id", "SELECT new FROM temp.map_trial WHERE old = x.id"},
        {"key", "SELECT key FROM temp.map_trial WHERE old = x.id"},
        {"study_id", "SELECT new FROM temp.map_study WHERE old = x.study_id"},
        {"config_id", LOOK_UP("config", "config_id", "key")},
        {"invocation_id", "SELECT new FROM temp.map_invocation WHERE old = x.invocation_id"},
        {"status", "CASE x.status WHEN 'running' THEN 'planned' ELSE x.status END"},
        END_OF_LIST};
    static const struct replaced part[] = {{"trial_id", owner}, END_OF_LIST};
    static const struct replaced series[] = {
        OWN_ID,
        {"trial_id", owner},
        {"baseline_id", "SELECT new FROM temp.map_baseline WHERE old = x.baseline_id"},
        {"meter_id", "SELECT new FROM temp.map_meter WHERE old = x.meter_id"},
        END_OF_LIST};
    enum ew_status status = copy_rows(store, "trial", trial, "x.id IN (SELECT old FROM temp.map_trial)", err);
    if (status == EW_OK) status = copy_rows(store, "phase", part, known, err);
    if (status == EW_OK) status = copy_rows(store, "sustained_window", part, known, err);
    if (status == EW_OK) status = copy_rows(store, "stamps", part, known, err);
    if (status == EW_OK)
        status = copy_rows(store, "sample_series", series,
                           "x.trial_id IN (SELECT old FROM temp.map_trial) OR"
                           " x.baseline_id IN (SELECT old FROM temp.map_baseline)",
                           err);
    return status;
}

/* ---- what models know ---- */

/* Rows m here and x there of the same key: of both files' tables, model s there and k here. */
#define SAME_MODEL(table) " src.model s JOIN main.model k ON k.key = s.key JOIN main." table " m ON m.model_id = k.id"
#define SAME_FIGURE                                                                                                    \
    "s.id = x.model_id AND m.kv_type = x.kv_type AND m.measure = x.measure AND m.data_hash = x.data_hash"              \
    " AND m.settings = x.settings"
#define SAME_ANSWER                                                                                                    \
    "s.id = x.model_id AND m.kv_type = x.kv_type AND m.prompt_set = x.prompt_set AND m.position = x.position"

/* The newer one stays. */
static const char drop_older[] = "DELETE FROM main.quality WHERE id IN (SELECT m.id FROM src.quality x JOIN" SAME_MODEL(
    "quality") " WHERE"
               " x.made_unix_ns > m.made_unix_ns AND " SAME_FIGURE ");"
               "DELETE FROM main.answer WHERE id IN (SELECT m.id FROM src.answer x JOIN" SAME_MODEL(
                   "answer") " WHERE"
                             " x.made_unix_ns > m.made_unix_ns AND " SAME_ANSWER ");";

static enum ew_status copy_knowledge(struct ew_store *store, struct ew_error *err) {
    static const struct replaced replaced[] = {OWN_ID,
                                               {"model_id", LOOK_UP("model", "model_id", "key")},
                                               {"study_id", "SELECT new FROM temp.map_study WHERE old = x.study_id"},
                                               END_OF_LIST};
    enum ew_status status = execute(store, drop_older, err);
    if (status == EW_OK)
        status = copy_rows(store, "quality", replaced,
                           "NOT EXISTS (SELECT 1 FROM" SAME_MODEL("quality") " WHERE " SAME_FIGURE ")", err);
    if (status == EW_OK)
        status = copy_rows(store, "answer", replaced,
                           "NOT EXISTS (SELECT 1 FROM" SAME_MODEL("answer") " WHERE " SAME_ANSWER ")", err);
    return status;
}

static enum ew_status count(struct ew_store *store, struct ew_merge_counts *c, struct ew_error *err) {
    enum ew_status status = ew_store_sql_int(
        store, &c->same, err,
        "SELECT count(*) FROM temp.map_trial t JOIN src.trial x ON x.id = t.old JOIN main.trial m ON m.key = t.key"
        " WHERE x.status NOT IN ('planned', 'running') AND m.status NOT IN ('planned', 'running')"
        " AND m.begin_ns IS x.begin_ns AND m.end_ns IS x.end_ns",
        "");
    if (status == EW_OK)
        status = ew_store_sql_int(
            store, &c->twice, err,
            "SELECT count(*) FROM temp.map_trial t JOIN src.trial x ON x.id = t.old JOIN main.trial m ON m.key = t.key"
            " WHERE x.status NOT IN ('planned', 'running') AND m.status NOT IN ('planned', 'running')"
            " AND NOT (m.begin_ns IS x.begin_ns AND m.end_ns IS x.end_ns)",
            "");
    return status;
}

static enum ew_status count_new(struct ew_store *store, struct ew_merge_counts *c, struct ew_error *err) {
    enum ew_status status = ew_store_sql_int(store, &c->planned, err,
                                             "SELECT count(*) FROM temp.map_trial t JOIN src.trial x ON x.id = t.old"
                                             " WHERE x.status IN ('planned', 'running')",
                                             "");
    if (status == EW_OK) status = ew_store_sql_int(store, &c->trials, err, "SELECT count(*) FROM temp.map_trial", "");
    c->trials -= c->planned;
    return status;
}

static enum ew_status copy_all(struct ew_store *store, struct ew_merge_counts *counts, struct ew_error *err) {
    enum ew_status status = execute(store, make_maps, err);
    if (status == EW_OK) status = copy_named(store, err);
    if (status == EW_OK) status = place_studies(store, counts, err);
    if (status == EW_OK) status = copy_invocations(store, err);
    if (status == EW_OK) status = execute(store, find_trials, err);
    if (status == EW_OK) status = count(store, counts, err);
    if (status == EW_OK) status = execute(store, drop_planned, err);
    if (status == EW_OK) status = execute(store, drop_known, err);
    if (status == EW_OK) status = count_new(store, counts, err);
    if (status == EW_OK) status = copy_trials(store, err);
    if (status == EW_OK) status = copy_knowledge(store, err);
    if (status == EW_OK) status = execute(store, drop_maps, err);
    return status;
}

enum ew_status ew_store_merge(struct ew_store *store, const char *path, struct ew_merge_counts *out,
                              struct ew_error *err) {
    struct ew_merge_counts counts = {0};
    enum ew_status status = check_source(store, path, err);
    if (status != EW_OK) return status;
    sqlite3_create_function_v2(store->db, "ew_key", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, key_function, NULL,
                               NULL, NULL);
    char *uri = read_only_uri(path);
    if (!uri) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    status = ew_store_sql_run(store, err, "ATTACH ?1 AS src", "t", uri);
    free(uri);
    if (status != EW_OK) return ew_error_prefix(err, status, "%s", path);
    status = ew_store_sql_begin(store, err);
    if (status == EW_OK) status = ew_store_sql_end(store, copy_all(store, &counts, err), err);
    if (status != EW_OK) ew_error_prefix(err, status, "merging %s", path);
    sqlite3_exec(store->db, "DETACH src", NULL, NULL, NULL);
    if (status == EW_OK) *out = counts;
    return status;
}
