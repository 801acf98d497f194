/* One run of the template interpreter: its memory, its limits and its way out.
 *
 * Everything that lexing, parsing and rendering make lies in one arena and goes with it, so an error leaves in one
 * jump (ew_chat_fail) from wherever it is found: nothing in between owns anything. */
#ifndef EW_CHAT_MACHINE_H
#define EW_CHAT_MACHINE_H

#include "edgewise/chat.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

struct ew_chat_chunk;

struct ew_chat_arena {
    struct ew_chat_chunk *chunks; /* newest first */
    size_t used;                  /* bytes given out, over all chunks */
};

/* Deepest nesting of expressions, statements, macro calls and values together. Measured on x86-64, the worst templates
 * of this depth take less than 256 KiB of stack, and less than 1 MiB in an instrumented build. */
enum { EW_CHAT_MAX_DEPTH = 300 };

struct ew_chat_machine {
    struct ew_chat_arena arena;
    struct ew_chat_limits limits; /* resolved: no zeros */
    uint64_t steps;               /* taken so far */
    unsigned depth;
    uint32_t line;    /* of the template, where work goes on; 0 = none yet */
    const char *name; /* what messages call the template */
    int64_t now_s;    /* for strftime_now */
    struct ew_error *err;
    enum ew_status status; /* set by ew_chat_fail before it jumps */
    jmp_buf escape;        /* where it jumps to */
};

/* limits: zeros become the defaults of edgewise/chat.h. */
void ew_chat_machine_init(struct ew_chat_machine *m, const char *name, const struct ew_chat_limits *limits,
                          struct ew_error *err);
void ew_chat_arena_free(struct ew_chat_arena *arena);

/* Runs body; false when it was left by ew_chat_fail: m->status says why then. */
bool ew_chat_guard(struct ew_chat_machine *m, void (*body)(struct ew_chat_machine *m, void *context), void *context);

/* "NAME: line N: message". Does not return: it goes back to ew_chat_guard. */
_Noreturn __attribute__((format(printf, 3, 4))) void ew_chat_fail(struct ew_chat_machine *m, enum ew_status status,
                                                                  const char *format, ...);

/* Zeroed memory for the time of the arena; fails with MEMORY or, beyond limits.memory_bytes, with LIMIT. */
void *ew_chat_alloc(struct ew_chat_machine *m, size_t n, size_t size);

/* Doubles *items [*capacity] of `size` bytes each when n have filled it. */
void *ew_chat_grow(struct ew_chat_machine *m, void *items, size_t n, size_t *capacity, size_t size);

/* Counts steps; fails with LIMIT beyond limits.steps. Work on n bytes or elements counts as n / 16. */
void ew_chat_step(struct ew_chat_machine *m, uint64_t n);
static inline void ew_chat_charge(struct ew_chat_machine *m, size_t n) { ew_chat_step(m, 1 + n / 16); }

void ew_chat_enter(struct ew_chat_machine *m); /* one level deeper; LIMIT beyond EW_CHAT_MAX_DEPTH */
static inline void ew_chat_leave(struct ew_chat_machine *m) { m->depth--; }

#endif
