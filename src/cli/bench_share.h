/* What this machine can do at most, measured right after each run of bench, and what share of it the runs reach. */
#ifndef EW_CLI_BENCH_SHARE_H
#define EW_CLI_BENCH_SHARE_H

#include "engine/machine_limits.h"
#include "insight/insight.h"
#include "machine/machine.h"

/* The limits beside one run. */
struct ew_bench_limit {
    char trial_key[20];
    struct ew_machine_limits limits;
};

struct ew_bench_limits {
    const struct ew_machine *machine; /* the caller's */
    uint64_t cpu_features;            /* as --cpu-mask; 0 = all */
    struct ew_bench_limit *at;
    size_t n;
};

/* Measures for some tenths of a second and keeps it beside the trial; what cannot be measured is left out. limits is a
 * struct ew_bench_limits: the function is made for struct ew_study_view's after_run. */
void ew_bench_limits_note(void *limits, const struct ew_trial_record *trial);
void ew_bench_limits_close(struct ew_bench_limits *limits);

/* Of one configuration; medians over its good runs. NAN: not known. */
struct ew_bench_share {
    double prefill, decode; /* of the most that the limits beside the run allow, 0 … 1 */
    double read_bytes_per_s, int8_ops_per_s, f32_ops_per_s;
    struct ew_model_work prompt, token; /* the whole prompt at once, and one token in the middle of decoding */
};

/* A model that this engine cannot open has no work that is known. A model that lies in the processor's caches has no
 * share of decoding: reading memory does not limit it. Errors: MEMORY. */
enum ew_status ew_bench_share_of(const struct ew_bench_limits *limits, const struct ew_insight *insight, size_t config,
                                 struct ew_bench_share *out, struct ew_error *err);

#endif
