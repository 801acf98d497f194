-- The store of Edgewise, schema version 5 (PRAGMA user_version). One SQLite file, WAL, foreign keys on.
-- docs/store.md explains it; src/study/study_record.h has the meaning of every column.
-- What came with later versions stands at the end of each table; store_upgrade.c adds the same to an older file.
-- Figures are not kept here: they are derived from stamps and samples. The views at the end are conveniences.

CREATE TABLE study (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    file            TEXT,
    source          TEXT,
    settings_json   TEXT,
    seed            INTEGER NOT NULL,
    created_unix_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE machine (
    id           INTEGER PRIMARY KEY,
    fingerprint  TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    arch         TEXT,
    n_cores      INTEGER,
    memory_bytes INTEGER,
    cpu_features TEXT,
    os           TEXT,
    facts_json   TEXT
) STRICT;

CREATE TABLE model (
    id            INTEGER PRIMARY KEY,
    key           TEXT NOT NULL UNIQUE,
    path          TEXT NOT NULL,
    name          TEXT NOT NULL,
    architecture  TEXT,
    file_type     TEXT,
    shape         TEXT,
    synthetic     INTEGER NOT NULL CHECK (synthetic IN (0, 1)),
    in_the_box    INTEGER NOT NULL CHECK (in_the_box IN (0, 1)),
    file_bytes    INTEGER,
    mtime_unix_ns INTEGER,
    n_params      INTEGER,
    weights_bytes INTEGER,
    n_layer       INTEGER,
    n_embd        INTEGER,
    n_vocab       INTEGER,
    n_ctx_train   INTEGER
) STRICT;

CREATE TABLE config (
    id              INTEGER PRIMARY KEY,
    key             TEXT NOT NULL UNIQUE,
    model_id        INTEGER NOT NULL REFERENCES model(id),
    prefill_threads INTEGER NOT NULL,
    decode_threads  INTEGER NOT NULL,
    prompt_tokens   INTEGER NOT NULL,
    generate_tokens INTEGER NOT NULL,
    depth           INTEGER NOT NULL,
    context         INTEGER NOT NULL,
    layout          TEXT NOT NULL,
    cpu_mask        INTEGER NOT NULL,
    sample_text     INTEGER NOT NULL CHECK (sample_text IN (0, 1)),
    engine          TEXT,
    batch            INTEGER NOT NULL DEFAULT 0,
    cores            TEXT,
    sustained_ms     INTEGER NOT NULL DEFAULT 0,
    load             TEXT,
    backend          TEXT,
    kv_type          TEXT,
    governor         TEXT,
    frequency_cap_hz INTEGER NOT NULL DEFAULT 0,
    power_mode       TEXT,
    epp              TEXT,
    speculate        TEXT,
    spin_us          INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One start of `edgewise study`.
CREATE TABLE invocation (
    id              INTEGER PRIMARY KEY,
    study_id        INTEGER NOT NULL REFERENCES study(id),
    machine_id      INTEGER NOT NULL REFERENCES machine(id),
    started_unix_ns INTEGER NOT NULL,
    started_ns      INTEGER NOT NULL,
    ended_unix_ns   INTEGER,
    boot_id         TEXT,
    version         TEXT NOT NULL,
    build           TEXT,
    state_json      TEXT,
    energy_none     TEXT,
    left_out_json     TEXT,
    stopped           TEXT,
    own_cpu_ns        INTEGER,
    own_max_rss_bytes INTEGER
) STRICT;

-- What each meter said about itself, or why it was refused.
CREATE TABLE meter (
    id            INTEGER PRIMARY KEY,
    invocation_id INTEGER NOT NULL REFERENCES invocation(id),
    name          TEXT NOT NULL,
    quantity      TEXT NOT NULL,
    used          INTEGER NOT NULL CHECK (used IN (0, 1)),
    refused       TEXT,
    boundary      TEXT,
    period_ns     INTEGER,
    describe_json TEXT,
    CHECK (used = 1 OR refused IS NOT NULL)
) STRICT;
CREATE INDEX meter_invocation ON meter(invocation_id);

CREATE TABLE baseline (
    id            INTEGER PRIMARY KEY,
    invocation_id INTEGER NOT NULL REFERENCES invocation(id),
    place         TEXT NOT NULL CHECK (place IN ('before', 'after')),
    begin_ns      INTEGER NOT NULL,
    end_ns        INTEGER NOT NULL
) STRICT;

CREATE TABLE trial (
    id              INTEGER PRIMARY KEY,
    study_id        INTEGER NOT NULL REFERENCES study(id),
    config_id       INTEGER NOT NULL REFERENCES config(id),
    invocation_id   INTEGER REFERENCES invocation(id),
    key             TEXT NOT NULL UNIQUE,
    repeat          INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    seed            INTEGER NOT NULL,
    status          TEXT NOT NULL
        CHECK (status IN ('planned', 'running', 'ok', 'failed', 'crashed', 'timeout', 'oom')),
    reason          TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    started_unix_ns INTEGER,
    begin_ns        INTEGER,
    end_ns          INTEGER,
    exit_code       INTEGER,
    signal          INTEGER,
    user_cpu_ns     INTEGER,
    system_cpu_ns   INTEGER,
    max_rss_bytes   INTEGER,
    major_faults    INTEGER,
    engine          TEXT,
    engine_version  TEXT,
    engine_build    TEXT,
    cpu_features    TEXT,
    kernels         TEXT,
    ttft_ns         INTEGER,
    ledger_weights_mapped_bytes INTEGER,
    ledger_weights_packed_bytes INTEGER,
    ledger_kv_cache_bytes       INTEGER,
    ledger_activations_bytes    INTEGER,
    ledger_scratch_bytes        INTEGER,
    ledger_tokenizer_bytes      INTEGER,
    ledger_runtime_bytes        INTEGER,
    ledger_total_bytes          INTEGER,
    peak_rss_bytes  INTEGER,
    peak_pss_bytes  INTEGER,
    swap_peak_bytes INTEGER,
    sample_prompt   TEXT,
    sample_text     TEXT,
    stderr_tail     TEXT,
    gate            TEXT,
    gate_waited_s   REAL,
    start_c         REAL,
    end_c           REAL,
    cached_share    REAL,
    throttle_core_events    INTEGER,
    throttle_package_events INTEGER,
    pi_flags_before INTEGER,
    pi_flags_after  INTEGER,
    throttled       INTEGER NOT NULL DEFAULT 0,
    swap_in_pages   INTEGER,
    swap_out_pages  INTEGER,
    meter_lost      TEXT,
    spent_j         REAL,
    own_cpu_ns      INTEGER,
    notes           TEXT,
    gpu_peak_bytes  INTEGER,
    memory_json     TEXT,
    others_share    REAL,
    stolen_share    REAL,
    drafted         INTEGER,
    accepted        INTEGER,
    draft_passes    INTEGER,
    UNIQUE (study_id, config_id, repeat),
    CHECK (status IN ('planned', 'running', 'ok') OR reason IS NOT NULL)
) STRICT;
CREATE INDEX trial_status ON trial(study_id, status);

CREATE TABLE phase (
    trial_id       INTEGER NOT NULL REFERENCES trial(id) ON DELETE CASCADE,
    seq            INTEGER NOT NULL,
    name           TEXT NOT NULL,
    begin_ns       INTEGER NOT NULL,
    end_ns         INTEGER NOT NULL,
    n_tokens       INTEGER,
    vm_hwm_bytes   INTEGER,
    rss_anon_bytes INTEGER,
    rss_file_bytes INTEGER,
    peak_rss_bytes INTEGER,
    peak_pss_bytes INTEGER,
    PRIMARY KEY (trial_id, seq)
) STRICT, WITHOUT ROWID;

-- Speed over time of the phase `sustained`: about a second of decoding each.
CREATE TABLE sustained_window (
    trial_id  INTEGER NOT NULL REFERENCES trial(id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    end_ns    INTEGER NOT NULL,
    n_tokens  INTEGER NOT NULL,
    decode_ns INTEGER NOT NULL,
    PRIMARY KEY (trial_id, seq)
) STRICT, WITHOUT ROWID;

-- blob: zstd of n little-endian int64, each the difference to the one before (the first: to 0); xxh64 of the
-- uncompressed bytes as a signed number.
CREATE TABLE stamps (
    trial_id INTEGER PRIMARY KEY REFERENCES trial(id) ON DELETE CASCADE,
    n        INTEGER NOT NULL CHECK (n > 0),
    first_ns INTEGER NOT NULL,
    last_ns  INTEGER NOT NULL,
    xxh64    INTEGER NOT NULL,
    blob     BLOB NOT NULL
) STRICT;

-- blob: zstd of n int64 time differences as above, then n little-endian float64 values.
CREATE TABLE sample_series (
    id          INTEGER PRIMARY KEY,
    trial_id    INTEGER REFERENCES trial(id) ON DELETE CASCADE,
    baseline_id INTEGER REFERENCES baseline(id) ON DELETE CASCADE,
    meter_id    INTEGER NOT NULL REFERENCES meter(id),
    channel     TEXT NOT NULL,
    unit        TEXT NOT NULL,
    n           INTEGER NOT NULL,
    n_missing   INTEGER NOT NULL,
    xxh64       INTEGER NOT NULL,
    blob        BLOB NOT NULL,
    CHECK ((trial_id IS NULL) <> (baseline_id IS NULL))
) STRICT;
CREATE INDEX sample_series_trial ON sample_series(trial_id);
CREATE INDEX sample_series_baseline ON sample_series(baseline_id);

-- What a model knows: a figure on one set of data. It belongs to a model and its KV type, not to a configuration.
-- src/study/quality_record.h has the meaning of every column.
CREATE TABLE quality (
    id           INTEGER PRIMARY KEY,
    model_id     INTEGER NOT NULL REFERENCES model(id),
    study_id     INTEGER REFERENCES study(id),
    kv_type      TEXT NOT NULL,
    measure      TEXT NOT NULL,
    data         TEXT NOT NULL,
    data_hash    TEXT NOT NULL,
    settings     TEXT NOT NULL,
    reference    TEXT,
    n            INTEGER,
    value        REAL NOT NULL,
    low          REAL,
    high         REAL,
    chance       REAL,
    figures_json TEXT,
    seconds_ns   INTEGER,
    joules       REAL,
    made_unix_ns INTEGER NOT NULL,
    version      TEXT,
    UNIQUE (model_id, kv_type, measure, data_hash, settings)
) STRICT;

-- What a model answered to the prompts of a fixed set, greedily.
CREATE TABLE answer (
    id           INTEGER PRIMARY KEY,
    model_id     INTEGER NOT NULL REFERENCES model(id),
    study_id     INTEGER REFERENCES study(id),
    kv_type      TEXT NOT NULL,
    prompt_set   TEXT NOT NULL,
    position     INTEGER NOT NULL,
    prompt       TEXT NOT NULL,
    text         TEXT NOT NULL,
    n_tokens     INTEGER,
    n_most       INTEGER,
    made_unix_ns INTEGER NOT NULL,
    version      TEXT,
    UNIQUE (model_id, kv_type, prompt_set, position)
) STRICT;

-- Conveniences for the sqlite3 shell.
CREATE VIEW trial_speed AS
SELECT t.id AS trial_id, s.name AS study, m.name AS model, m.file_type, c.prefill_threads, c.decode_threads,
       c.prompt_tokens, c.generate_tokens, c.depth, t.repeat, t.status, t.reason,
       (SELECT (p.end_ns - p.begin_ns) / 1e9 FROM phase p WHERE p.trial_id = t.id AND p.name = 'load') AS load_s,
       t.ttft_ns / 1e9 AS ttft_s,
       (SELECT p.n_tokens * 1e9 / (p.end_ns - p.begin_ns) FROM phase p
         WHERE p.trial_id = t.id AND p.name = 'prefill' AND p.end_ns > p.begin_ns) AS prefill_tokens_per_s,
       (SELECT (x.n - 1) * 1e9 / (x.last_ns - x.first_ns) FROM stamps x
         WHERE x.trial_id = t.id AND x.last_ns > x.first_ns) AS decode_tokens_per_s,
       t.peak_rss_bytes / 1048576.0 AS peak_rss_mib, t.ledger_total_bytes / 1048576.0 AS predicted_mib
FROM trial t JOIN study s ON s.id = t.study_id JOIN config c ON c.id = t.config_id JOIN model m ON m.id = c.model_id;

-- Quality beside size, speed and energy, a row per figure and model: speed and joules are means over the good runs of
-- all configurations of that model and KV type, NULL where there are none; joules are gross, of a whole run.
CREATE VIEW model_quality AS
SELECT q.id AS quality_id, m.name AS model, m.file_type, q.kv_type, q.measure, q.data, q.settings, q.reference, q.n,
       q.value, q.low, q.high, q.chance, m.file_bytes / 1e9 AS file_gb, r.peak_gb, r.decode_tokens_per_s,
       r.joules_per_run, q.seconds_ns / 1e9 AS eval_s, q.joules AS eval_joules
FROM quality q JOIN model m ON m.id = q.model_id
LEFT JOIN (
    SELECT c.model_id, coalesce(c.kv_type, 'f16') AS kv_type, max(t.peak_rss_bytes) / 1e9 AS peak_gb,
           avg(v.decode_tokens_per_s) AS decode_tokens_per_s,
           avg(t.spent_j) AS joules_per_run
    FROM trial t JOIN config c ON c.id = t.config_id JOIN trial_speed v ON v.trial_id = t.id
    WHERE t.status = 'ok' GROUP BY c.model_id, coalesce(c.kv_type, 'f16')
) r ON r.model_id = q.model_id AND r.kv_type = q.kv_type;
