/* Figures that a completion and an answer of a chat have in common. */
#ifndef EW_CLI_RUN_FIGURES_H
#define EW_CLI_RUN_FIGURES_H

#include <stddef.h>
#include <stdint.h>

/* n things in ns; 0 when no time passed. */
double ew_run_per_second(size_t n, int64_t ns);

/* The largest resident set of this process so far, in MiB. */
double ew_run_peak_mib(void);

/* " · 62 % of 143 drafted tok accepted" into buf, or "" where none were drafted; returns buf. */
enum { EW_RUN_DRAFTS_SIZE = 80 };
const char *ew_run_drafts_text(uint64_t drafted, uint64_t accepted, char buf[EW_RUN_DRAFTS_SIZE]);

#endif
