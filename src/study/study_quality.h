/* The section `quality` of a study file: what is asked of each of its real models, once per file and KV type.
 * docs/study.md, "Quality". */
#ifndef EW_STUDY_STUDY_QUALITY_H
#define EW_STUDY_STUDY_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EW_STUDY_MAX_TEXTS = 16, EW_STUDY_MAX_TASKS = 64 };

struct ew_study_text {
    int line;
    char *path;      /* as written, like all paths here */
    int64_t context; /* 0: edgewise eval's own default for the model */
    int64_t stride, windows;
};

struct ew_study_quality {
    int line; /* 0: the file has no such section */
    struct ew_study_text texts[EW_STUDY_MAX_TEXTS];
    size_t n_texts;
    bool divergence;
    char *reference; /* "f16": the file of that type among those of the same model; or a path. NULL: f16 */
    char *tasks[EW_STUDY_MAX_TASKS];
    size_t n_tasks;
    char *prompts;  /* NULL: none */
    int64_t tokens; /* of an answer, at most */
    double timeout_s;
};

/* Defaults; every text of a section is freed. */
struct ew_study_quality ew_study_quality_default(void);
void ew_study_quality_free(struct ew_study_quality *quality);

#endif
