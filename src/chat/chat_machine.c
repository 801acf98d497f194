/* Owns the arena and the limits of the template interpreter. The limits are what makes a stranger's template harmless:
 * it has no files, no clock but strftime_now, and only so many steps, bytes and levels. */
#include "chat/chat_machine.h"
#include "base/bytes.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 << 10, ALIGNMENT = 16 };

static const struct ew_chat_limits DEFAULTS = {.steps = 20000000, .memory_bytes = 64 << 20, .output_bytes = 16 << 20};

struct ew_chat_chunk {
    struct ew_chat_chunk *next;
    size_t used, capacity;
    _Alignas(ALIGNMENT) char bytes[];
};

void ew_chat_machine_init(struct ew_chat_machine *m, const char *name, const struct ew_chat_limits *limits,
                          struct ew_error *err) {
    *m = (struct ew_chat_machine){.name = name, .err = err, .limits = limits ? *limits : DEFAULTS};
    if (m->limits.steps == 0) m->limits.steps = DEFAULTS.steps;
    if (m->limits.memory_bytes == 0) m->limits.memory_bytes = DEFAULTS.memory_bytes;
    if (m->limits.output_bytes == 0) m->limits.output_bytes = DEFAULTS.output_bytes;
}

void ew_chat_arena_free(struct ew_chat_arena *arena) {
    while (arena->chunks) {
        struct ew_chat_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    arena->used = 0;
}

/* A function of its own: nothing it has changes between setjmp and longjmp. */
bool ew_chat_guard(struct ew_chat_machine *m, void (*body)(struct ew_chat_machine *m, void *context), void *context) {
    if (setjmp(m->escape)) return false;
    body(m, context);
    return true;
}

void ew_chat_fail(struct ew_chat_machine *m, enum ew_status status, const char *format, ...) {
    char text[EW_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    m->status = status;
    if (m->line)
        ew_error_set(m->err, status, "%s: line %u: %s", m->name, m->line, text);
    else
        ew_error_set(m->err, status, "%s: %s", m->name, text);
    longjmp(m->escape, 1);
}

static struct ew_chat_chunk *add_chunk(struct ew_chat_machine *m, size_t least) {
    size_t capacity = least > CHUNK_BYTES ? least : CHUNK_BYTES;
    struct ew_chat_chunk *chunk = malloc(sizeof *chunk + capacity);
    if (!chunk) ew_chat_fail(m, EW_ERR_MEMORY, "out of memory for %zu bytes", capacity);
    *chunk = (struct ew_chat_chunk){.next = m->arena.chunks, .capacity = capacity};
    m->arena.chunks = chunk;
    return chunk;
}

void *ew_chat_alloc(struct ew_chat_machine *m, size_t n, size_t size) {
    size_t bytes;
    if (!ew_mul_size(n, size, &bytes) || !ew_align_size(bytes, ALIGNMENT, &bytes) ||
        bytes > m->limits.memory_bytes - m->arena.used)
        ew_chat_fail(m, EW_ERR_LIMIT, "values: more than %zu bytes (the limit of memory)", m->limits.memory_bytes);
    struct ew_chat_chunk *chunk = m->arena.chunks;
    if (!chunk || bytes > chunk->capacity - chunk->used) chunk = add_chunk(m, bytes);
    void *p = chunk->bytes + chunk->used;
    chunk->used += bytes;
    m->arena.used += bytes;
    return memset(p, 0, bytes);
}

void *ew_chat_grow(struct ew_chat_machine *m, void *items, size_t n, size_t *capacity, size_t size) {
    if (n < *capacity) return items;
    size_t larger = *capacity ? 2 * *capacity : 8;
    void *p = ew_chat_alloc(m, larger, size);
    if (n > 0) memcpy(p, items, n * size);
    *capacity = larger;
    return p;
}

void ew_chat_step(struct ew_chat_machine *m, uint64_t n) {
    if (n > m->limits.steps - m->steps)
        ew_chat_fail(m, EW_ERR_LIMIT, "more than %llu steps (the limit)", (unsigned long long)m->limits.steps);
    m->steps += n;
}

void ew_chat_enter(struct ew_chat_machine *m) {
    if (m->depth == EW_CHAT_MAX_DEPTH)
        ew_chat_fail(m, EW_ERR_LIMIT, "nested deeper than %d levels (the limit)", EW_CHAT_MAX_DEPTH);
    m->depth++;
}
