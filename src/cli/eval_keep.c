/* Owns the way from an evaluation by hand into a store. How figures become records: study/eval_figures.c. */
#include "cli/eval_keep.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/store.h"
#include "study/eval_figures.h"
#include "study/study_models.h"
#include "study/study_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ew_eval_keep {
    char *path;
    struct ew_model_record model;
    const char *kv_type;
    int64_t begin_ns;
};

enum ew_status ew_eval_keep_open(const char *store, const char *model, enum ew_kv_type kv_k, enum ew_kv_type kv_v,
                                 struct ew_eval_keep **out, struct ew_error *err) {
    struct ew_eval_keep *keep = calloc(1, sizeof *keep);
    struct ew_store *opened = NULL;
    if (!keep) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", store);
    keep->path = strdup(store);
    keep->kv_type = ew_kv_name(kv_k, kv_v);
    enum ew_status status = keep->path ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", store);
    if (status == EW_OK) status = ew_model_record_make(model, &keep->model, err);
    if (status == EW_OK && keep->model.synthetic)
        status = ew_error_set(err, EW_ERR_ARGUMENT,
                              "--store: %s has random weights: what it knows says nothing and is not kept", model);
    if (status == EW_OK) status = ew_store_open(store, EW_STORE_WRITE, &opened, err);
    ew_store_close(&opened);
    keep->begin_ns = ew_clock_now_ns();
    if (status != EW_OK)
        ew_eval_keep_close(&keep);
    else
        *out = keep;
    return status;
}

void ew_eval_keep_close(struct ew_eval_keep **keep) {
    if (!keep || !*keep) return;
    ew_model_record_free(&(*keep)->model);
    free((*keep)->path);
    free(*keep);
    *keep = NULL;
}

enum ew_status ew_eval_keep_figures(struct ew_eval_keep *keep, const char *json, const char *data, const char *settings,
                                    struct ew_error *err) {
    char hash[EW_DATA_HASH] = "", name[EW_DATA_NAME] = "";
    struct ew_eval_figures figures = {0};
    struct ew_store *store = NULL;
    int64_t model_id = 0, id = 0;
    enum ew_status status = data ? ew_data_hash(data, hash, err) : EW_OK;
    if (status == EW_OK) status = ew_store_open(keep->path, EW_STORE_WRITE, &store, err);
    if (status == EW_OK) status = ew_store_put_model(store, &keep->model, &model_id, err);
    if (data) ew_data_name(data, name);
    const struct ew_quality_record like = {.model_id = model_id,
                                           .study_id = EW_MISSING,
                                           .kv_type = keep->kv_type,
                                           .data = name,
                                           .data_hash = hash,
                                           .settings = settings ? settings : "",
                                           .seconds_ns = ew_clock_now_ns() - keep->begin_ns,
                                           .joules = NAN,
                                           .made_unix_ns = ew_study_unix_now_ns(),
                                           .version = EW_VERSION};
    if (status == EW_OK) status = ew_eval_figures_read(json, strlen(json), &like, &figures, err);
    for (size_t i = 0; status == EW_OK && i < figures.n; i++)
        status = ew_store_put_quality(store, &figures.records[i], &id, err);
    ew_eval_figures_close(&figures);
    ew_store_close(&store);
    return status;
}

enum ew_status ew_eval_keep_answers(struct ew_eval_keep *keep, const struct ew_answer_record *answers, size_t n,
                                    struct ew_error *err) {
    struct ew_store *store = NULL;
    int64_t model_id = 0, id = 0;
    enum ew_status status = ew_store_open(keep->path, EW_STORE_WRITE, &store, err);
    if (status == EW_OK) status = ew_store_put_model(store, &keep->model, &model_id, err);
    for (size_t i = 0; status == EW_OK && i < n; i++) {
        struct ew_answer_record r = answers[i];
        r.model_id = model_id;
        r.study_id = EW_MISSING;
        r.kv_type = keep->kv_type;
        r.made_unix_ns = ew_study_unix_now_ns();
        r.version = EW_VERSION;
        status = ew_store_put_answer(store, &r, &id, err);
    }
    ew_store_close(&store);
    return status;
}
