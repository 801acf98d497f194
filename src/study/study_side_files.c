/* Owns making a study's side files, in this process and before anything is measured. What they are: docs/memory.md. */
#include "study/study_side_files.h"
#include "base/cache_folder.h"
#include "base/error.h"
#include "edgewise/session.h"

#include <stdlib.h>
#include <string.h>

/* A short session is enough: the weights are packed for every other one, too. */
static enum ew_status make_one(const char *model_path, const char *folder, int64_t cpu_mask, char **out,
                               struct ew_error *err) {
    struct ew_model *model = NULL;
    struct ew_session *session = NULL;
    const struct ew_session_params params = {.n_ctx = 8,
                                             .n_batch = 1,
                                             .layout = EW_WEIGHTS_SIDE_FILE,
                                             .side_folder = folder,
                                             .cpu_mask = (uint64_t)cpu_mask};
    enum ew_status status = ew_model_open(model_path, &model, err);
    if (status == EW_OK) status = ew_session_open(model, &params, &session, err);
    if (status == EW_OK) {
        const struct ew_weights_choice *w = ew_session_weights(session);
        if (w->note[0]) status = ew_error_set(err, EW_ERR_IO, "layout side_file: %s", w->note);
        if (status == EW_OK && w->side_file[0] && !(*out = strdup(w->side_file)))
            status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", model_path);
    }
    ew_session_close(&session);
    ew_model_close(&model);
    return status;
}

enum ew_status ew_study_side_files_make(const struct ew_study_plan *plan, const struct ew_located_models *models,
                                        void (*say)(void *context, const char *path), void *context,
                                        struct ew_study_side_files *out, struct ew_error *err) {
    struct ew_study_side_files f = {0};
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < plan->n_configs && status == EW_OK; i++) {
        const struct ew_plan_config *c = &plan->configs[i];
        if (strcmp(c->record.layout, "side_file") != 0) continue;
        if (!f.folder) {
            f.n = models->n;
            f.folder = ew_packed_folder(models->cache);
            f.paths = calloc(models->n + 1, sizeof *f.paths);
        }
        if (!f.folder || !f.paths) {
            status = ew_error_set(err, EW_ERR_MEMORY, "study: out of memory");
        } else if (!f.paths[c->model] && !c->record.engine) {
            if (say) say(context, models->models[c->model].path);
            status = make_one(models->models[c->model].path, f.folder, c->record.cpu_mask, &f.paths[c->model], err);
        }
    }
    if (status != EW_OK)
        ew_study_side_files_close(&f);
    else
        *out = f;
    return status;
}

void ew_study_side_files_close(struct ew_study_side_files *f) {
    for (size_t i = 0; i < f->n && f->paths; i++) free(f->paths[i]);
    free(f->paths);
    free(f->folder);
    *f = (struct ew_study_side_files){0};
}
