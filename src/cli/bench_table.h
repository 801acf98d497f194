/* What bench prints: a table for people, one JSON object per configuration for machines. */
#ifndef EW_CLI_BENCH_TABLE_H
#define EW_CLI_BENCH_TABLE_H

#include "cli/study_drive.h"
#include "insight/insight.h"

struct ew_bench_result {
    struct ew_stored_study *study;
    struct ew_trial_energy *energies;
    struct ew_insight *insight;
};

enum ew_status ew_bench_result_read(struct ew_store *store, int64_t study_id, struct ew_bench_result *out,
                                    struct ew_error *err);
void ew_bench_result_close(struct ew_bench_result *result);

enum ew_status ew_bench_print(const struct ew_bench_result *result, const struct ew_study_drive *drive, bool json,
                              FILE *out, struct ew_error *err);

#endif
