/* A small generator for orders, resampling and token ids: the same seed gives the same run on every machine.
 * Source: splitmix64, Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014. */
#ifndef EW_BASE_SEEDED_RANDOM_H
#define EW_BASE_SEEDED_RANDOM_H

#include <stdint.h>

static inline uint64_t ew_random_next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [0, n), n >= 1; without bias: values from the incomplete last stretch are drawn again. */
static inline uint64_t ew_random_below(uint64_t *state, uint64_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do x = ew_random_next(state);
    while (x >= limit);
    return x % n;
}

#endif
