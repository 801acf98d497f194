/* Owns the rows around trials: study, machine, model, config, invocation, meter, baseline. Trials: store_trial.c. */
#include "store/series_write.h"
#include "store/store_sql.h"

enum ew_status ew_store_put_study(struct ew_store *store, const struct ew_study_record *r, int64_t *id,
                                  struct ew_error *err) {
    enum ew_status status =
        ew_store_sql_run(store, err,
                         "INSERT INTO study (name, file, source, settings_json, seed, created_unix_ns)"
                         " VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (name) DO NOTHING",
                         "ttttii", r->name, r->file, r->source, r->settings_json, r->seed, r->created_unix_ns);
    if (status != EW_OK) return status;
    return ew_store_sql_int(store, id, err, "SELECT id FROM study WHERE name = ?1", "t", r->name);
}

enum ew_status ew_store_put_machine(struct ew_store *store, const struct ew_machine_record *r, int64_t *id,
                                    struct ew_error *err) {
    enum ew_status status = ew_store_sql_run(
        store, err,
        "INSERT INTO machine (fingerprint, name, arch, n_cores, memory_bytes, cpu_features, os, facts_json)"
        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT (fingerprint) DO NOTHING",
        "tttiittt", r->fingerprint, r->name, r->arch, r->n_cores, r->memory_bytes, r->cpu_features, r->os,
        r->facts_json);
    if (status != EW_OK) return status;
    return ew_store_sql_int(store, id, err, "SELECT id FROM machine WHERE fingerprint = ?1", "t", r->fingerprint);
}

enum ew_status ew_store_put_model(struct ew_store *store, const struct ew_model_record *r, int64_t *id,
                                  struct ew_error *err) {
    enum ew_status status = ew_store_sql_run(
        store, err,
        "INSERT INTO model (key, path, name, architecture, file_type, shape, synthetic, in_the_box, file_bytes,"
        " mtime_unix_ns, n_params, weights_bytes, n_layer, n_embd, n_vocab, n_ctx_train)"
        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16) ON CONFLICT (key) DO NOTHING",
        "ttttttiiiiiiiiii", r->key, r->path, r->name, r->architecture, r->file_type, r->shape, (int64_t)r->synthetic,
        (int64_t)r->in_the_box, r->file_bytes, r->mtime_unix_ns, r->n_params, r->weights_bytes, r->n_layer, r->n_embd,
        r->n_vocab, r->n_ctx_train);
    if (status != EW_OK) return status;
    return ew_store_sql_int(store, id, err, "SELECT id FROM model WHERE key = ?1", "t", r->key);
}

enum ew_status ew_store_put_config(struct ew_store *store, const struct ew_config_record *r, int64_t *id,
                                   struct ew_error *err) {
    enum ew_status status = ew_store_sql_run(
        store, err,
        "INSERT INTO config (key, model_id, prefill_threads, decode_threads, prompt_tokens, generate_tokens, depth,"
        " context, layout, cpu_mask, sample_text, engine, batch, cores, sustained_ms, load, backend, kv_type, governor,"
        " frequency_cap_hz, power_mode, epp, speculate, spin_us)"
        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24)"
        " ON CONFLICT (key) DO NOTHING",
        "tiiiiiiitiititittttittti", r->key, r->model_id, r->prefill_threads, r->decode_threads, r->prompt_tokens,
        r->generate_tokens, r->depth, r->context, r->layout, r->cpu_mask, (int64_t)r->sample_text, r->engine, r->batch,
        r->cores, r->sustained_ms, r->load, r->backend, r->kv_type, r->governor, r->frequency_cap_hz, r->power_mode,
        r->epp, r->speculate, r->spin_us);
    if (status != EW_OK) return status;
    return ew_store_sql_int(store, id, err, "SELECT id FROM config WHERE key = ?1", "t", r->key);
}

enum ew_status ew_store_put_invocation(struct ew_store *store, const struct ew_invocation_record *r, int64_t *id,
                                       struct ew_error *err) {
    return ew_store_sql_int(store, id, err,
                            "INSERT INTO invocation (study_id, machine_id, started_unix_ns, started_ns, ended_unix_ns,"
                            " boot_id, version, build, state_json, energy_none, left_out_json)"
                            " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11) RETURNING id",
                            "iiiiitttttt", r->study_id, r->machine_id, r->started_unix_ns, r->started_ns,
                            r->ended_unix_ns, r->boot_id, r->version, r->build, r->state_json, r->energy_none,
                            r->left_out_json);
}

enum ew_status ew_store_end_invocation(struct ew_store *store, int64_t invocation_id, int64_t ended_unix_ns,
                                       struct ew_error *err) {
    return ew_store_sql_run(store, err, "UPDATE invocation SET ended_unix_ns = ?2 WHERE id = ?1", "ii", invocation_id,
                            ended_unix_ns);
}

enum ew_status ew_store_finish_invocation(struct ew_store *store, const struct ew_invocation_record *r,
                                          struct ew_error *err) {
    return ew_store_sql_run(store, err,
                            "UPDATE invocation SET ended_unix_ns = ?2, stopped = ?3, own_cpu_ns = ?4,"
                            " own_max_rss_bytes = ?5, left_out_json = coalesce(?6, left_out_json) WHERE id = ?1",
                            "iitiit", r->id, r->ended_unix_ns, r->stopped, r->own_cpu_ns, r->own_max_rss_bytes,
                            r->left_out_json);
}

enum ew_status ew_store_put_meter(struct ew_store *store, const struct ew_meter_record *r, int64_t *id,
                                  struct ew_error *err) {
    return ew_store_sql_int(store, id, err,
                            "INSERT INTO meter (invocation_id, name, quantity, used, refused, boundary, period_ns,"
                            " describe_json) VALUES (?1,?2,?3,?4,?5,?6,?7,?8) RETURNING id",
                            "ittittit", r->invocation_id, r->name, r->quantity, (int64_t)r->used, r->refused,
                            r->boundary, r->period_ns, r->describe_json);
}

enum ew_status ew_store_put_baseline(struct ew_store *store, const struct ew_baseline_record *r,
                                     const struct ew_series_record *series, size_t n_series, int64_t *id,
                                     struct ew_error *err) {
    int64_t row = 0;
    enum ew_status status = ew_store_sql_begin(store, err);
    if (status != EW_OK) return status;
    status = ew_store_sql_int(store, &row, err,
                              "INSERT INTO baseline (invocation_id, place, begin_ns, end_ns) VALUES (?1,?2,?3,?4)"
                              " RETURNING id",
                              "itii", r->invocation_id, r->place, r->begin_ns, r->end_ns);
    for (size_t i = 0; status == EW_OK && i < n_series; i++)
        status = ew_store_write_series(store, EW_MISSING, row, &series[i], err);
    status = ew_store_sql_end(store, status, err);
    if (status == EW_OK) *id = row;
    return status;
}
