/* Owns a hash table with open addressing, at most half full. */
#include "train/counted_texts.h"

#include "token/token_vocab.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_BITS = 10 };

static uint32_t slot_of(const struct ew_counted_texts *t, const char *text, uint32_t size) {
    const uint64_t hash = ew_vocab_hash(EW_VOCAB_HASH_SEED, (const uint8_t *)text, size);
    const uint32_t mask = (1u << t->slot_bits) - 1;
    uint32_t slot = (uint32_t)(hash ^ hash >> 32) & mask;
    for (; t->slots[slot]; slot = (slot + 1) & mask) {
        const struct ew_counted_text *e = &t->entries[t->slots[slot] - 1];
        if (e->size == size && memcmp(t->bytes + e->offset, text, size) == 0) break;
    }
    return slot;
}

static bool grow_slots(struct ew_counted_texts *t) {
    const unsigned bits = t->slots ? t->slot_bits + 1 : FIRST_BITS;
    uint32_t *slots = bits < 32 ? calloc((size_t)1 << bits, sizeof *slots) : NULL;
    if (!slots) return false;
    free(t->slots);
    t->slots = slots;
    t->slot_bits = bits;
    for (uint32_t i = 0; i < t->n; i++) t->slots[slot_of(t, ew_counted_text_at(t, i), t->entries[i].size)] = i + 1;
    return true;
}

static bool reserve(struct ew_counted_texts *t, uint32_t size) {
    if (t->n == t->capacity) {
        const uint32_t capacity = t->capacity ? 2 * t->capacity : 1u << (FIRST_BITS - 1);
        struct ew_counted_text *grown = realloc(t->entries, capacity * sizeof *grown);
        if (!grown) return false;
        t->entries = grown;
        t->capacity = capacity;
    }
    if (t->n_bytes + size > t->bytes_capacity) {
        const size_t capacity = 2 * (t->n_bytes + size);
        char *grown = realloc(t->bytes, capacity);
        if (!grown) return false;
        t->bytes = grown;
        t->bytes_capacity = capacity;
    }
    return (t->slots && 2 * (uint64_t)t->n < (uint64_t)1 << t->slot_bits) || grow_slots(t);
}

uint32_t ew_counted_texts_find(const struct ew_counted_texts *t, const char *text, uint32_t size) {
    return t->slots ? t->slots[slot_of(t, text, size)] - 1 : EW_COUNTED_NONE; /* an empty slot's 0 - 1 is NONE */
}

uint32_t ew_counted_texts_add(struct ew_counted_texts *t, const char *text, uint32_t size) {
    uint32_t found = ew_counted_texts_find(t, text, size);
    if (found != EW_COUNTED_NONE) return found;
    if (!reserve(t, size)) return EW_COUNTED_NONE;
    if (size) memcpy(t->bytes + t->n_bytes, text, size);
    t->entries[t->n] = (struct ew_counted_text){.offset = t->n_bytes, .size = size};
    t->slots[slot_of(t, text, size)] = t->n + 1;
    t->n_bytes += size;
    return t->n++;
}

void ew_counted_texts_close(struct ew_counted_texts *t) {
    free(t->bytes);
    free(t->entries);
    free(t->slots);
    *t = (struct ew_counted_texts){0};
}
