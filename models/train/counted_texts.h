/* Texts and how often each was seen, found by their bytes: words of a corpus, pieces of a vocabulary. */
#ifndef EW_TRAIN_COUNTED_TEXTS_H
#define EW_TRAIN_COUNTED_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ew_counted_text {
    size_t offset; /* in bytes */
    uint32_t size;
    uint64_t count;
};

/* {0} is empty. */
struct ew_counted_texts {
    char *bytes; /* of all texts, one after the other */
    size_t n_bytes, bytes_capacity;
    struct ew_counted_text *entries; /* [n], in the order of their first sight */
    uint32_t n, capacity;
    uint32_t *slots; /* [1 << slot_bits]: 0, or index + 1 */
    unsigned slot_bits;
};

#define EW_COUNTED_NONE UINT32_MAX

/* The index of a text, EW_COUNTED_NONE when it is not there. */
uint32_t ew_counted_texts_find(const struct ew_counted_texts *table, const char *text, uint32_t size);
/* The same, and puts it there with count 0. EW_COUNTED_NONE: no memory, or 2^32 - 2 texts. text must not lie in the
 * table.
 */
uint32_t ew_counted_texts_add(struct ew_counted_texts *table, const char *text, uint32_t size);
static inline const char *ew_counted_text_at(const struct ew_counted_texts *table, uint32_t index) {
    return table->bytes + table->entries[index].offset;
}
void ew_counted_texts_close(struct ew_counted_texts *table);

#endif
