/* `edgewise bench --profile`: where the time of a prompt and of a token goes. */
#ifndef EW_CLI_BENCH_PROFILE_H
#define EW_CLI_BENCH_PROFILE_H

#include "cli/study_drive.h"

/* Runs each located model in this process, with the study's first values, and prints a table for its prompt and one for
 * its tokens, or one JSON object each. */
enum ew_status ew_bench_profile(const struct ew_study_drive *drive, FILE *out, struct ew_error *err);

#endif
