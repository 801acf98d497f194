/* Where a study's records go. The store implements it (store/store_sink.h); this room does not know the store.
 * Contracts of the functions are those of their namesakes in store/store.h. */
#ifndef EW_STUDY_STUDY_SINK_H
#define EW_STUDY_STUDY_SINK_H

#include "edgewise/status.h"
#include "study/quality_record.h"

/* What a planned trial looks like in the store now. */
struct ew_trial_state {
    char key[17];
    enum ew_trial_status status;
    double prefill_tokens_per_s, decode_tokens_per_s; /* NAN unless it is ok */
    int64_t duration_ns;                              /* 0 unless it has ended */
    double spent_j;                                   /* NAN unknown */
};

struct ew_study_sink {
    void *context;
    enum ew_status (*put_study)(void *, const struct ew_study_record *, int64_t *id, struct ew_error *);
    /* The seed under which the study with this name began; NOT_FOUND when it is new. */
    enum ew_status (*find_seed)(void *, const char *name, int64_t *seed, struct ew_error *);
    enum ew_status (*put_machine)(void *, const struct ew_machine_record *, int64_t *id, struct ew_error *);
    enum ew_status (*put_model)(void *, const struct ew_model_record *, int64_t *id, struct ew_error *);
    enum ew_status (*put_config)(void *, const struct ew_config_record *, int64_t *id, struct ew_error *);
    enum ew_status (*put_invocation)(void *, const struct ew_invocation_record *, int64_t *id, struct ew_error *);
    /* Its id, ended_unix_ns, stopped, own_cpu_ns, own_max_rss_bytes; left_out_json where it is not NULL. */
    enum ew_status (*end_invocation)(void *, const struct ew_invocation_record *, struct ew_error *);
    enum ew_status (*put_meter)(void *, const struct ew_meter_record *, int64_t *id, struct ew_error *);
    enum ew_status (*put_baseline)(void *, const struct ew_baseline_record *, const struct ew_series_record *, size_t n,
                                   int64_t *id, struct ew_error *);
    enum ew_status (*put_plan)(void *, int64_t study_id, const struct ew_trial_record *, size_t n, struct ew_error *);
    /* All trials of the study; *out is the caller's: free(). */
    enum ew_status (*trial_states)(void *, int64_t study_id, struct ew_trial_state **out, size_t *n, struct ew_error *);
    enum ew_status (*begin_trial)(void *, const char *key, int64_t invocation_id, int64_t unix_ns, struct ew_error *);
    enum ew_status (*finish_trial)(void *, const struct ew_trial_record *, struct ew_error *);
    enum ew_status (*abandon_trial)(void *, const char *key, struct ew_error *);
    enum ew_status (*put_quality)(void *, const struct ew_quality_record *, int64_t *id, struct ew_error *);
    enum ew_status (*put_answer)(void *, const struct ew_answer_record *, int64_t *id, struct ew_error *);
    enum ew_status (*has_quality)(void *, const struct ew_quality_record *, bool *yes, struct ew_error *);
    enum ew_status (*has_answer)(void *, const struct ew_answer_record *, bool *yes, struct ew_error *);
};

#endif
