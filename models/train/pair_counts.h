/* How often each pair of neighbouring pieces occurs in all words. */
#ifndef EW_TRAIN_PAIR_COUNTS_H
#define EW_TRAIN_PAIR_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ew_pair {
    uint32_t left, right;
    int64_t count;
};

/* {0} is empty. */
struct ew_pair_counts {
    struct ew_pair *slots; /* [1 << slot_bits]; count 0 and used: a pair that is gone */
    bool *used;
    size_t n_used;
    unsigned slot_bits;
};

/* false: no memory. */
bool ew_pair_counts_add(struct ew_pair_counts *counts, uint32_t left, uint32_t right, int64_t change);
void ew_pair_counts_close(struct ew_pair_counts *counts);

#endif
