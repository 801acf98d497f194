/* Runs any program in place of a shell: terminal, standard streams and exit status are its own, signals reach it, and
 * whoever measures is told when phases begin. */
#ifndef EW_STUDY_COMMAND_PROCESS_H
#define EW_STUDY_COMMAND_PROCESS_H

#include "study/command_phases.h"

#include <sys/resource.h>

/* From here to the close, signals are for the command: INT, QUIT, TERM, HUP and USR2 sent to this process go on to it
 * (what a terminal sends reaches it anyway), USR1 marks a part, and orphans of the command stay below this process.
 * Not thread-safe; threads that exist before must block these signals, or may be interrupted by them.
 * Errors: IO. */
enum ew_status ew_command_signals_open(struct ew_error *err);
void ew_command_signals_close(void);

/* The first of INT, QUIT, TERM, HUP since open; 0 = none. */
int ew_command_interrupted(void);

/* Waits until the clock (base/clock.h) reaches time_ns. false: interrupted before. */
bool ew_command_wait_until(int64_t time_ns);

struct ew_command_end {
    int64_t begin_ns, end_ns;
    int wait_status;        /* as of wait4 */
    struct rusage usage;    /* of the command and everything it waited for; maximum of all processes that ended */
    int64_t own_peak_bytes; /* of this process when it forked: a smaller ru_maxrss is not the command's */
    struct ew_command_phases phases;
};

/* argv: NULL-terminated, argv[0] is looked up in PATH where it has no slash. The command finds EDGEWISE_METER_PID and
 * EDGEWISE_PHASE_FD in its environment. Comes back when it has ended; what it left behind still runs.
 * out->phases: ew_command_phases_close. Errors: NOT_FOUND, PERMISSION, FORMAT (the program cannot be started), MEMORY,
 * IO. */
enum ew_status ew_command_execute(const char *const *argv, struct ew_command_end *out, struct ew_error *err);

#endif
