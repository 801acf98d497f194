/* Figures that a completion and an answer of a chat have in common. */
#ifndef EW_CLI_RUN_FIGURES_H
#define EW_CLI_RUN_FIGURES_H

#include <stddef.h>
#include <stdint.h>

/* n things in ns; 0 when no time passed. */
double ew_run_per_second(size_t n, int64_t ns);

/* The largest resident set of this process so far, in MiB. */
double ew_run_peak_mib(void);

#endif
