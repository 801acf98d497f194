/* Phases that a measured program marks itself: lines on a pipe, or signals. docs/meter.md, "Phases". */
#ifndef EW_STUDY_COMMAND_PHASES_H
#define EW_STUDY_COMMAND_PHASES_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EW_PHASE_NAME_SIZE = 64, EW_PHASE_LINE_SIZE = 128, EW_PHASE_MOST = 100000 };

struct ew_command_phase {
    char name[EW_PHASE_NAME_SIZE]; /* UTF-8 without control characters */
    int64_t begin_ns, end_ns;      /* end_ns 0: still open */
};

struct ew_command_phases {
    struct ew_command_phase *list; /* [n], by begin; owned */
    size_t n, capacity;
    uint32_t parts;  /* begun by signals */
    uint32_t broken; /* lines that are neither `begin NAME` nor `end NAME` of an open phase, or too many */
    char first_broken[EW_PHASE_LINE_SIZE];
    char line[EW_PHASE_LINE_SIZE]; /* what came of an unfinished line */
    size_t line_size;
};

/* Bytes of the pipe, as they came at time_ns. A line that breaks the rules is counted, and what follows is still read.
 * Errors: MEMORY. */
enum ew_status ew_command_phases_feed(struct ew_command_phases *phases, const char *bytes, size_t n, int64_t time_ns,
                                      struct ew_error *err);

/* A signal at time_ns: what ran since the one before (or since begin_ns) was a part, a new one begins. */
enum ew_status ew_command_phases_mark(struct ew_command_phases *phases, int64_t begin_ns, int64_t time_ns,
                                      struct ew_error *err);

/* The program has ended: so have its open phases. */
void ew_command_phases_end(struct ew_command_phases *phases, int64_t time_ns);
void ew_command_phases_close(struct ew_command_phases *phases);

#endif
