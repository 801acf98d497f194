/* What a study says: a summary per configuration, the front, classes, and an answer in words. Pure functions over
 * records; docs/insight.md has every formula. Who prints it: src/report. */
#ifndef EW_INSIGHT_INSIGHT_H
#define EW_INSIGHT_INSIGHT_H

#include "insight/flags.h"
#include "insight/measure.h"
#include "insight/quality_figures.h"
#include "insight/usability.h"
#include "store/store.h"

/* Median over the runs, with the interval of study/statistics.h. */
struct ew_figure {
    double value;     /* NAN: not measured */
    double low, high; /* NAN with fewer than two runs */
    size_t n;
    bool is_range; /* too few runs for an interval: low and high are the smallest and largest value */
};

/* How much of the model the page cache held when a run began. */
enum ew_cache_state {
    EW_CACHE_UNKNOWN = 0,
    EW_CACHE_COLD, /* at most 1 % */
    EW_CACHE_PARTLY,
    EW_CACHE_WARM /* at least 99 % */
};
const char *ew_cache_state_name(enum ew_cache_state state); /* "cold", "partly cached", "warm"; NULL unknown */

struct ew_insight_run {
    const struct ew_trial_record *trial;
    size_t config; /* index into configs */
    double value[EW_MEASURES];
    const struct ew_trial_energy *energy;                      /* NULL: none was given */
    bool swapped, throttled, crowded, meter_lost, begun_again; /* flags: marked, never dropped */
    const char *memory_words;  /* what the machine's memory did meanwhile; NULL: nothing */
    unsigned memory_flags;     /* bits of enum ew_memory_flag */
    enum ew_cache_state cache; /* when it began */
    uint32_t outlier;          /* bit of each measure in which it stands apart */
};

struct ew_insight_config {
    const struct ew_config_record *record;
    const struct ew_model_record *model;
    const char *name;  /* of the model, for people; without a leading "synthetic ", which is said separately */
    const char *label; /* "Llama-3.2-1B Q4_0 · 2 threads", and whatever else differs within the study */
    size_t n_ok, n_failed, n_left, n_flagged;
    struct ew_figure figure[EW_MEASURES];
    struct ew_ledger_record ledger; /* of the first run that has one */
    double quality; /* of the model's file, as insight->rating says; more is better; NAN: not measured */
    double quality_low, quality_high;       /* 95 % interval; NAN: unknown */
    double quality_chance;                  /* what a model that knows nothing would have */
    double memory_error_percent;            /* 100 (predicted - measured) / measured; NAN without both */
    int64_t rss_file_bytes, rss_anon_bytes; /* as the engine saw itself at the end of decoding; EW_MISSING */
    const char *kernels;                    /* NULL: unknown */
    enum ew_trust_grade grade;              /* worst of its runs */
    int use[EW_USE_CLASSES];                /* 1 met, 0 not met, -1 unknown */
    bool front;                             /* on the front of all configurations */
    bool front_of_model;                    /* on the front of its own model's */
    struct ew_insight_flag flags[EW_FLAGS_MOST];
    size_t n_flags;
};

/* A figure of quality as it was stored, with the model it is of and what its evaluation said besides. */
struct ew_insight_quality {
    const struct ew_quality_record *record;
    const struct ew_model_record *model;
    struct ew_quality_figures figures;
};

/* What the one number called quality stands on: the same for all configurations of a study, so that it compares. */
enum ew_rating_basis {
    EW_RATING_NONE = 0,    /* nothing was measured, or nothing that compares */
    EW_RATING_TASKS,       /* mean share of right answers over tasks that all rated files were asked */
    EW_RATING_COMPRESSION, /* 8 ÷ bits per byte of one text: how many times smaller the model could write it */
    EW_RATING_PERPLEXITY   /* perplexity of the model's largest file ÷ this one's: within one vocabulary only */
};
struct ew_rating {
    enum ew_rating_basis basis;
    const char *words; /* "mean accuracy over hellaswag and boolq"; NULL without a basis */
};

/* What changes from one file of a model to the next smaller one; insight/quality_steps.h. */
struct ew_quality_step;

enum ew_answer_kind { EW_ANSWER_CHAT = 0, EW_ANSWER_BATCH, EW_ANSWER_ENERGY, EW_ANSWER_MEMORY, EW_ANSWER_UNFIT };
struct ew_answer {
    enum ew_answer_kind kind;
    const char *heading, *text;             /* "For chat", "Run … in … with …: …" */
    const char *reason;                     /* NULL: none needed */
    const struct ew_insight_config *config; /* the one meant; NULL: several */
};

enum ew_caveat_kind {
    EW_CAVEAT_SYNTHETIC = 0,
    EW_CAVEAT_NO_ENERGY,
    EW_CAVEAT_ENERGY,
    EW_CAVEAT_UNFINISHED,
    EW_CAVEAT_FAILED,
    EW_CAVEAT_MACHINES,
    EW_CAVEAT_FEW,
    EW_CAVEAT_FLAGGED,
    EW_CAVEAT_DRIFT,
    EW_CAVEATS
};
struct ew_caveat {
    enum ew_caveat_kind kind;
    const char *heading, *text;
};
const char *ew_caveat_key(enum ew_caveat_kind kind); /* "no_energy" */
const char *ew_answer_key(enum ew_answer_kind kind); /* "chat" */

enum { EW_INSIGHT_MOST_ANSWERS = 8 };

/* Everything belongs to it; it points into the study, which must outlive it. */
struct ew_insight {
    const struct ew_stored_study *study;
    struct ew_insight_config *configs;
    size_t n_configs;
    struct ew_insight_run *runs; /* every trial, planned ones too, in the order of the study */
    size_t n_runs;
    size_t n_ok, n_failed, n_left;
    bool has_energy;                      /* at least one configuration has joules */
    const char *energy_none;              /* why there is none; NULL with energy */
    struct ew_insight_block block;        /* whether whole blocks were slow or fast */
    struct ew_insight_quality *qualities; /* of real weights, by model, size, measure and data */
    size_t n_qualities;
    struct ew_rating rating;
    struct ew_quality_step *steps;
    size_t n_steps;
    struct ew_answer answers[EW_INSIGHT_MOST_ANSWERS];
    size_t n_answers;
    struct ew_caveat caveats[EW_CAVEATS];
    size_t n_caveats;
    void *texts; /* private */
};

/* energies: [study->n_trials] or NULL. Errors: FORMAT (a trial or configuration points nowhere), MEMORY. */
enum ew_status ew_insight_build(const struct ew_stored_study *study, const struct ew_trial_energy *energies,
                                struct ew_insight **out, struct ew_error *err);
void ew_insight_close(struct ew_insight **insight);

static inline bool ew_insight_failed(enum ew_trial_status status) {
    return status == EW_TRIAL_FAILED || status == EW_TRIAL_CRASHED || status == EW_TRIAL_TIMEOUT ||
           status == EW_TRIAL_OOM;
}

#endif
