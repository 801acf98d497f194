/* What bench prints: a table for people, one JSON object per configuration for machines. */
#ifndef EW_CLI_BENCH_TABLE_H
#define EW_CLI_BENCH_TABLE_H

#include "cli/bench_share.h"
#include "cli/study_drive.h"

struct ew_bench_result {
    struct ew_stored_study *study;
    struct ew_trial_energy *energies;
    struct ew_insight *insight;
    struct ew_bench_share *shares; /* [insight->n_configs]; NULL: limits were not measured */
};

enum ew_status ew_bench_result_read(struct ew_store *store, int64_t study_id, struct ew_bench_result *out,
                                    struct ew_error *err);
/* Fills shares from what was measured beside the runs. */
enum ew_status ew_bench_result_hold(struct ew_bench_result *result, const struct ew_bench_limits *limits,
                                    struct ew_error *err);
void ew_bench_result_close(struct ew_bench_result *result);

enum ew_status ew_bench_print(const struct ew_bench_result *result, const struct ew_study_drive *drive, bool json,
                              FILE *out, struct ew_error *err);

#endif
