/* Checked arithmetic on sizes and a bounds-checked cursor over untrusted bytes. Every model file, trace and store
 * blob is read through this; nothing else indexes untrusted memory. Little-endian, as all our formats are. */
#ifndef EW_BASE_BYTES_H
#define EW_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool ew_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool ew_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

/* Rounds up to a multiple of align (a power of two); false on overflow. */
static inline bool ew_align_size(size_t a, size_t align, size_t *out) {
    if (!ew_add_size(a, align - 1, &a)) return false;
    *out = a & ~(align - 1);
    return true;
}

struct ew_bytes {
    const uint8_t *data;
    size_t size;
    size_t pos; /* never above size */
};

/* A view of n bytes at the cursor, which moves past them; NULL (cursor unmoved) when fewer are left. */
static inline const uint8_t *ew_bytes_take(struct ew_bytes *b, size_t n) {
    if (n > b->size - b->pos) return NULL;
    const uint8_t *p = b->data + b->pos;
    b->pos += n;
    return p;
}

/* Copies n bytes out (so alignment never matters); false when fewer are left. */
static inline bool ew_bytes_copy(struct ew_bytes *b, void *out, size_t n) {
    const uint8_t *p = ew_bytes_take(b, n);
    if (!p) return false;
    memcpy(out, p, n);
    return true;
}

static inline bool ew_bytes_u8(struct ew_bytes *b, uint8_t *out) { return ew_bytes_copy(b, out, sizeof *out); }
static inline bool ew_bytes_u16(struct ew_bytes *b, uint16_t *out) { return ew_bytes_copy(b, out, sizeof *out); }
static inline bool ew_bytes_u32(struct ew_bytes *b, uint32_t *out) { return ew_bytes_copy(b, out, sizeof *out); }
static inline bool ew_bytes_u64(struct ew_bytes *b, uint64_t *out) { return ew_bytes_copy(b, out, sizeof *out); }

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Edgewise reads GGUF files in place and needs a little-endian machine"
#endif

#endif
