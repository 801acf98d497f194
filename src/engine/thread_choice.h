/* How many threads a session uses by default, and on which cores. */
#ifndef EW_ENGINE_THREAD_CHOICE_H
#define EW_ENGINE_THREAD_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EW_MAX_THREADS = 1024 };

struct ew_thread_choice {
    uint32_t n_default;        /* usable physical cores, 1 … EW_MAX_THREADS */
    uint32_t n_decode;         /* those among them that are at least half as fast as the fastest */
    size_t n_cores;            /* entries of cores; 0 = leave placement to the system */
    int cores[EW_MAX_THREADS]; /* CPU numbers in the order in which threads should take them */
};

/* Looks at this machine. Cores are named only where it matters which ones are taken: cores of several kinds, or two
 * threads per core. On an even machine the system places threads better than a fixed choice, since it sees who else
 * is running.
 * Why decoding leaves small cores out: a few big ones read all that memory delivers, a hundred times per token all
 * threads wait for the slowest, and its joules come on top. A prompt is arithmetic, of which every core does some. */
void ew_thread_choose(struct ew_thread_choice *out);

struct ew_machine;
/* The same for a machine that has been looked at, this one or a recorded one. */
void ew_thread_choose_on(const struct ew_machine *machine, struct ew_thread_choice *out);

#endif
