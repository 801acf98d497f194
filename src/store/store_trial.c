/* Owns the life of a trial in the store: planned -> running -> result, or back to planned. Exactly one row per trial,
 * whatever is killed when: its key is unique and each step is one transaction. */
#include "base/error.h"
#include "store/series_blob.h"
#include "store/series_write.h"
#include "store/store_sql.h"

#include <stdlib.h>

static enum ew_status mark_keys(struct ew_store *store, const struct ew_trial_record *trials, size_t n,
                                struct ew_error *err) {
    static const char insert[] = "INSERT INTO trial (study_id, config_id, key, repeat, position, seed, status)"
                                 " VALUES (?1,?2,?3,?4,?5,?6,'planned')"
                                 " ON CONFLICT (key) DO UPDATE SET position = excluded.position";
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < n; i++) {
        const struct ew_trial_record *t = &trials[i];
        status = ew_store_sql_run(store, err, insert, "iitiii", t->study_id, t->config_id, t->key, t->repeat,
                                  t->position, t->seed);
        if (status == EW_OK)
            status = ew_store_sql_run(store, err, "INSERT OR IGNORE INTO wanted VALUES (?1)", "t", t->key);
    }
    return status;
}

enum ew_status ew_store_put_plan(struct ew_store *store, int64_t study_id, const struct ew_trial_record *trials,
                                 size_t n_trials, struct ew_error *err) {
    enum ew_status status = ew_store_sql_begin(store, err);
    if (status != EW_OK) return status;
    status = ew_store_sql_run(store, err, "CREATE TEMP TABLE IF NOT EXISTS wanted (key TEXT PRIMARY KEY)", "");
    if (status == EW_OK) status = ew_store_sql_run(store, err, "DELETE FROM wanted", "");
    if (status == EW_OK)
        status = ew_store_sql_run(store, err,
                                  "UPDATE trial SET status = 'planned', invocation_id = NULL, started_unix_ns = NULL"
                                  " WHERE study_id = ?1 AND status = 'running'",
                                  "i", study_id);
    if (status == EW_OK) status = mark_keys(store, trials, n_trials, err);
    if (status == EW_OK)
        status = ew_store_sql_run(store, err,
                                  "DELETE FROM trial WHERE study_id = ?1 AND status = 'planned'"
                                  " AND key NOT IN (SELECT key FROM wanted)",
                                  "i", study_id);
    return ew_store_sql_end(store, status, err);
}

/* The update before must have met exactly one row. */
static enum ew_status expect_one(struct ew_store *store, const char *key, const char *wanted, struct ew_error *err) {
    if (sqlite3_changes(store->db) == 1) return EW_OK;
    return ew_error_set(err, EW_ERR_ARGUMENT, "%s: trial %s: is not %s", store->path, key, wanted);
}

enum ew_status ew_store_begin_trial(struct ew_store *store, const char *key, int64_t invocation_id,
                                    int64_t started_unix_ns, struct ew_error *err) {
    enum ew_status status = ew_store_sql_run(store, err,
                                             "UPDATE trial SET status = 'running', attempts = attempts + 1,"
                                             " invocation_id = ?2, started_unix_ns = ?3"
                                             " WHERE key = ?1 AND status = 'planned'",
                                             "tii", key, invocation_id, started_unix_ns);
    return status == EW_OK ? expect_one(store, key, "planned", err) : status;
}

enum ew_status ew_store_abandon_trial(struct ew_store *store, const char *key, struct ew_error *err) {
    enum ew_status status = ew_store_sql_run(store, err,
                                             "UPDATE trial SET status = 'planned', invocation_id = NULL,"
                                             " started_unix_ns = NULL WHERE key = ?1 AND status = 'running'",
                                             "t", key);
    return status == EW_OK ? expect_one(store, key, "running", err) : status;
}

static enum ew_status update_conditions(struct ew_store *store, const char *key, const struct ew_trial_conditions *c,
                                        struct ew_error *err) {
    return ew_store_sql_run(
        store, err,
        "UPDATE trial SET gate = ?2, gate_waited_s = ?3, start_c = ?4, end_c = ?5, cached_share = ?6,"
        " throttle_core_events = ?7, throttle_package_events = ?8, pi_flags_before = ?9, pi_flags_after = ?10,"
        " throttled = ?11, swap_in_pages = ?12, swap_out_pages = ?13, meter_lost = ?14, spent_j = ?15,"
        " own_cpu_ns = ?16, notes = ?17, memory_json = ?18, others_share = ?19, stolen_share = ?20"
        " WHERE key = ?1",
        "ttddddiiiiiiitdittdd", key, c->gate, c->gate_waited_s, c->start_c, c->end_c, c->cached_share,
        c->throttle_core_events, c->throttle_package_events, c->pi_flags_before, c->pi_flags_after,
        (int64_t)c->throttled, c->swap_in_pages, c->swap_out_pages, c->meter_lost, c->spent_j, c->own_cpu_ns, c->notes,
        c->memory_json, c->others_share, c->stolen_share);
}

static enum ew_status update_row(struct ew_store *store, const struct ew_trial_record *t, struct ew_error *err) {
    enum ew_status status = ew_store_sql_run(
        store, err,
        "UPDATE trial SET status = ?2, reason = ?3, begin_ns = ?4, end_ns = ?5, exit_code = ?6, signal = ?7,"
        " user_cpu_ns = ?8, system_cpu_ns = ?9, max_rss_bytes = ?10, major_faults = ?11, engine = ?12,"
        " engine_version = ?13, engine_build = ?14, cpu_features = ?15, kernels = ?16, ttft_ns = ?17,"
        " peak_rss_bytes = ?18, peak_pss_bytes = ?19, swap_peak_bytes = ?20, sample_prompt = ?21, sample_text = ?22,"
        " stderr_tail = ?23, gpu_peak_bytes = ?24, drafted = ?25, accepted = ?26, draft_passes = ?27"
        " WHERE key = ?1 AND status = 'running'",
        "tttiiiiiiiitttttiiiitttiiii", t->key, ew_trial_status_name(t->status), t->reason, t->begin_ns, t->end_ns,
        t->exit_code, t->signal, t->user_cpu_ns, t->system_cpu_ns, t->max_rss_bytes, t->major_faults, t->engine,
        t->engine_version, t->engine_build, t->cpu_features, t->kernels, t->ttft_ns, t->peak_rss_bytes,
        t->peak_pss_bytes, t->swap_peak_bytes, t->sample_prompt, t->sample_text, t->stderr_tail, t->gpu_peak_bytes,
        t->drafts.drafted, t->drafts.accepted, t->drafts.passes);
    if (status == EW_OK) status = expect_one(store, t->key, "running", err);
    if (status == EW_OK) status = update_conditions(store, t->key, &t->conditions, err);
    if (status != EW_OK || !t->ledger.present) return status;
    const struct ew_ledger_record *l = &t->ledger;
    return ew_store_sql_run(
        store, err,
        "UPDATE trial SET ledger_weights_mapped_bytes = ?2, ledger_weights_packed_bytes = ?3,"
        " ledger_kv_cache_bytes = ?4, ledger_activations_bytes = ?5, ledger_scratch_bytes = ?6,"
        " ledger_tokenizer_bytes = ?7, ledger_runtime_bytes = ?8, ledger_total_bytes = ?9 WHERE key = ?1",
        "tiiiiiiii", t->key, l->weights_mapped, l->weights_packed, l->kv_cache, l->activations, l->scratch,
        l->tokenizer, l->runtime, l->total);
}

static enum ew_status write_stamps(struct ew_store *store, int64_t trial_id, const struct ew_trial_record *t,
                                   struct ew_error *err) {
    if (t->n_stamps == 0 || !t->stamps_ns) return EW_OK;
    struct ew_series_blob blob;
    enum ew_status status = ew_series_blob_encode(t->stamps_ns, NULL, t->n_stamps, &blob, err);
    if (status != EW_OK) return status;
    status = ew_store_sql_run(store, err,
                              "INSERT INTO stamps (trial_id, n, first_ns, last_ns, xxh64, blob)"
                              " VALUES (?1,?2,?3,?4,?5,?6)",
                              "iiiiib", trial_id, (int64_t)t->n_stamps, t->stamps_ns[0], t->stamps_ns[t->n_stamps - 1],
                              blob.xxh64, (const void *)blob.data, blob.size);
    free(blob.data);
    return status;
}

static enum ew_status write_phases(struct ew_store *store, int64_t trial_id, const struct ew_trial_record *t,
                                   struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < t->n_phases; i++) {
        const struct ew_phase_record *p = &t->phases[i];
        status = ew_store_sql_run(store, err,
                                  "INSERT INTO phase (trial_id, seq, name, begin_ns, end_ns, n_tokens, vm_hwm_bytes,"
                                  " rss_anon_bytes, rss_file_bytes, peak_rss_bytes, peak_pss_bytes)"
                                  " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
                                  "iitiiiiiiii", trial_id, (int64_t)i, p->name, p->begin_ns, p->end_ns, p->n_tokens,
                                  p->vm_hwm_bytes, p->rss_anon_bytes, p->rss_file_bytes, p->peak_rss_bytes,
                                  p->peak_pss_bytes);
    }
    return status;
}

static enum ew_status write_windows(struct ew_store *store, int64_t trial_id, const struct ew_trial_record *t,
                                    struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < t->n_windows; i++)
        status = ew_store_sql_run(store, err,
                                  "INSERT INTO sustained_window (trial_id, seq, end_ns, n_tokens, decode_ns)"
                                  " VALUES (?1,?2,?3,?4,?5)",
                                  "iiiii", trial_id, (int64_t)i, t->windows[i].end_ns, t->windows[i].n_tokens,
                                  t->windows[i].decode_ns);
    return status;
}

enum ew_status ew_store_write_series(struct ew_store *store, int64_t trial_id, int64_t baseline_id,
                                     const struct ew_series_record *s, struct ew_error *err) {
    struct ew_series_blob blob;
    enum ew_status status = ew_series_blob_encode(s->time_ns, s->value, (size_t)s->n, &blob, err);
    if (status != EW_OK) return status;
    status = ew_store_sql_run(store, err,
                              "INSERT INTO sample_series (trial_id, baseline_id, meter_id, channel, unit, n,"
                              " n_missing, xxh64, blob) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                              "iiittiiib", trial_id, baseline_id, s->meter_id, s->channel, s->unit, s->n, s->n_missing,
                              blob.xxh64, (const void *)blob.data, blob.size);
    free(blob.data);
    return status;
}

enum ew_status ew_store_finish_trial(struct ew_store *store, const struct ew_trial_record *t, struct ew_error *err) {
    if (t->status == EW_TRIAL_PLANNED || t->status == EW_TRIAL_RUNNING)
        return ew_error_set(err, EW_ERR_ARGUMENT, "trial %s: %s is no result", t->key, ew_trial_status_name(t->status));
    int64_t trial_id = 0;
    enum ew_status status = ew_store_sql_begin(store, err);
    if (status != EW_OK) return status;
    status = ew_store_sql_int(store, &trial_id, err, "SELECT id FROM trial WHERE key = ?1", "t", t->key);
    if (status == EW_OK) status = update_row(store, t, err);
    if (status == EW_OK) status = write_phases(store, trial_id, t, err);
    if (status == EW_OK) status = write_stamps(store, trial_id, t, err);
    if (status == EW_OK) status = write_windows(store, trial_id, t, err);
    for (size_t i = 0; status == EW_OK && i < t->n_series; i++)
        status = ew_store_write_series(store, trial_id, EW_MISSING, &t->series[i], err);
    return ew_store_sql_end(store, status, err);
}
