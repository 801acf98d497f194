/* Study files: what to measure, as a person writes it. docs/study.md explains every key.
 *
 * Errors name the file, the line, the key, the value and the rule:
 * "paper.yaml:14: decode_threads: 0 is not a number of threads (1 or more, or all)". */
#ifndef EW_STUDY_STUDY_FILE_H
#define EW_STUDY_STUDY_FILE_H

#include "edgewise/session.h"

enum { EW_STUDY_MAX_VALUES = 64, EW_STUDY_MAX_MODELS = 256, EW_STUDY_ALL = -1 };

enum ew_study_model_kind { EW_STUDY_MODEL_FILE, EW_STUDY_MODEL_SYNTH, EW_STUDY_MODEL_BOX };

/* One model: an entry of `models` with several types becomes several of these. */
struct ew_study_model {
    enum ew_study_model_kind kind;
    int line;
    char *name; /* file: its path as written; synth: the shape; box: NULL */
    char *type; /* synth: "q4_0"; otherwise NULL */
    bool has_sample_text;
};

struct ew_study_values {
    int line; /* 0: not in the file, the default holds */
    size_t n;
    int64_t value[EW_STUDY_MAX_VALUES]; /* threads: EW_STUDY_ALL = all usable cores */
};

struct ew_study_file {
    char *path;   /* as given; messages begin with it */
    char *source; /* the text */
    char *name;   /* `study` */
    struct ew_study_model *models;
    size_t n_models;
    struct ew_study_values threads; /* prefill and decode alike; n = 0: the two below count */
    struct ew_study_values prefill_threads, decode_threads;
    struct ew_study_values prompt_tokens, generate_tokens, depth;
    struct ew_study_values layout; /* enum ew_weights_layout */
    int64_t repeats_min, repeats_max;
    double until_interval; /* 0.02 = stop repeating within ±2 %; 0 = always repeats_max */
    double idle_s, timeout_s, warmup_s, gap_s;
    int64_t seed; /* of the order; 0 = chosen at the first start, and stored */
    char *sample_prompt;
    int64_t sample_tokens;
    char *energy; /* meter by name, "auto" or "none" */
    char *store;  /* NULL: beside the study file */
    char *cache;  /* folder for synthetic models; NULL: the default one */
};

/* Errors: NOT_FOUND, PERMISSION, IO; ARGUMENT for anything wrong inside; MEMORY. */
enum ew_status ew_study_file_read(const char *path, struct ew_study_file **out, struct ew_error *err);
/* The same over text, for tests. path stands in messages. */
enum ew_status ew_study_file_parse(const char *path, const char *text, size_t size, struct ew_study_file **out,
                                   struct ew_error *err);
/* All defaults and no models. NULL when out of memory. */
struct ew_study_file *ew_study_file_new(const char *path);
void ew_study_file_close(struct ew_study_file **file);

/* Appends a copy. */
enum ew_status ew_study_file_add_model(struct ew_study_file *file, const struct ew_study_model *model,
                                       struct ew_error *err);

/* The study with its defaults filled in, as one JSON object; the caller's: free(). NULL when out of memory. */
char *ew_study_file_json(const struct ew_study_file *file);

#endif
