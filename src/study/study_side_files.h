/* Side files of a study: made before the first trial of a configuration whose layout is side_file, so that no measured
 * load packs. */
#ifndef EW_STUDY_STUDY_SIDE_FILES_H
#define EW_STUDY_STUDY_SIDE_FILES_H

#include "study/study_plan.h"

struct ew_study_side_files {
    char *folder; /* CACHE/packed; NULL: no configuration wants one */
    char **paths; /* [n] of a model's side file; NULL: none is wanted, or nothing of the model is packed */
    size_t n;
};

/* Packs what is not there yet, unless another engine is measured, which must find its own. say (may be NULL) hears of
 * each model before. Errors name the model: IO, PERMISSION (the disk), MEMORY, what opening gives. */
enum ew_status ew_study_side_files_make(const struct ew_study_plan *plan, const struct ew_located_models *models,
                                        void (*say)(void *context, const char *path), void *context,
                                        struct ew_study_side_files *out, struct ew_error *err);
void ew_study_side_files_close(struct ew_study_side_files *files);

#endif
