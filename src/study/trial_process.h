/* One child process with pipes on stdin, stdout and stderr, in its own process group, which dies with its parent. */
#ifndef EW_STUDY_TRIAL_PROCESS_H
#define EW_STUDY_TRIAL_PROCESS_H

#include "edgewise/status.h"
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { EW_STDERR_TAIL = 4096 };

struct ew_trial_process {
    pid_t pid;          /* 0 once it has been waited for */
    int in, out, error; /* -1 = closed */
    const char *input;  /* what is still to be written */
    size_t input_left;
    char stderr_tail[EW_STDERR_TAIL + 1];
    size_t stderr_size;
};

/* argv: NULL-terminated, argv[0] is looked up in PATH where it has no slash. input [size] must outlive the process;
 * stdin is closed after it. cpus: the cores it may run on, with all that it starts; NULL = as this process. Errors:
 * NOT_FOUND, PERMISSION (the program), MEMORY, IO. */
enum ew_status ew_trial_process_start(const char *const *argv, const char *input, size_t size, const cpu_set_t *cpus,
                                      struct ew_trial_process *out, struct ew_error *err);

/* Waits at most timeout_ms for bytes on stdout and gives at most capacity of them; feeds stdin and gathers stderr
 * meanwhile. *n = 0 with *ended = false: time is up. *ended: stdout is closed. */
enum ew_status ew_trial_process_read(struct ew_trial_process *process, int timeout_ms, char *bytes, size_t capacity,
                                     size_t *n, bool *ended, struct ew_error *err);

/* SIGKILL to the whole group. */
void ew_trial_process_kill(const struct ew_trial_process *process);

/* Whether it has ended within timeout_ms; then it has been waited for. status and usage as of wait4. */
bool ew_trial_process_wait(struct ew_trial_process *process, int timeout_ms, int *status, struct rusage *usage);

struct ew_process_follow {
    int64_t deadline_ns;      /* on the monotonic clock (base/clock.h) */
    const volatile int *stop; /* becomes non-zero: give up. May be NULL */
    /* Bytes of stdout as they come, and without any about ten times a second. */
    enum ew_status (*take)(void *context, const char *bytes, size_t n, struct ew_error *err);
    void *context;
};

struct ew_process_end {
    bool timed_out;
    int wait_status; /* this and usage as of wait4 */
    struct rusage usage;
};

/* Reads until the process has ended, or ends it at the deadline. Errors: CANCELLED (*stop), MEMORY, IO, TIMEOUT (it
 * does not even end on SIGKILL), and those of take; then the process is still there: ew_trial_process_close. */
enum ew_status ew_trial_process_follow(struct ew_trial_process *process, const struct ew_process_follow *follow,
                                       struct ew_process_end *out, struct ew_error *err);

/* Kills what is still there and closes everything. */
void ew_trial_process_close(struct ew_trial_process *process);

/* stderr_tail holds UTF-8 and NUL-terminated text afterwards. */
void ew_trial_process_clean_stderr(struct ew_trial_process *process);

#endif
