/* Sets of cores as a study names them, and what they are on a machine. Pure. */
#ifndef EW_STUDY_CORE_SET_H
#define EW_STUDY_CORE_SET_H

#include "machine/machine.h"
#include <sched.h>

enum { EW_CORE_SET_TEXT = 128 };

struct ew_core_set {
    char text[EW_CORE_SET_TEXT]; /* "0-3,6": the CPUs, as affinity numbers them */
    cpu_set_t cpus;
    int n_cpus;  /* logical ones */
    int n_cores; /* physical ones: what `threads: all` means on this set */
};

/* A list such as "0-3" or "0,2,4-7" into *out (may be NULL). false: it is none. */
bool ew_core_set_parse(const char *text, cpu_set_t *out);
/* big, little */
bool ew_core_set_is_name(const char *text);

/* Finds the CPUs of a name or list. Errors: ARGUMENT with value and rule (a CPU that is not usable here; big and little
 * on a machine with one kind of core; a set too scattered to be written in EW_CORE_SET_TEXT bytes). */
enum ew_status ew_core_set_find(const struct ew_machine *machine, const char *text, struct ew_core_set *out,
                                struct ew_error *err);

#endif
