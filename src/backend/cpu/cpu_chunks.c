/* Owns the sizes of chunks. Which rows a unit is: cpu_products.c. */
#include "backend/cpu/cpu_chunks.h"

/* At most a quarter of what each thread would get of the rest, in whole steps; when a step for each thread is left,
 * half of it and less. */
static uint32_t size_of_next(const struct ew_cpu_chunks *c, uint32_t left) {
    if (c->n_threads == 1) return left;
    uint32_t share = left / (4 * c->n_threads);
    if (share >= c->step) return share - share % c->step;
    if (left > c->n_threads * c->step) return c->step;
    share = left / (2 * c->n_threads);
    return share > 0 ? share : 1;
}

bool ew_cpu_chunks_seek(struct ew_cpu_chunks *c, uint32_t number) {
    while (c->next <= number) {
        if (c->end == c->n_units) return false;
        c->begin = c->end;
        c->end += size_of_next(c, c->n_units - c->end);
        c->next++;
    }
    return true;
}
