/* Owns the priority queue of merges. A heap entry is rank << 32 | left symbol: comparing entries orders by rank, then
 * leftmost, and an entry is stale exactly when its left symbol no longer has that rank. spm.c and bpe.c say what
 * merges. */
#include "token/merge_queue.h"
#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>

enum ew_status ew_merge_work_reserve(struct ew_merge_work *work, size_t n_symbols, struct ew_error *err) {
    if (n_symbols <= work->capacity) return EW_OK;
    size_t capacity = work->capacity ? work->capacity : 64;
    while (capacity < n_symbols) capacity *= 2;
    ew_merge_work_free(work);
    size_t symbol_bytes, heap_bytes;
    if (n_symbols >= EW_TOKEN_NONE || !ew_mul_size(capacity, sizeof *work->symbols, &symbol_bytes) ||
        !ew_mul_size(capacity, 2 * sizeof *work->heap, &heap_bytes))
        return ew_error_set(err, EW_ERR_LIMIT, "text: a word of %zu characters is too long", n_symbols);
    work->symbols = malloc(symbol_bytes);
    work->heap = malloc(heap_bytes);
    if (!work->symbols || !work->heap) {
        ew_merge_work_free(work);
        return ew_error_set(err, EW_ERR_MEMORY, "text: no memory to merge a word of %zu characters", n_symbols);
    }
    work->capacity = capacity;
    return EW_OK;
}

void ew_merge_work_free(struct ew_merge_work *work) {
    free(work->symbols);
    free(work->heap);
    *work = (struct ew_merge_work){.text = work->text};
}

static void sift_down(uint64_t *heap, size_t n, size_t at) {
    const uint64_t moving = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= moving) break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static void heap_push(uint64_t *heap, size_t *n, uint64_t entry) {
    size_t at = (*n)++;
    while (at > 0 && heap[(at - 1) / 2] > entry) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = entry;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n) {
    uint64_t top = heap[0];
    heap[0] = heap[--*n];
    if (*n) sift_down(heap, *n, 0);
    return top;
}

void ew_merge_work_run(struct ew_merge_work *work, uint32_t n, ew_merge_pair_fn *pair, const void *context) {
    struct ew_merge_symbol *symbols = work->symbols;
    uint64_t *heap = work->heap;
    size_t n_heap = 0; /* at most n - 1 at first; a merge takes one and adds two, so always below 2 n */

    for (uint32_t i = 0; i < n; i++) {
        symbols[i].prev = i ? i - 1 : EW_TOKEN_NONE;
        symbols[i].next = i + 1 < n ? i + 1 : EW_TOKEN_NONE;
        symbols[i].rank = EW_TOKEN_NONE;
        if (i + 1 == n ||
            !pair(context, work->text, &symbols[i], &symbols[i + 1], &symbols[i].rank, &symbols[i].merged_id))
            continue;
        heap[n_heap++] = (uint64_t)symbols[i].rank << 32 | i;
    }
    for (size_t i = n_heap / 2; i-- > 0;) sift_down(heap, n_heap, i);

    while (n_heap) {
        const uint64_t entry = heap_pop(heap, &n_heap);
        const uint32_t at = (uint32_t)entry;
        struct ew_merge_symbol *left = &symbols[at];
        if (left->size == 0 || left->rank != entry >> 32) continue;
        struct ew_merge_symbol *right = &symbols[left->next];
        left->size += right->size;
        left->id = left->merged_id;
        left->next = right->next;
        left->rank = EW_TOKEN_NONE;
        right->size = 0;
        if (left->next != EW_TOKEN_NONE) {
            symbols[left->next].prev = at;
            if (pair(context, work->text, left, &symbols[left->next], &left->rank, &left->merged_id))
                heap_push(heap, &n_heap, (uint64_t)left->rank << 32 | at);
        }
        if (left->prev == EW_TOKEN_NONE) continue;
        struct ew_merge_symbol *before = &symbols[left->prev];
        before->rank = EW_TOKEN_NONE;
        if (pair(context, work->text, before, left, &before->rank, &before->merged_id))
            heap_push(heap, &n_heap, (uint64_t)before->rank << 32 | left->prev);
    }
}
