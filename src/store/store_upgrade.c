/* Owns the way from one schema version to the next. A step that was published is never edited: the next version adds
 * one. What an older file does not say stays unknown; nothing is made up. */
#include "store/store_upgrade.h"
#include "store/store_sql.h"

#include <stdio.h>

static const char upgrade_1_to_2[] = "ALTER TABLE config ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;"
                                     "ALTER TABLE config ADD COLUMN cores TEXT;"
                                     "ALTER TABLE config ADD COLUMN sustained_ms INTEGER NOT NULL DEFAULT 0;"
                                     "ALTER TABLE config ADD COLUMN load TEXT;"
                                     "ALTER TABLE config ADD COLUMN backend TEXT;"
                                     "ALTER TABLE config ADD COLUMN kv_type TEXT;"
                                     "ALTER TABLE config ADD COLUMN governor TEXT;"
                                     "ALTER TABLE config ADD COLUMN frequency_cap_hz INTEGER NOT NULL DEFAULT 0;"
                                     "ALTER TABLE config ADD COLUMN power_mode TEXT;"
                                     "ALTER TABLE config ADD COLUMN epp TEXT;"
                                     "ALTER TABLE invocation ADD COLUMN left_out_json TEXT;"
                                     "ALTER TABLE invocation ADD COLUMN stopped TEXT;"
                                     "ALTER TABLE invocation ADD COLUMN own_cpu_ns INTEGER;"
                                     "ALTER TABLE invocation ADD COLUMN own_max_rss_bytes INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN gate TEXT;"
                                     "ALTER TABLE trial ADD COLUMN gate_waited_s REAL;"
                                     "ALTER TABLE trial ADD COLUMN start_c REAL;"
                                     "ALTER TABLE trial ADD COLUMN end_c REAL;"
                                     "ALTER TABLE trial ADD COLUMN cached_share REAL;"
                                     "ALTER TABLE trial ADD COLUMN throttle_core_events INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN throttle_package_events INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN pi_flags_before INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN pi_flags_after INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN throttled INTEGER NOT NULL DEFAULT 0;"
                                     "ALTER TABLE trial ADD COLUMN swap_in_pages INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN swap_out_pages INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN meter_lost TEXT;"
                                     "ALTER TABLE trial ADD COLUMN spent_j REAL;"
                                     "ALTER TABLE trial ADD COLUMN own_cpu_ns INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN notes TEXT;"
                                     "CREATE TABLE sustained_window ("
                                     "    trial_id  INTEGER NOT NULL REFERENCES trial(id) ON DELETE CASCADE,"
                                     "    seq       INTEGER NOT NULL,"
                                     "    end_ns    INTEGER NOT NULL,"
                                     "    n_tokens  INTEGER NOT NULL,"
                                     "    decode_ns INTEGER NOT NULL,"
                                     "    PRIMARY KEY (trial_id, seq)"
                                     ") STRICT, WITHOUT ROWID;"
                                     "PRAGMA user_version = 2;";

static const char upgrade_2_to_3[] = "ALTER TABLE trial ADD COLUMN gpu_peak_bytes INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN memory_json TEXT;"
                                     "ALTER TABLE trial ADD COLUMN others_share REAL;"
                                     "ALTER TABLE trial ADD COLUMN stolen_share REAL;"
                                     "PRAGMA user_version = 3;";

static const char upgrade_3_to_4[] = "ALTER TABLE config ADD COLUMN speculate TEXT;"
                                     "ALTER TABLE config ADD COLUMN spin_us INTEGER NOT NULL DEFAULT 0;"
                                     "ALTER TABLE trial ADD COLUMN drafted INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN accepted INTEGER;"
                                     "ALTER TABLE trial ADD COLUMN draft_passes INTEGER;"
                                     "PRAGMA user_version = 4;";

static const char upgrade_4_to_5[] =
    "CREATE TABLE quality ( id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL REFERENCES model(id),"
    " study_id INTEGER REFERENCES study(id), kv_type TEXT NOT NULL, measure TEXT NOT NULL, data TEXT NOT NULL,"
    " data_hash TEXT NOT NULL, settings TEXT NOT NULL, reference TEXT, n INTEGER, value REAL NOT NULL, low REAL,"
    " high REAL, chance REAL, figures_json TEXT, seconds_ns INTEGER, joules REAL, made_unix_ns INTEGER NOT NULL,"
    " version TEXT, UNIQUE (model_id, kv_type, measure, data_hash, settings) ) STRICT;"
    "CREATE TABLE answer ( id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL REFERENCES model(id),"
    " study_id INTEGER REFERENCES study(id), kv_type TEXT NOT NULL, prompt_set TEXT NOT NULL,"
    " position INTEGER NOT NULL, prompt TEXT NOT NULL, text TEXT NOT NULL, n_tokens INTEGER, n_most INTEGER,"
    " made_unix_ns INTEGER NOT NULL, version TEXT, UNIQUE (model_id, kv_type, prompt_set, position) ) STRICT;"
    "CREATE VIEW model_quality AS"
    " SELECT q.id AS quality_id, m.name AS model, m.file_type, q.kv_type, q.measure, q.data, q.settings, q.reference, "
    "q.n,"
    " q.value, q.low, q.high, q.chance, m.file_bytes / 1e9 AS file_gb, r.peak_gb, r.decode_tokens_per_s,"
    " r.joules_per_run, q.seconds_ns / 1e9 AS eval_s, q.joules AS eval_joules"
    " FROM quality q JOIN model m ON m.id = q.model_id LEFT JOIN ("
    " SELECT c.model_id, coalesce(c.kv_type, 'f16') AS kv_type, max(t.peak_rss_bytes) / 1e9 AS peak_gb,"
    " avg(v.decode_tokens_per_s) AS decode_tokens_per_s, avg(t.spent_j) AS joules_per_run"
    " FROM trial t JOIN config c ON c.id = t.config_id JOIN trial_speed v ON v.trial_id = t.id"
    " WHERE t.status = 'ok' GROUP BY c.model_id, coalesce(c.kv_type, 'f16')"
    " ) r ON r.model_id = q.model_id AND r.kv_type = q.kv_type;"
    "PRAGMA user_version = 5;";

/* What version 5 added: nothing is known of it. */
#define NO_QUALITY                                                                                                     \
    "CREATE TEMP VIEW quality AS SELECT NULL AS id, NULL AS model_id, NULL AS study_id, NULL AS kv_type,"              \
    " NULL AS measure, NULL AS data, NULL AS data_hash, NULL AS settings, NULL AS reference, NULL AS n,"               \
    " NULL AS value, NULL AS low, NULL AS high, NULL AS chance, NULL AS figures_json, NULL AS seconds_ns,"             \
    " NULL AS joules, NULL AS made_unix_ns, NULL AS version WHERE 0;"                                                  \
    "CREATE TEMP VIEW answer AS SELECT NULL AS id, NULL AS model_id, NULL AS study_id, NULL AS kv_type,"               \
    " NULL AS prompt_set, NULL AS position, NULL AS prompt, NULL AS text, NULL AS n_tokens, NULL AS n_most,"           \
    " NULL AS made_unix_ns, NULL AS version WHERE 0;"

/* What version 4 added, and version 3 before it, to the columns that a table of a file has. */
#define CONFIG_OF_4 ", NULL AS speculate, 0 AS spin_us FROM main.config;"
#define TRIAL_OF_4 ", NULL AS drafted, NULL AS accepted, NULL AS draft_passes FROM main.trial;"
#define TRIAL_OF_3                                                                                                     \
    ", NULL AS gpu_peak_bytes, NULL AS memory_json, NULL AS others_share, NULL AS stolen_share" TRIAL_OF_4

/* Names in the temporary schema come before those of the file. */
static const char view_1_as_newest[] =
    "CREATE TEMP VIEW config AS SELECT *, 0 AS batch, NULL AS cores, 0 AS sustained_ms, NULL AS load, NULL AS backend,"
    " NULL AS kv_type, NULL AS governor, 0 AS frequency_cap_hz, NULL AS power_mode, NULL AS epp" CONFIG_OF_4
    "CREATE TEMP VIEW invocation AS SELECT *, NULL AS left_out_json, NULL AS stopped, NULL AS own_cpu_ns,"
    " NULL AS own_max_rss_bytes FROM main.invocation;"
    "CREATE TEMP VIEW trial AS SELECT *, NULL AS gate, NULL AS gate_waited_s, NULL AS start_c, NULL AS end_c,"
    " NULL AS cached_share, NULL AS throttle_core_events, NULL AS throttle_package_events, NULL AS pi_flags_before,"
    " NULL AS pi_flags_after, 0 AS throttled, NULL AS swap_in_pages, NULL AS swap_out_pages, NULL AS meter_lost,"
    " NULL AS spent_j, NULL AS own_cpu_ns, NULL AS notes" TRIAL_OF_3
    "CREATE TEMP VIEW sustained_window AS SELECT 0 AS trial_id, 0 AS seq, 0 AS end_ns, 0 AS n_tokens, 0 AS decode_ns"
    " WHERE 0;" NO_QUALITY;

static const char view_2_as_newest[] =
    "CREATE TEMP VIEW config AS SELECT *" CONFIG_OF_4 "CREATE TEMP VIEW trial AS SELECT *" TRIAL_OF_3 NO_QUALITY;

static const char view_3_as_newest[] =
    "CREATE TEMP VIEW config AS SELECT *" CONFIG_OF_4 "CREATE TEMP VIEW trial AS SELECT *" TRIAL_OF_4 NO_QUALITY;

static const char view_4_as_newest[] = NO_QUALITY;

enum ew_status ew_store_upgrade(struct ew_store *store, struct ew_error *err) {
    static const char *const steps[EW_STORE_VERSION] = {
        [1] = upgrade_1_to_2, [2] = upgrade_2_to_3, [3] = upgrade_3_to_4, [4] = upgrade_4_to_5};
    enum ew_status status = ew_store_sql_begin(store, err);
    if (status != EW_OK) return status;
    for (int64_t from = store->version; status == EW_OK && from < EW_STORE_VERSION; from++) {
        int code = sqlite3_exec(store->db, steps[from], NULL, NULL, NULL);
        if (code != SQLITE_OK) status = ew_store_sql_error(store, code, "cannot upgrade", err);
    }
    return ew_store_sql_end(store, status, err);
}

enum ew_status ew_store_show_as_newest(struct ew_store *store, struct ew_error *err) {
    static const char *const views[EW_STORE_VERSION] = {
        [1] = view_1_as_newest, [2] = view_2_as_newest, [3] = view_3_as_newest, [4] = view_4_as_newest};
    int code = sqlite3_exec(store->db, views[store->version], NULL, NULL, NULL);
    return code == SQLITE_OK ? EW_OK : ew_store_sql_error(store, code, "cannot read its older schema", err);
}
