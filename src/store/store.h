/* The store: one SQLite file that keeps what studies measured, raw. Readers may open it while a study writes.
 *
 * Each write below is one transaction: after a kill or a full disk the store holds all of it or nothing of it.
 * Messages name the file. A store is used by one thread at a time. */
#ifndef EW_STORE_STORE_H
#define EW_STORE_STORE_H

#include "edgewise/status.h"
#include "study/quality_record.h"

struct ew_store;

enum ew_store_mode {
    EW_STORE_READ, /* must exist; nothing is written */
    EW_STORE_WRITE /* made where it does not exist */
};

/* A file of an older schema is read as it is, what it lacks being unknown; opening it for writing upgrades it first, in
 * one transaction.
 * path ":memory:" with EW_STORE_WRITE is a store that ends with its handle.
 * Errors: NOT_FOUND, PERMISSION, IO (disk full, locked), FORMAT (no store, or damaged), UNSUPPORTED (a newer schema).
 * *out is owned by the caller: ew_store_close. */
enum ew_status ew_store_open(const char *path, enum ew_store_mode mode, struct ew_store **out, struct ew_error *err);
void ew_store_close(struct ew_store **store);
const char *ew_store_path(const struct ew_store *store);
/* Of its schema when it was opened, before any upgrade. */
int ew_store_version(const struct ew_store *store);

/* PRAGMA integrity_check and foreign_key_check. FORMAT with the first complaint. */
enum ew_status ew_store_check(struct ew_store *store, struct ew_error *err);

/* Beyond ew_store_check: decodes every stamp and sample. *blobs: how many there are. FORMAT naming the first that is
 * damaged. */
enum ew_status ew_store_check_blobs(struct ew_store *store, int64_t *blobs, struct ew_error *err);

/* ---- writing: record->id is ignored; *id receives the row's ---- */

/* An existing study of that name keeps its seed, creation time and source: *record is what the store has then. */
enum ew_status ew_store_put_study(struct ew_store *store, const struct ew_study_record *record, int64_t *id,
                                  struct ew_error *err);
/* These three return the row that has the same fingerprint or key, where there is one. */
enum ew_status ew_store_put_machine(struct ew_store *store, const struct ew_machine_record *record, int64_t *id,
                                    struct ew_error *err);
enum ew_status ew_store_put_model(struct ew_store *store, const struct ew_model_record *record, int64_t *id,
                                  struct ew_error *err);
enum ew_status ew_store_put_config(struct ew_store *store, const struct ew_config_record *record, int64_t *id,
                                   struct ew_error *err);
enum ew_status ew_store_put_invocation(struct ew_store *store, const struct ew_invocation_record *record, int64_t *id,
                                       struct ew_error *err);
enum ew_status ew_store_end_invocation(struct ew_store *store, int64_t invocation_id, int64_t ended_unix_ns,
                                       struct ew_error *err);
/* The same with what is known at its end: stopped, own_cpu_ns, own_max_rss_bytes, and left_out_json where it is not
 * NULL. */
enum ew_status ew_store_finish_invocation(struct ew_store *store, const struct ew_invocation_record *record,
                                          struct ew_error *err);
enum ew_status ew_store_put_meter(struct ew_store *store, const struct ew_meter_record *record, int64_t *id,
                                  struct ew_error *err);
enum ew_status ew_store_put_baseline(struct ew_store *store, const struct ew_baseline_record *record,
                                     const struct ew_series_record *series, size_t n_series, int64_t *id,
                                     struct ew_error *err);

/* Brings the plan of a study into the store: adds planned trials (study_id, config_id, key, repeat, position, seed)
 * that are not there, sets running ones (a killed study) back to planned, and removes planned ones whose key is not in
 * the list. Finished ones stay. */
enum ew_status ew_store_put_plan(struct ew_store *store, int64_t study_id, const struct ew_trial_record *trials,
                                 size_t n_trials, struct ew_error *err);

/* planned -> running, attempts + 1. */
enum ew_status ew_store_begin_trial(struct ew_store *store, const char *key, int64_t invocation_id,
                                    int64_t started_unix_ns, struct ew_error *err);
/* running -> its result, with phases, stamps and samples. ARGUMENT when the trial is not running. */
enum ew_status ew_store_finish_trial(struct ew_store *store, const struct ew_trial_record *record,
                                     struct ew_error *err);
/* running -> planned: stopped by the user. */
enum ew_status ew_store_abandon_trial(struct ew_store *store, const char *key, struct ew_error *err);

/* A row of the same model, KV type, measure, data and settings gives way to this one. What a study measured stays with
 * it when a newer figure has no study. */
enum ew_status ew_store_put_quality(struct ew_store *store, const struct ew_quality_record *record, int64_t *id,
                                    struct ew_error *err);
/* Likewise: the same model, KV type, set and position. */
enum ew_status ew_store_put_answer(struct ew_store *store, const struct ew_answer_record *record, int64_t *id,
                                   struct ew_error *err);

/* Whether there is such a figure: model, KV type, data and study or settings as the record's, those that are NULL or
 * EW_MISSING standing for any; measure and reference likewise. */
enum ew_status ew_store_has_quality(struct ew_store *store, const struct ew_quality_record *record, bool *yes,
                                    struct ew_error *err);
/* Whether model and KV type answered this very prompt at this place of the set, with as many tokens at most. */
enum ew_status ew_store_has_answer(struct ew_store *store, const struct ew_answer_record *record, bool *yes,
                                   struct ew_error *err);

/* ---- reading ---- */

/* One study with everything but samples. All strings and arrays belong to it: ew_store_free_study. */
struct ew_stored_study {
    struct ew_study_record study;
    struct ew_machine_record *machines;
    size_t n_machines;
    struct ew_model_record *models;
    size_t n_models;
    struct ew_config_record *configs;
    size_t n_configs;
    struct ew_invocation_record *invocations;
    size_t n_invocations;
    struct ew_meter_record *meters;
    size_t n_meters;
    struct ew_baseline_record *baselines;
    size_t n_baselines;
    struct ew_trial_record *trials; /* by position; phases and token stamps included */
    size_t n_trials;
    /* What is known of its models, whoever measured it, and what it measured itself. "f16" is NULL in them. */
    struct ew_quality_record *qualities;
    size_t n_qualities;
    struct ew_answer_record *answers; /* by set and position */
    size_t n_answers;
    void *arena; /* private */
};

/* Ids and names of all studies, oldest first; only id, name, file, seed and created_unix_ns of *out[i] are set, and
 * they live as long as the store is open and ew_store_list_studies is not called again. */
enum ew_status ew_store_list_studies(struct ew_store *store, const struct ew_study_record **out, size_t *n,
                                     struct ew_error *err);

/* study_id 0: the only or newest study. Stamps whose checksum does not fit give FORMAT naming the trial. */
enum ew_status ew_store_read_study(struct ew_store *store, int64_t study_id, struct ew_stored_study **out,
                                   struct ew_error *err);
void ew_store_free_study(struct ew_stored_study **study);

/* Samples of one trial (or, with trial_id EW_MISSING, of one baseline): (*out)[n] with time_ns and value; NULL and 0
 * when there are none. The caller's: ew_store_free_series. FORMAT when a checksum does not fit. */
enum ew_status ew_store_read_series(struct ew_store *store, int64_t trial_id, int64_t baseline_id,
                                    struct ew_series_record **out, size_t *n, struct ew_error *err);
void ew_store_free_series(struct ew_series_record **series, size_t n);

#endif
