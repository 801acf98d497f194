/* Random weights in encoded form, fast: blocks are drawn from a pool of encoded blocks of standard normal values, whose
 * scales are multiplied by the wanted deviation. */
#ifndef EW_MODEL_SYNTH_WEIGHTS_H
#define EW_MODEL_SYNTH_WEIGHTS_H

#include "edgewise/quantize.h"

/* Splitmix64 (Steele, Lea, Flood 2014): any state is a good start. */
struct ew_synth_rng {
    uint64_t state;
};

static inline uint64_t ew_synth_next(struct ew_synth_rng *rng) {
    uint64_t z = rng->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Nearly normal: mean 0, deviation 1, from exact integer sums, so that every machine gives the same value. */
float ew_synth_normal(struct ew_synth_rng *rng);

struct ew_synth_pool;

/* Encodes the pool once per type; about 2 MiB. Errors: UNSUPPORTED, MEMORY. */
enum ew_status ew_synth_pool_open(enum ew_type type, uint64_t seed, struct ew_synth_pool **out, struct ew_error *err);
void ew_synth_pool_close(struct ew_synth_pool **pool);

/* Sets the deviation of what ew_synth_pool_draw gives. */
void ew_synth_pool_set_deviation(struct ew_synth_pool *pool, float deviation);

/* Bytes of the unit that is drawn: a block, or 32 elements of the unblocked types. */
size_t ew_synth_pool_unit_bytes(const struct ew_synth_pool *pool);
size_t ew_synth_pool_unit_elems(const struct ew_synth_pool *pool);

/* dst: n units. */
void ew_synth_pool_draw(struct ew_synth_pool *pool, struct ew_synth_rng *rng, void *dst, size_t n);

#endif
