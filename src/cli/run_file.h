/* What `edgewise meter run -o FILE` wrote, as far as `edgewise meter attach` needs it: when things happened. */
#ifndef EW_CLI_RUN_FILE_H
#define EW_CLI_RUN_FILE_H

#include "meter/aligned_log.h"

enum { EW_RUN_NAME_SIZE = 64, EW_RUN_MOST_WINDOWS = 200000 };

struct ew_run_window {
    char name[EW_RUN_NAME_SIZE]; /* of a phase; "" = a whole run */
    uint32_t run;                /* from 0 */
    bool warm_up;
    int64_t begin_ns, end_ns; /* the machine's clock */
};

struct ew_run_file {
    int64_t epoch_ns;              /* the machine's clock at 1970-01-01 00:00 UTC */
    struct ew_run_window *windows; /* [n] each run, followed by its phases */
    size_t n;
    struct ew_load_phase rests[2]; /* [n_rests] */
    size_t n_rests;
    struct ew_played_signature signatures[2]; /* [n_signatures] rising */
    size_t n_signatures;
};

/* Errors: NOT_FOUND, IO, FORMAT (names the member), LIMIT, MEMORY. *out: ew_run_file_close. */
enum ew_status ew_run_file_open(const char *path, struct ew_run_file **out, struct ew_error *err);
void ew_run_file_close(struct ew_run_file **file);

#endif
