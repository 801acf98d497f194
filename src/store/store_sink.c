/* Owns the joint between study and store: each function of the sink is its namesake of the store. */
#include "store/store_sink.h"
#include "base/error.h"
#include "store/store_sql.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static enum ew_status put_study(void *c, const struct ew_study_record *r, int64_t *id, struct ew_error *err) {
    return ew_store_put_study(c, r, id, err);
}
static enum ew_status put_machine(void *c, const struct ew_machine_record *r, int64_t *id, struct ew_error *err) {
    return ew_store_put_machine(c, r, id, err);
}
static enum ew_status put_model(void *c, const struct ew_model_record *r, int64_t *id, struct ew_error *err) {
    return ew_store_put_model(c, r, id, err);
}
static enum ew_status put_config(void *c, const struct ew_config_record *r, int64_t *id, struct ew_error *err) {
    return ew_store_put_config(c, r, id, err);
}
static enum ew_status put_invocation(void *c, const struct ew_invocation_record *r, int64_t *id, struct ew_error *err) {
    return ew_store_put_invocation(c, r, id, err);
}
static enum ew_status end_invocation(void *c, const struct ew_invocation_record *r, struct ew_error *err) {
    return ew_store_finish_invocation(c, r, err);
}
static enum ew_status put_meter(void *c, const struct ew_meter_record *r, int64_t *id, struct ew_error *err) {
    return ew_store_put_meter(c, r, id, err);
}
static enum ew_status put_baseline(void *c, const struct ew_baseline_record *r, const struct ew_series_record *series,
                                   size_t n, int64_t *id, struct ew_error *err) {
    return ew_store_put_baseline(c, r, series, n, id, err);
}
static enum ew_status put_plan(void *c, int64_t study_id, const struct ew_trial_record *trials, size_t n,
                               struct ew_error *err) {
    return ew_store_put_plan(c, study_id, trials, n, err);
}
static enum ew_status begin_trial(void *c, const char *key, int64_t invocation_id, int64_t unix_ns,
                                  struct ew_error *err) {
    return ew_store_begin_trial(c, key, invocation_id, unix_ns, err);
}
static enum ew_status finish_trial(void *c, const struct ew_trial_record *r, struct ew_error *err) {
    return ew_store_finish_trial(c, r, err);
}
static enum ew_status abandon_trial(void *c, const char *key, struct ew_error *err) {
    return ew_store_abandon_trial(c, key, err);
}
static enum ew_status put_quality(void *c, const struct ew_quality_record *r, int64_t *id, struct ew_error *err) {
    return ew_store_put_quality(c, r, id, err);
}
static enum ew_status put_answer(void *c, const struct ew_answer_record *r, int64_t *id, struct ew_error *err) {
    return ew_store_put_answer(c, r, id, err);
}
static enum ew_status has_quality(void *c, const struct ew_quality_record *r, bool *yes, struct ew_error *err) {
    return ew_store_has_quality(c, r, yes, err);
}
static enum ew_status has_answer(void *c, const struct ew_answer_record *r, bool *yes, struct ew_error *err) {
    return ew_store_has_answer(c, r, yes, err);
}

static enum ew_status find_seed(void *c, const char *name, int64_t *seed, struct ew_error *err) {
    return ew_store_sql_int(c, seed, err, "SELECT seed FROM study WHERE name = ?1", "t", name);
}

static double column_double(sqlite3_stmt *stmt, int i) {
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? NAN : sqlite3_column_double(stmt, i);
}

static enum ew_status read_states(struct ew_store *store, sqlite3_stmt *stmt, struct ew_trial_state **out, size_t *n,
                                  struct ew_error *err) {
    size_t capacity = 0;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (*n == capacity) {
            capacity = 2 * (capacity + 32);
            struct ew_trial_state *larger = realloc(*out, capacity * sizeof *larger);
            if (!larger) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", store->path);
            *out = larger;
        }
        struct ew_trial_state *s = &(*out)[(*n)++];
        *s = (struct ew_trial_state){.prefill_tokens_per_s = column_double(stmt, 2),
                                     .decode_tokens_per_s = column_double(stmt, 3),
                                     .duration_ns = sqlite3_column_int64(stmt, 4),
                                     .spent_j = column_double(stmt, 5)};
        const char *key = (const char *)sqlite3_column_text(stmt, 0),
                   *word = (const char *)sqlite3_column_text(stmt, 1);
        snprintf(s->key, sizeof s->key, "%s", key ? key : "");
        if (!word || !ew_trial_status_parse(word, &s->status))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: trial %s: its status is not known", store->path, s->key);
    }
    return code == SQLITE_DONE ? EW_OK : ew_store_sql_error(store, code, "cannot read", err);
}

static enum ew_status trial_states(void *c, int64_t study_id, struct ew_trial_state **out, size_t *n,
                                   struct ew_error *err) {
    struct ew_trial_state *states = NULL;
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    enum ew_status status = ew_store_sql_prepare(
        c, &stmt, err,
        "SELECT t.key, t.status, v.prefill_tokens_per_s, v.decode_tokens_per_s, coalesce(t.end_ns - t.begin_ns, 0),"
        " t.spent_j"
        " FROM trial t JOIN trial_speed v ON v.trial_id = t.id WHERE t.study_id = ?1",
        "i", study_id);
    if (status != EW_OK) return status;
    status = read_states(c, stmt, &states, &count, err);
    sqlite3_finalize(stmt);
    if (status != EW_OK) {
        free(states);
        return status;
    }
    *out = states;
    *n = count;
    return EW_OK;
}

struct ew_study_sink ew_store_sink(struct ew_store *store) {
    return (struct ew_study_sink){.context = store,
                                  .put_study = put_study,
                                  .find_seed = find_seed,
                                  .put_machine = put_machine,
                                  .put_model = put_model,
                                  .put_config = put_config,
                                  .put_invocation = put_invocation,
                                  .end_invocation = end_invocation,
                                  .put_meter = put_meter,
                                  .put_baseline = put_baseline,
                                  .put_plan = put_plan,
                                  .trial_states = trial_states,
                                  .begin_trial = begin_trial,
                                  .finish_trial = finish_trial,
                                  .abandon_trial = abandon_trial,
                                  .put_quality = put_quality,
                                  .put_answer = put_answer,
                                  .has_quality = has_quality,
                                  .has_answer = has_answer};
}
