/* How many threads a session uses by default, and on which cores. */
#ifndef EW_ENGINE_THREAD_CHOICE_H
#define EW_ENGINE_THREAD_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EW_MAX_THREADS = 1024 };

struct ew_thread_choice {
    uint32_t n_default;        /* usable physical cores, 1 … EW_MAX_THREADS */
    size_t n_cores;            /* entries of cores; 0 = leave placement to the system */
    int cores[EW_MAX_THREADS]; /* CPU numbers in the order in which threads should take them */
};

/* Looks at this machine. Cores are named only where it matters which ones are taken: cores of several kinds, or two
 * threads per core. On an even machine the system places threads better than a fixed choice, since it sees who else
 * is running. */
void ew_thread_choose(struct ew_thread_choice *out);

#endif
