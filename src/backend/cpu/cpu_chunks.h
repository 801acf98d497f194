/* How work of many equal units is handed out among threads from one counter: large chunks first, which stream, small
 * ones last, so that threads end together however fast each of them is. Pure: every thread finds the same borders.
 * Source: guided self-scheduling, Polychronopoulos and Kuck 1987, with a share of 1 / (4 threads) instead of
 * 1 / threads, for a slow thread may take the first chunk. */
#ifndef EW_BACKEND_CPU_CHUNKS_H
#define EW_BACKEND_CPU_CHUNKS_H

#include <stdbool.h>
#include <stdint.h>

struct ew_cpu_chunks {
    uint32_t n_units;
    uint32_t step; /* units that are better taken together: only the last `threads` steps are cut finer */
    uint32_t n_threads;
    uint32_t next;       /* number of the chunk behind the current one; 0 at first */
    uint32_t begin, end; /* units of the current chunk */
};

static inline struct ew_cpu_chunks ew_cpu_chunks_of(uint32_t n_units, uint32_t step, uint32_t n_threads) {
    return (struct ew_cpu_chunks){.n_units = n_units, .step = step, .n_threads = n_threads};
}

/* Goes on to chunk `number`, which is not before the current one. false: there are not so many. */
bool ew_cpu_chunks_seek(struct ew_cpu_chunks *c, uint32_t number);

#endif
