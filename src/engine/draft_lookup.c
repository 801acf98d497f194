/* Owns the index of a context's pairs of tokens: a table of the latest position of each pair, and for every position
 * the one before it with the same pair. Pairs that share a slot share a chain; what is found is compared token by
 * token. Adding is undone in reverse order, so that a rewound context needs no second build. */
#include "engine/draft_lookup.h"

#include "base/error.h"
#include <assert.h>
#include <stdlib.h>

enum {
    LEAST_SLOTS = 256,
    MOST_SLOTS = 1 << 16,
    MOST_STEPS = 64 /* along a chain: bounds the time where one pair is everywhere */
};

struct ew_draft_lookup {
    int32_t *ids;      /* [n_ctx] */
    uint32_t *earlier; /* [n_ctx] 1 + the position before with the same slot; 0: none */
    uint32_t *latest;  /* [n_slots] 1 + the last position of the slot; 0: none */
    uint32_t n_slots;  /* a power of two */
    uint32_t n_ctx, n;
};

static uint32_t count_slots(uint32_t n_ctx) {
    uint32_t n = LEAST_SLOTS;
    while (n < n_ctx && n < MOST_SLOTS) n *= 2;
    return n;
}

size_t ew_draft_lookup_bytes(uint32_t n_ctx) {
    return (size_t)n_ctx * (sizeof(int32_t) + sizeof(uint32_t)) + (size_t)count_slots(n_ctx) * sizeof(uint32_t);
}

enum ew_status ew_draft_lookup_open(uint32_t n_ctx, struct ew_draft_lookup **out, struct ew_error *err) {
    struct ew_draft_lookup *l = calloc(1, sizeof *l);
    if (!l) return ew_error_set(err, EW_ERR_MEMORY, "speculation: out of memory");
    l->n_ctx = n_ctx;
    l->n_slots = count_slots(n_ctx);
    l->ids = calloc(n_ctx, sizeof *l->ids);
    l->earlier = calloc(n_ctx, sizeof *l->earlier);
    l->latest = calloc(l->n_slots, sizeof *l->latest);
    if (!l->ids || !l->earlier || !l->latest) {
        ew_draft_lookup_close(&l);
        return ew_error_set(err, EW_ERR_MEMORY, "speculation: out of memory for an index of %u tokens", n_ctx);
    }
    *out = l;
    return EW_OK;
}

void ew_draft_lookup_close(struct ew_draft_lookup **lookup) {
    if (!lookup || !*lookup) return;
    free((*lookup)->ids);
    free((*lookup)->earlier);
    free((*lookup)->latest);
    free(*lookup);
    *lookup = NULL;
}

/* The slot of the pair that ends at a position > 0. Multiplicative hashing: the upper bits depend on all lower ones. */
static uint32_t *slot_of(const struct ew_draft_lookup *l, uint32_t position) {
    uint64_t pair = (uint64_t)(uint32_t)l->ids[position - 1] << 32 | (uint32_t)l->ids[position];
    return &l->latest[(uint32_t)(pair * 0x9e3779b97f4a7c15u >> 32) & (l->n_slots - 1)];
}

void ew_draft_lookup_add(struct ew_draft_lookup *l, int32_t id) {
    assert(l->n < l->n_ctx);
    uint32_t position = l->n++;
    l->ids[position] = id;
    if (position == 0) return;
    uint32_t *latest = slot_of(l, position);
    l->earlier[position] = *latest;
    *latest = position + 1;
}

void ew_draft_lookup_keep(struct ew_draft_lookup *l, uint32_t n_tokens) {
    assert(n_tokens <= l->n);
    for (uint32_t position = l->n; position-- > n_tokens;)
        if (position > 0) *slot_of(l, position) = l->earlier[position];
    l->n = n_tokens;
}

uint32_t ew_draft_lookup_n_tokens(const struct ew_draft_lookup *l) { return l->n; }

/* How many tokens up to `position` agree with as many at the end. */
static uint32_t count_matching(const struct ew_draft_lookup *l, uint32_t position) {
    uint32_t n = 0, last = l->n - 1;
    while (n < EW_DRAFT_LONGEST_MATCH && n <= position && l->ids[position - n] == l->ids[last - n]) n++;
    return n;
}

uint32_t ew_draft_lookup_find(const struct ew_draft_lookup *l, uint32_t most, int32_t *draft, uint32_t *matched) {
    uint32_t longest = EW_DRAFT_SHORTEST_MATCH - 1, after = 0;
    if (l->n < EW_DRAFT_SHORTEST_MATCH) return 0;
    uint32_t next = l->earlier[l->n - 1];
    for (int step = 0; next > 0 && step < MOST_STEPS && longest < EW_DRAFT_LONGEST_MATCH; step++) {
        uint32_t n = count_matching(l, next - 1);
        if (n > longest) {
            longest = n;
            after = next;
        }
        next = l->earlier[next - 1];
    }
    if (after == 0) return 0;
    for (uint32_t i = 0; i < most; i++) draft[i] = after + i < l->n ? l->ids[after + i] : draft[after + i - l->n];
    *matched = longest;
    return most;
}
