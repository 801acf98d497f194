/* The models of a study as files: where they are, which must be written first, and what they are. */
#ifndef EW_STUDY_STUDY_MODELS_H
#define EW_STUDY_STUDY_MODELS_H

#include "model/shapes.h"
#include "study/study_file.h"
#include "study/study_record.h"

struct ew_located_model {
    const struct ew_study_model *from; /* the study file's */
    char *path;
    char *source;                  /* the box, where path is another type of it that is made from it; otherwise NULL */
    const struct ew_shape *shape;  /* synthetic ones; otherwise NULL */
    bool stands_in;                /* synthetic, because the file that was asked for is not there */
    bool to_write;                 /* synthetic or another type of the box, and not in the cache yet */
    uint64_t file_bytes;           /* as it is, or as it will be */
    struct ew_model_record record; /* after ew_study_models_describe; its texts are owned */
};

struct ew_located_models {
    struct ew_located_model *models;
    size_t n;
    char *cache;          /* folder of the models that are written; "" when there are none */
    uint64_t write_bytes; /* disk that writing will take */
    uint64_t free_bytes;  /* free where the cache is */
};

/* Finds files, shapes and sizes; writes nothing. cache NULL: the study's, else $XDG_CACHE_HOME/edgewise, else
 * ~/.cache/edgewise. Relative paths of a study file count from its folder, then from the current one. The study must
 * outlive *out. Errors name file and line: ARGUMENT (unknown shape or type), NOT_FOUND, UNSUPPORTED, IO. */
enum ew_status ew_study_models_locate(const struct ew_study_file *study, const char *cache,
                                      struct ew_located_models *out, struct ew_error *err);
void ew_located_models_close(struct ew_located_models *models);

/* Writes the models that are missing: synthetic ones, and types of the one in the box. progress (may be NULL) as in
 * model/synth.h, with the model's path. Errors: IO (disk full, named before a byte is written where it can be known),
 * CANCELLED. */
enum ew_status ew_study_models_write(struct ew_located_models *models,
                                     bool (*progress)(void *context, const char *path, uint64_t done, uint64_t total),
                                     void *context, struct ew_error *err);

/* Opens each model and fills its record. foreign_engine: another engine will run it, so an architecture that ours does
 * not run is no error. Errors: what opening gives, with file and line of the study before it. */
enum ew_status ew_study_models_describe(struct ew_located_models *models, const char *study_path, bool foreign_engine,
                                        struct ew_error *err);

/* "path" of a study file as seen from here: from the study file's folder where that exists or nothing does; otherwise
 * from the current one. The caller's: free(). NULL = out of memory. */
char *ew_study_beside(const struct ew_study_file *study, const char *path);

/* A model file by itself, as a study would describe it: its rows join. *out: ew_model_record_free. Errors: what opening
 * gives, MEMORY. */
enum ew_status ew_model_record_make(const char *path, struct ew_model_record *out, struct ew_error *err);
void ew_model_record_free(struct ew_model_record *record);

#endif
