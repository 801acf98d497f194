/* Owns reading a study back. The file may be damaged or hostile: blobs are checked, texts may be NULL, and counts come
 * from the rows themselves. One read transaction, so a running study cannot change what is seen half-way. */
#include "base/error.h"
#include "store/series_blob.h"
#include "store/store_sql.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STAMPS = 1 << 26 }; /* 512 MiB of stamps: no trial has that many */

/* Blocks of memory that live and die with one ew_stored_study. */
struct arena_block {
    struct arena_block *next;
    max_align_t data[];
};

struct reader {
    struct ew_store *store;
    struct arena_block *blocks;
    struct ew_error *err;
    enum ew_status status; /* first failure; later reads do nothing */
};

static void fail(struct reader *r, enum ew_status status) {
    if (r->status == EW_OK) r->status = status;
}

static void *take(struct reader *r, size_t size) {
    struct arena_block *block = calloc(1, sizeof *block + (size ? size : 1));
    if (!block) {
        fail(r, ew_error_set(r->err, EW_ERR_MEMORY, "%s: no memory for %zu bytes", r->store->path, size));
        return NULL;
    }
    block->next = r->blocks;
    r->blocks = block;
    return block->data;
}

static void free_blocks(struct arena_block *block) {
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

static int64_t column_int(sqlite3_stmt *stmt, int i) {
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? EW_MISSING : sqlite3_column_int64(stmt, i);
}

static double column_double(sqlite3_stmt *stmt, int i) {
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? NAN : sqlite3_column_double(stmt, i);
}

static const char *column_text(struct reader *r, sqlite3_stmt *stmt, int i) {
    const unsigned char *text = sqlite3_column_text(stmt, i);
    if (!text) return NULL;
    size_t size = (size_t)sqlite3_column_bytes(stmt, i) + 1;
    char *copy = take(r, size);
    if (copy) memcpy(copy, text, size - 1);
    return copy;
}

/* Runs `sql` with the study's id as ?1 and calls `row` for each row with an element of a zeroed array; returns it. */
typedef void row_fn(struct reader *r, sqlite3_stmt *stmt, void *element);

static void *read_rows(struct reader *r, const char *sql, int64_t id, size_t element_size, row_fn *row, size_t *n) {
    *n = 0;
    if (r->status != EW_OK) return NULL;
    sqlite3_stmt *stmt = NULL;
    enum ew_status status = ew_store_sql_prepare(r->store, &stmt, r->err, sql, "i", id);
    if (status != EW_OK) {
        fail(r, status);
        return NULL;
    }
    size_t capacity = 0;
    char *rows = NULL;
    int code;
    while (r->status == EW_OK && (code = sqlite3_step(stmt)) != SQLITE_DONE) {
        if (code != SQLITE_ROW) {
            fail(r, ew_store_sql_error(r->store, code, "cannot read", r->err));
            break;
        }
        if (*n == capacity) {
            char *larger = take(r, 2 * (capacity + 4) * element_size);
            if (!larger) break;
            if (rows) memcpy(larger, rows, *n * element_size);
            rows = larger;
            capacity = 2 * (capacity + 4);
        }
        row(r, stmt, rows + *n * element_size);
        ++*n;
    }
    sqlite3_finalize(stmt);
    return rows;
}

static void study_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_study_record *o = element;
    o->id = column_int(s, 0);
    o->name = column_text(r, s, 1);
    o->file = column_text(r, s, 2);
    o->source = column_text(r, s, 3);
    o->settings_json = column_text(r, s, 4);
    o->seed = column_int(s, 5);
    o->created_unix_ns = column_int(s, 6);
}

static void machine_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_machine_record *o = element;
    o->id = column_int(s, 0);
    o->fingerprint = column_text(r, s, 1);
    o->name = column_text(r, s, 2);
    o->arch = column_text(r, s, 3);
    o->n_cores = column_int(s, 4);
    o->memory_bytes = column_int(s, 5);
    o->cpu_features = column_text(r, s, 6);
    o->os = column_text(r, s, 7);
    o->facts_json = column_text(r, s, 8);
}

static void model_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_model_record *o = element;
    o->id = column_int(s, 0);
    o->key = column_text(r, s, 1);
    o->path = column_text(r, s, 2);
    o->name = column_text(r, s, 3);
    o->architecture = column_text(r, s, 4);
    o->file_type = column_text(r, s, 5);
    o->shape = column_text(r, s, 6);
    o->synthetic = sqlite3_column_int(s, 7) != 0;
    o->in_the_box = sqlite3_column_int(s, 8) != 0;
    o->file_bytes = column_int(s, 9);
    o->mtime_unix_ns = column_int(s, 10);
    o->n_params = column_int(s, 11);
    o->weights_bytes = column_int(s, 12);
    o->n_layer = column_int(s, 13);
    o->n_embd = column_int(s, 14);
    o->n_vocab = column_int(s, 15);
    o->n_ctx_train = column_int(s, 16);
}

static void config_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_config_record *o = element;
    o->id = column_int(s, 0);
    o->key = column_text(r, s, 1);
    o->model_id = column_int(s, 2);
    o->prefill_threads = column_int(s, 3);
    o->decode_threads = column_int(s, 4);
    o->prompt_tokens = column_int(s, 5);
    o->generate_tokens = column_int(s, 6);
    o->depth = column_int(s, 7);
    o->context = column_int(s, 8);
    o->layout = column_text(r, s, 9);
    o->cpu_mask = column_int(s, 10);
    o->sample_text = sqlite3_column_int(s, 11) != 0;
    o->engine = column_text(r, s, 12);
    o->batch = sqlite3_column_int64(s, 13);
    o->cores = column_text(r, s, 14);
    o->sustained_ms = sqlite3_column_int64(s, 15);
    o->load = column_text(r, s, 16);
    o->backend = column_text(r, s, 17);
    o->kv_type = column_text(r, s, 18);
    o->governor = column_text(r, s, 19);
    o->frequency_cap_hz = sqlite3_column_int64(s, 20);
    o->power_mode = column_text(r, s, 21);
    o->epp = column_text(r, s, 22);
    o->speculate = column_text(r, s, 23);
    o->spin_us = sqlite3_column_int64(s, 24);
}

static void invocation_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_invocation_record *o = element;
    o->id = column_int(s, 0);
    o->study_id = column_int(s, 1);
    o->machine_id = column_int(s, 2);
    o->started_unix_ns = column_int(s, 3);
    o->started_ns = column_int(s, 4);
    o->ended_unix_ns = column_int(s, 5);
    o->boot_id = column_text(r, s, 6);
    o->version = column_text(r, s, 7);
    o->build = column_text(r, s, 8);
    o->state_json = column_text(r, s, 9);
    o->energy_none = column_text(r, s, 10);
    o->left_out_json = column_text(r, s, 11);
    o->stopped = column_text(r, s, 12);
    o->own_cpu_ns = column_int(s, 13);
    o->own_max_rss_bytes = column_int(s, 14);
}

static void meter_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_meter_record *o = element;
    o->id = column_int(s, 0);
    o->invocation_id = column_int(s, 1);
    o->name = column_text(r, s, 2);
    o->quantity = column_text(r, s, 3);
    o->used = sqlite3_column_int(s, 4) != 0;
    o->refused = column_text(r, s, 5);
    o->boundary = column_text(r, s, 6);
    o->period_ns = column_int(s, 7);
    o->describe_json = column_text(r, s, 8);
}

static void baseline_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_baseline_record *o = element;
    o->id = column_int(s, 0);
    o->invocation_id = column_int(s, 1);
    o->place = column_text(r, s, 2);
    o->begin_ns = column_int(s, 3);
    o->end_ns = column_int(s, 4);
}

static void phase_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_phase_record *o = element;
    o->name = column_text(r, s, 0);
    o->begin_ns = column_int(s, 1);
    o->end_ns = column_int(s, 2);
    o->n_tokens = column_int(s, 3);
    o->vm_hwm_bytes = column_int(s, 4);
    o->rss_anon_bytes = column_int(s, 5);
    o->rss_file_bytes = column_int(s, 6);
    o->peak_rss_bytes = column_int(s, 7);
    o->peak_pss_bytes = column_int(s, 8);
}

static void ledger_columns(sqlite3_stmt *s, int at, struct ew_ledger_record *o) {
    o->weights_mapped = column_int(s, at);
    o->weights_packed = column_int(s, at + 1);
    o->kv_cache = column_int(s, at + 2);
    o->activations = column_int(s, at + 3);
    o->scratch = column_int(s, at + 4);
    o->tokenizer = column_int(s, at + 5);
    o->runtime = column_int(s, at + 6);
    o->total = column_int(s, at + 7);
    o->present = o->total != EW_MISSING;
}

static void condition_columns(struct reader *r, sqlite3_stmt *s, int at, struct ew_trial_conditions *o) {
    o->gate = column_text(r, s, at);
    o->gate_waited_s = column_double(s, at + 1);
    o->start_c = column_double(s, at + 2);
    o->end_c = column_double(s, at + 3);
    o->cached_share = column_double(s, at + 4);
    o->throttle_core_events = column_int(s, at + 5);
    o->throttle_package_events = column_int(s, at + 6);
    o->pi_flags_before = column_int(s, at + 7);
    o->pi_flags_after = column_int(s, at + 8);
    o->throttled = sqlite3_column_int(s, at + 9) != 0;
    o->swap_in_pages = column_int(s, at + 10);
    o->swap_out_pages = column_int(s, at + 11);
    o->meter_lost = column_text(r, s, at + 12);
    o->spent_j = column_double(s, at + 13);
    o->own_cpu_ns = column_int(s, at + 14);
    o->notes = column_text(r, s, at + 15);
    o->memory_json = column_text(r, s, at + 16);
}

static void window_row(struct reader *r, sqlite3_stmt *s, void *element) {
    (void)r;
    struct ew_sustained_window *o = element;
    o->end_ns = column_int(s, 0);
    o->n_tokens = column_int(s, 1);
    o->decode_ns = column_int(s, 2);
}

static const char trial_sql[] =
    "SELECT t.id, t.study_id, t.config_id, t.invocation_id, t.key, t.repeat, t.position, t.seed, t.status, t.reason,"
    " t.attempts, t.started_unix_ns, t.begin_ns, t.end_ns, t.exit_code, t.signal, t.user_cpu_ns, t.system_cpu_ns,"
    " t.max_rss_bytes, t.major_faults, t.engine, t.engine_version, t.engine_build, t.cpu_features, t.kernels,"
    " t.ttft_ns, t.ledger_weights_mapped_bytes, t.ledger_weights_packed_bytes, t.ledger_kv_cache_bytes,"
    " t.ledger_activations_bytes, t.ledger_scratch_bytes, t.ledger_tokenizer_bytes, t.ledger_runtime_bytes,"
    " t.ledger_total_bytes, t.peak_rss_bytes, t.peak_pss_bytes, t.swap_peak_bytes, t.sample_prompt, t.sample_text,"
    " t.stderr_tail, x.n, x.first_ns, x.last_ns, x.xxh64, x.blob, t.gate, t.gate_waited_s, t.start_c, t.end_c,"
    " t.cached_share, t.throttle_core_events, t.throttle_package_events, t.pi_flags_before, t.pi_flags_after,"
    " t.throttled, t.swap_in_pages, t.swap_out_pages, t.meter_lost, t.spent_j, t.own_cpu_ns, t.notes, t.memory_json,"
    " t.gpu_peak_bytes, t.others_share, t.stolen_share, t.drafted, t.accepted, t.draft_passes"
    " FROM trial t LEFT JOIN stamps x ON x.trial_id = t.id WHERE t.study_id = ?1 ORDER BY t.position, t.id";

static void stamp_columns(struct reader *r, sqlite3_stmt *s, int at, struct ew_trial_record *o) {
    int64_t n = column_int(s, at);
    o->first_stamp_ns = column_int(s, at + 1);
    o->last_stamp_ns = column_int(s, at + 2);
    if (n == EW_MISSING) return;
    if (n < 1 || n > MAX_STAMPS) {
        fail(r, ew_error_set(r->err, EW_ERR_FORMAT, "%s: trial %s: %lld stamps: 1 to %d can be", r->store->path, o->key,
                             (long long)n, MAX_STAMPS));
        return;
    }
    struct ew_series_blob blob = {.data = (void *)sqlite3_column_blob(s, at + 4),
                                  .size = (size_t)sqlite3_column_bytes(s, at + 4),
                                  .xxh64 = sqlite3_column_int64(s, at + 3)};
    int64_t *stamps = take(r, (size_t)n * sizeof *stamps);
    if (!stamps) return;
    enum ew_status status = ew_series_blob_decode(&blob, stamps, NULL, (size_t)n, r->err);
    if (status != EW_OK) {
        fail(r, ew_error_prefix(r->err, status, "%s: trial %s", r->store->path, o->key));
        return;
    }
    o->stamps_ns = stamps;
    o->n_stamps = (size_t)n;
}

static void trial_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_trial_record *o = element;
    o->id = column_int(s, 0);
    o->study_id = column_int(s, 1);
    o->config_id = column_int(s, 2);
    o->invocation_id = column_int(s, 3);
    o->key = column_text(r, s, 4);
    o->repeat = column_int(s, 5);
    o->position = column_int(s, 6);
    o->seed = column_int(s, 7);
    const char *word = (const char *)sqlite3_column_text(s, 8);
    if (!word || !ew_trial_status_parse(word, &o->status))
        fail(r, ew_error_set(r->err, EW_ERR_FORMAT, "%s: trial %s: status `%s` is not known", r->store->path,
                             o->key ? o->key : "?", word ? word : ""));
    o->reason = column_text(r, s, 9);
    o->attempts = column_int(s, 10);
    o->started_unix_ns = column_int(s, 11);
    o->begin_ns = column_int(s, 12);
    o->end_ns = column_int(s, 13);
    o->exit_code = column_int(s, 14);
    o->signal = column_int(s, 15);
    o->user_cpu_ns = column_int(s, 16);
    o->system_cpu_ns = column_int(s, 17);
    o->max_rss_bytes = column_int(s, 18);
    o->major_faults = column_int(s, 19);
    o->engine = column_text(r, s, 20);
    o->engine_version = column_text(r, s, 21);
    o->engine_build = column_text(r, s, 22);
    o->cpu_features = column_text(r, s, 23);
    o->kernels = column_text(r, s, 24);
    o->ttft_ns = column_int(s, 25);
    ledger_columns(s, 26, &o->ledger);
    o->peak_rss_bytes = column_int(s, 34);
    o->peak_pss_bytes = column_int(s, 35);
    o->swap_peak_bytes = column_int(s, 36);
    o->sample_prompt = column_text(r, s, 37);
    o->sample_text = column_text(r, s, 38);
    o->stderr_tail = column_text(r, s, 39);
    stamp_columns(r, s, 40, o);
    condition_columns(r, s, 45, &o->conditions);
    o->gpu_peak_bytes = column_int(s, 62);
    o->conditions.others_share = column_double(s, 63);
    o->conditions.stolen_share = column_double(s, 64);
    o->drafts = (struct ew_draft_record){column_int(s, 65), column_int(s, 66), column_int(s, 67)};
}

static void read_trials(struct reader *r, int64_t id, struct ew_stored_study *out) {
    out->trials = read_rows(r, trial_sql, id, sizeof *out->trials, trial_row, &out->n_trials);
    for (size_t i = 0; r->status == EW_OK && i < out->n_trials; i++) {
        out->trials[i].windows =
            read_rows(r, "SELECT end_ns, n_tokens, decode_ns FROM sustained_window WHERE trial_id = ?1 ORDER BY seq",
                      out->trials[i].id, sizeof(struct ew_sustained_window), window_row, &out->trials[i].n_windows);
        out->trials[i].phases =
            read_rows(r,
                      "SELECT name, begin_ns, end_ns, n_tokens, vm_hwm_bytes, rss_anon_bytes, rss_file_bytes,"
                      " peak_rss_bytes, peak_pss_bytes FROM phase WHERE trial_id = ?1 ORDER BY seq",
                      out->trials[i].id, sizeof(struct ew_phase_record), phase_row, &out->trials[i].n_phases);
    }
}

/* The default is NULL in records, as in those of configurations. */
static const char *column_kv(struct reader *r, sqlite3_stmt *s, int i) {
    const char *text = column_text(r, s, i);
    return text && strcmp(text, EW_STORE_KV_DEFAULT) == 0 ? NULL : text;
}

static void quality_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_quality_record *o = element;
    o->id = column_int(s, 0);
    o->model_id = column_int(s, 1);
    o->study_id = column_int(s, 2);
    o->kv_type = column_kv(r, s, 3);
    o->measure = column_text(r, s, 4);
    o->data = column_text(r, s, 5);
    o->data_hash = column_text(r, s, 6);
    o->settings = column_text(r, s, 7);
    o->reference = column_text(r, s, 8);
    o->n = column_int(s, 9);
    o->value = column_double(s, 10);
    o->low = column_double(s, 11);
    o->high = column_double(s, 12);
    o->chance = column_double(s, 13);
    o->figures_json = column_text(r, s, 14);
    o->seconds_ns = column_int(s, 15);
    o->joules = column_double(s, 16);
    o->made_unix_ns = column_int(s, 17);
    o->version = column_text(r, s, 18);
}

static void answer_row(struct reader *r, sqlite3_stmt *s, void *element) {
    struct ew_answer_record *o = element;
    o->id = column_int(s, 0);
    o->model_id = column_int(s, 1);
    o->study_id = column_int(s, 2);
    o->kv_type = column_kv(r, s, 3);
    o->set = column_text(r, s, 4);
    o->position = column_int(s, 5);
    o->prompt = column_text(r, s, 6);
    o->text = column_text(r, s, 7);
    o->n_tokens = column_int(s, 8);
    o->n_most = column_int(s, 9);
    o->made_unix_ns = column_int(s, 10);
    o->version = column_text(r, s, 11);
}

/* A study's models, and rows that are about them or its own. */
#define MODELS_OF_STUDY "(SELECT c.model_id FROM trial t JOIN config c ON c.id = t.config_id WHERE t.study_id = ?1)"
#define ABOUT_STUDY " WHERE study_id = ?1 OR model_id IN " MODELS_OF_STUDY

static void read_quality(struct reader *r, int64_t id, struct ew_stored_study *out) {
    out->qualities = read_rows(r,
                               "SELECT id, model_id, study_id, kv_type, measure, data, data_hash, settings, reference,"
                               " n, value, low, high, chance, figures_json, seconds_ns, joules, made_unix_ns, version"
                               " FROM quality" ABOUT_STUDY " ORDER BY id",
                               id, sizeof *out->qualities, quality_row, &out->n_qualities);
    out->answers =
        read_rows(r,
                  "SELECT id, model_id, study_id, kv_type, prompt_set, position, prompt, text, n_tokens,"
                  " n_most, made_unix_ns, version FROM answer" ABOUT_STUDY " ORDER BY prompt_set, position, id",
                  id, sizeof *out->answers, answer_row, &out->n_answers);
}

static void read_all(struct reader *r, int64_t id, struct ew_stored_study *out) {
    size_t n = 0;
    struct ew_study_record *study =
        read_rows(r,
                  "SELECT id, name, file, source, settings_json, seed, created_unix_ns FROM study"
                  " WHERE ?1 = 0 OR id = ?1 ORDER BY created_unix_ns DESC, id DESC LIMIT 1",
                  id, sizeof *study, study_row, &n);
    if (r->status != EW_OK) return;
    if (n == 0) {
        fail(r, ew_error_set(r->err, EW_ERR_NOT_FOUND, "%s: no study %lld in it", r->store->path, (long long)id));
        return;
    }
    out->study = *study;
    id = study->id;
    out->machines = read_rows(r,
                              "SELECT id, fingerprint, name, arch, n_cores, memory_bytes, cpu_features, os, facts_json"
                              " FROM machine WHERE id IN (SELECT machine_id FROM invocation WHERE study_id = ?1)"
                              " ORDER BY id",
                              id, sizeof *out->machines, machine_row, &out->n_machines);
    out->models = read_rows(r,
                            "SELECT id, key, path, name, architecture, file_type, shape, synthetic, in_the_box,"
                            " file_bytes, mtime_unix_ns, n_params, weights_bytes, n_layer, n_embd, n_vocab, n_ctx_train"
                            " FROM model WHERE id IN " MODELS_OF_STUDY
                            " OR id IN (SELECT model_id FROM quality WHERE study_id = ?1 UNION SELECT model_id"
                            " FROM answer WHERE study_id = ?1) ORDER BY id",
                            id, sizeof *out->models, model_row, &out->n_models);
    out->configs = read_rows(r,
                             "SELECT id, key, model_id, prefill_threads, decode_threads, prompt_tokens,"
                             " generate_tokens, depth, context, layout, cpu_mask, sample_text, engine, batch, cores,"
                             " sustained_ms, load, backend, kv_type, governor, frequency_cap_hz, power_mode, epp,"
                             " speculate, spin_us"
                             " FROM config"
                             " WHERE id IN (SELECT config_id FROM trial WHERE study_id = ?1) ORDER BY id",
                             id, sizeof *out->configs, config_row, &out->n_configs);
    out->invocations = read_rows(r,
                                 "SELECT id, study_id, machine_id, started_unix_ns, started_ns, ended_unix_ns, boot_id,"
                                 " version, build, state_json, energy_none, left_out_json, stopped, own_cpu_ns,"
                                 " own_max_rss_bytes FROM invocation WHERE study_id = ?1"
                                 " ORDER BY id",
                                 id, sizeof *out->invocations, invocation_row, &out->n_invocations);
    out->meters = read_rows(r,
                            "SELECT m.id, m.invocation_id, m.name, m.quantity, m.used, m.refused, m.boundary,"
                            " m.period_ns, m.describe_json FROM meter m JOIN invocation i ON i.id = m.invocation_id"
                            " WHERE i.study_id = ?1 ORDER BY m.id",
                            id, sizeof *out->meters, meter_row, &out->n_meters);
    out->baselines = read_rows(r,
                               "SELECT b.id, b.invocation_id, b.place, b.begin_ns, b.end_ns FROM baseline b"
                               " JOIN invocation i ON i.id = b.invocation_id WHERE i.study_id = ?1 ORDER BY b.id",
                               id, sizeof *out->baselines, baseline_row, &out->n_baselines);
    read_trials(r, id, out);
    read_quality(r, id, out);
}

enum ew_status ew_store_read_study(struct ew_store *store, int64_t study_id, struct ew_stored_study **out,
                                   struct ew_error *err) {
    struct ew_stored_study *study = calloc(1, sizeof *study);
    if (!study) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", store->path);
    struct reader r = {.store = store, .err = err};
    enum ew_status status = ew_store_sql_run(store, err, "BEGIN", "");
    if (status == EW_OK) {
        read_all(&r, study_id, study);
        status = r.status;
        sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    }
    study->arena = r.blocks;
    if (status != EW_OK) {
        ew_store_free_study(&study);
        return status;
    }
    *out = study;
    return EW_OK;
}

void ew_store_free_study(struct ew_stored_study **study) {
    if (!study || !*study) return;
    free_blocks((*study)->arena);
    free(*study);
    *study = NULL;
}

enum ew_status ew_store_list_studies(struct ew_store *store, const struct ew_study_record **out, size_t *n,
                                     struct ew_error *err) {
    struct reader r = {.store = store, .err = err};
    size_t count = 0;
    struct ew_study_record *rows = read_rows(&r,
                                             "SELECT id, name, file, NULL, NULL, seed, created_unix_ns FROM study"
                                             " WHERE ?1 = 0 ORDER BY created_unix_ns, id",
                                             0, sizeof *rows, study_row, &count);
    if (r.status == EW_OK) {
        free_blocks(store->list_blocks);
        store->list_blocks = r.blocks;
        *out = rows;
        *n = count;
    } else {
        free_blocks(r.blocks);
    }
    return r.status;
}

void ew_store_close_list(struct ew_store *store) {
    free_blocks(store->list_blocks);
    store->list_blocks = NULL;
}
