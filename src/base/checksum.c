/* Owns XXH64: four lanes of 8 bytes, joined and mixed at the end. The program's keys use the library of that name,
 * which gives the same numbers (test_checksum). */
#include "base/checksum.h"

#include <string.h>

static const uint64_t prime_1 = 0x9E3779B185EBCA87u, prime_2 = 0xC2B2AE3D27D4EB4Fu, prime_3 = 0x165667B19E3779F9u,
                      prime_4 = 0x85EBCA77C2B2AE63u, prime_5 = 0x27D4EB2F165667C5u;

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

static uint64_t load_64(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static uint64_t add_lane(uint64_t lane, uint64_t input) { return rotate(lane + input * prime_2, 31) * prime_1; }

static uint64_t join_lane(uint64_t hash, uint64_t lane) { return (hash ^ add_lane(0, lane)) * prime_1 + prime_4; }

/* What whole stripes of 32 bytes give; *data moves on to the rest. */
static uint64_t add_stripes(const uint8_t **data, const uint8_t *end, uint64_t seed) {
    uint64_t lane[4] = {seed + prime_1 + prime_2, seed + prime_2, seed, seed - prime_1};
    const uint8_t *p = *data;
    for (; end - p >= 32; p += 32)
        for (int i = 0; i < 4; i++) lane[i] = add_lane(lane[i], load_64(p + 8 * i));
    *data = p;
    uint64_t hash = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    for (int i = 0; i < 4; i++) hash = join_lane(hash, lane[i]);
    return hash;
}

uint64_t ew_checksum(const void *data, size_t size, uint64_t seed) {
    if (size == 0) data = "";
    const uint8_t *p = data, *end = p + size;
    uint64_t hash = size >= 32 ? add_stripes(&p, end, seed) : seed + prime_5;
    hash += size;
    for (; end - p >= 8; p += 8) hash = rotate(hash ^ add_lane(0, load_64(p)), 27) * prime_1 + prime_4;
    if (end - p >= 4) {
        uint32_t x;
        memcpy(&x, p, sizeof x);
        hash = rotate(hash ^ x * prime_1, 23) * prime_2 + prime_3;
        p += 4;
    }
    for (; p < end; p++) hash = rotate(hash ^ *p * prime_5, 11) * prime_1;
    hash = (hash ^ hash >> 33) * prime_2;
    hash = (hash ^ hash >> 29) * prime_3;
    return hash ^ hash >> 32;
}
