/* What a model knows, as plain records: `edgewise eval` and the study runner fill them, the store keeps them, insight
 * and report read them. Rules of study_record.h hold: sizes are bytes, a missing number is EW_MISSING or NAN, a missing
 * text NULL, strings belong to whoever made the record.
 *
 * Quality belongs to a model file (and to what changes its arithmetic: the KV type), not to a configuration: the number
 * of threads does not change it. */
#ifndef EW_STUDY_QUALITY_RECORD_H
#define EW_STUDY_QUALITY_RECORD_H

#include "study/study_record.h"

/* One figure of one model on one set of data. A newer one with the same model, KV type, measure, data and settings
 * replaces the older. */
struct ew_quality_record {
    int64_t id;
    int64_t model_id;
    int64_t study_id;    /* EW_MISSING: by hand, `edgewise eval --store` */
    const char *kv_type; /* NULL = "f16" */
    /* "perplexity", "kl_divergence" (nats, against `reference`), "accuracy" (multiple choice: the task's own rule),
     * "exact_match" (of generated answers), "last_word" (LAMBADA) */
    const char *measure;
    const char *data;         /* for people: "wiki.test", "hellaswag", "edgewise-items" */
    const char *data_hash;    /* 16 hex digits over the bytes of the data */
    const char *settings;     /* what else must be equal for two figures to be comparable: "context 512, stride 0" */
    const char *reference;    /* name of the model that a divergence is from; else NULL */
    int64_t n;                /* scored tokens, or items */
    double value;             /* perplexity, nats, or a share 0 … 1 */
    double low, high;         /* 95 % interval */
    double chance;            /* what guessing gives; NAN where that says nothing */
    const char *figures_json; /* all figures, one object, as `edgewise eval --json` prints them */
    int64_t seconds_ns;       /* how long it took */
    double joules;            /* NAN without a meter */
    int64_t made_unix_ns;
    const char *version; /* of edgewise */
};

/* What a model answered to one prompt of a fixed set: greedy, so that two files can be compared word by word. */
struct ew_answer_record {
    int64_t id;
    int64_t model_id;
    int64_t study_id;    /* EW_MISSING: by hand */
    const char *kv_type; /* NULL = "f16" */
    const char *set;     /* name of the set of prompts: "edgewise-prompts" */
    int64_t position;    /* in the set, from 0 */
    const char *prompt;  /* as in the set */
    const char *text;    /* what was generated, at most n_most tokens */
    int64_t n_tokens, n_most;
    int64_t made_unix_ns;
    const char *version;
};

#endif
