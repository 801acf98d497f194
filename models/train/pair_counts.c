/* Owns a hash table with open addressing, at most half full. Pairs that are gone keep their slot until it grows. */
#include "train/pair_counts.h"

#include <stdlib.h>

enum { FIRST_BITS = 12 };

static size_t slot_of(const struct ew_pair_counts *c, uint32_t left, uint32_t right) {
    const size_t mask = ((size_t)1 << c->slot_bits) - 1;
    const uint64_t hash = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    size_t slot = (size_t)(hash >> 32) & mask;
    while (c->used[slot] && (c->slots[slot].left != left || c->slots[slot].right != right)) slot = (slot + 1) & mask;
    return slot;
}

static void put(struct ew_pair_counts *c, struct ew_pair pair) {
    const size_t slot = slot_of(c, pair.left, pair.right);
    c->n_used += !c->used[slot];
    c->used[slot] = true;
    c->slots[slot] = pair;
}

static bool grow(struct ew_pair_counts *c) {
    struct ew_pair_counts grown = {.slot_bits = c->slots ? c->slot_bits + 1 : FIRST_BITS};
    grown.slots = calloc((size_t)1 << grown.slot_bits, sizeof *grown.slots);
    grown.used = calloc((size_t)1 << grown.slot_bits, sizeof *grown.used);
    if (!grown.slots || !grown.used) {
        ew_pair_counts_close(&grown);
        return false;
    }
    for (size_t i = 0; c->slots && i < (size_t)1 << c->slot_bits; i++)
        if (c->used[i] && c->slots[i].count != 0) put(&grown, c->slots[i]);
    ew_pair_counts_close(c);
    *c = grown;
    return true;
}

bool ew_pair_counts_add(struct ew_pair_counts *c, uint32_t left, uint32_t right, int64_t change) {
    if ((!c->slots || 2 * c->n_used >= (size_t)1 << c->slot_bits) && !grow(c)) return false;
    const size_t slot = slot_of(c, left, right);
    put(c, (struct ew_pair){left, right, (c->used[slot] ? c->slots[slot].count : 0) + change});
    return true;
}

void ew_pair_counts_close(struct ew_pair_counts *c) {
    free(c->slots);
    free(c->used);
    *c = (struct ew_pair_counts){0};
}
