/* Owns the rows of what models know: figures and answers. Each write is one statement, so all of it or nothing. */
#include "store/store_sql.h"

static const char *kv_of(const char *kv_type) { return kv_type ? kv_type : EW_STORE_KV_DEFAULT; }

enum ew_status ew_store_put_quality(struct ew_store *store, const struct ew_quality_record *r, int64_t *id,
                                    struct ew_error *err) {
    return ew_store_sql_int(
        store, id, err,
        "INSERT INTO quality (model_id, study_id, kv_type, measure, data, data_hash, settings, reference, n, value, "
        "low,"
        " high, chance, figures_json, seconds_ns, joules, made_unix_ns, version)"
        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)"
        " ON CONFLICT (model_id, kv_type, measure, data_hash, settings) DO UPDATE SET"
        " study_id = coalesce(excluded.study_id, study_id), data = excluded.data, reference = excluded.reference,"
        " n = excluded.n, value = excluded.value, low = excluded.low, high = excluded.high, chance = excluded.chance,"
        " figures_json = excluded.figures_json, seconds_ns = excluded.seconds_ns, joules = excluded.joules,"
        " made_unix_ns = excluded.made_unix_ns, version = excluded.version RETURNING id",
        "iittttttiddddtidit", r->model_id, r->study_id, kv_of(r->kv_type), r->measure, r->data, r->data_hash,
        r->settings, r->reference, r->n, r->value, r->low, r->high, r->chance, r->figures_json, r->seconds_ns,
        r->joules, r->made_unix_ns, r->version);
}

enum ew_status ew_store_put_answer(struct ew_store *store, const struct ew_answer_record *r, int64_t *id,
                                   struct ew_error *err) {
    return ew_store_sql_int(
        store, id, err,
        "INSERT INTO answer (model_id, study_id, kv_type, prompt_set, position, prompt, text, n_tokens, n_most,"
        " made_unix_ns, version) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"
        " ON CONFLICT (model_id, kv_type, prompt_set, position) DO UPDATE SET"
        " study_id = coalesce(excluded.study_id, study_id), prompt = excluded.prompt, text = excluded.text,"
        " n_tokens = excluded.n_tokens, n_most = excluded.n_most, made_unix_ns = excluded.made_unix_ns,"
        " version = excluded.version RETURNING id",
        "iittittiiit", r->model_id, r->study_id, kv_of(r->kv_type), r->set, r->position, r->prompt, r->text,
        r->n_tokens, r->n_most, r->made_unix_ns, r->version);
}

enum ew_status ew_store_has_quality(struct ew_store *store, const struct ew_quality_record *r, bool *yes,
                                    struct ew_error *err) {
    int64_t n = 0;
    enum ew_status status = ew_store_sql_int(
        store, &n, err,
        "SELECT count(*) FROM quality WHERE model_id = ?1 AND kv_type = ?2 AND data_hash = ?3"
        " AND (?4 IS NULL OR study_id = ?4) AND (?5 IS NULL OR settings = ?5) AND (?6 IS NULL OR measure = ?6)"
        " AND (?7 IS NULL OR reference = ?7)",
        "ittittt", r->model_id, kv_of(r->kv_type), r->data_hash, r->study_id, r->settings, r->measure, r->reference);
    if (status == EW_OK) *yes = n > 0;
    return status;
}

enum ew_status ew_store_has_answer(struct ew_store *store, const struct ew_answer_record *r, bool *yes,
                                   struct ew_error *err) {
    int64_t n = 0;
    enum ew_status status =
        ew_store_sql_int(store, &n, err,
                         "SELECT count(*) FROM answer WHERE model_id = ?1 AND kv_type = ?2 AND"
                         " prompt_set = ?3 AND position = ?4 AND prompt = ?5 AND n_most = ?6",
                         "ittiti", r->model_id, kv_of(r->kv_type), r->set, r->position, r->prompt, r->n_most);
    if (status == EW_OK) *yes = n > 0;
    return status;
}
