/* Study files: what to measure, as a person writes it. docs/study.md explains every key.
 *
 * Errors name the file, the line, the key, the value and the rule:
 * "paper.yaml:14: decode_threads: 0 is not a number of threads (1 or more, or all)". */
#ifndef EW_STUDY_STUDY_FILE_H
#define EW_STUDY_STUDY_FILE_H

#include "edgewise/session.h"
#include "study/study_axis.h"
#include "study/study_budget.h"
#include "study/study_quality.h"
#include "study/thermal_gate.h"

enum { EW_STUDY_MAX_VALUES = 64, EW_STUDY_MAX_MODELS = 256, EW_STUDY_MAX_GRIDS = 256 };

enum ew_study_model_kind { EW_STUDY_MODEL_FILE, EW_STUDY_MODEL_SYNTH, EW_STUDY_MODEL_BOX };

/* One model: an entry of `models` with several types becomes several of these. */
struct ew_study_model {
    enum ew_study_model_kind kind;
    int line;
    char *name;       /* file: its path as written; synth: the shape; box: NULL */
    char *type;       /* synth, box with types, and file with else_synth: "q4_0"; otherwise NULL */
    char *else_synth; /* file: the shape that stands in where the file is not there; NULL: it must be */
    bool has_sample_text;
    bool sample_given; /* has_sample_text was written, and holds for a stand-in, too */
};

struct ew_study_values {
    int line; /* 0: not in the file, the default holds */
    size_t n;
    int64_t value[EW_STUDY_MAX_VALUES]; /* as study_axis.h says; words: an index in the study's words */
};

/* Values for some knobs: an entry of `configurations` (knobs with n = 0 take what sweep and measure say), or of
 * `exclude` (knobs with n = 0 match everything). */
struct ew_study_grid {
    int line;
    struct ew_study_values axis[EW_AXES];
};

struct ew_study_file {
    char *path;   /* as given; messages begin with it */
    char *source; /* the text */
    char *name;   /* `study` */
    struct ew_study_model *models;
    size_t n_models;
    /* The sweep: by number for those who walk over it, by name for those who know what they want. */
    union {
        struct ew_study_values axis[EW_SWEEP_AXES];
        struct {
            struct ew_study_values threads; /* n = 0: the two below count */
            struct ew_study_values prefill_threads, decode_threads;
            struct ew_study_values prompt_tokens, generate_tokens, depth;
            struct ew_study_values layout, batch, cores, sustained, load, backend, kv, speculate, spin;
            struct ew_study_values governor, frequency_cap, power_mode, epp;
        };
    };
    int sweep_line;                       /* 0: no sweep in the file */
    struct ew_study_grid *configurations; /* [n_configurations] beside the sweep, or instead of one */
    size_t n_configurations;
    struct ew_study_grid *exclude; /* [n_exclude] combinations that are left out */
    size_t n_exclude;
    char **words; /* [n_words] what values of words stand for */
    size_t n_words;
    struct ew_thermal_gate cool_to;
    struct ew_study_budget budget;
    struct ew_study_quality quality;
    int64_t repeats_min, repeats_max;
    double until_interval; /* 0.02 = stop repeating within ±2 %; 0 = always repeats_max */
    double idle_s, timeout_s, warmup_s, gap_s;
    double idle_until, idle_max_s; /* 0.02: rest until idle power is known to ±2 %, at most so long; 0 = idle_s */
    int64_t seed;                  /* of the order; 0 = chosen at the first start, and stored */
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

/* The text of a word's value; NULL for all and as_is. */
const char *ew_study_file_word(const struct ew_study_file *file, int64_t value);
/* The value that stands for a word, added where it is new; false when out of memory. */
bool ew_study_file_add_word(struct ew_study_file *file, const char *word, int64_t *value);

/* Appends a copy. */
enum ew_status ew_study_file_add_model(struct ew_study_file *file, const struct ew_study_model *model,
                                       struct ew_error *err);

/* The study with its defaults filled in, as one JSON object; the caller's: free(). NULL when out of memory. */
char *ew_study_file_json(const struct ew_study_file *file);

#endif
