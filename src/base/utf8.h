/* One character of UTF-8, checked. Source: The Unicode Standard, table 3-7 (well-formed byte sequences). */
#ifndef EW_BASE_UTF8_H
#define EW_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that a character starting with this byte takes; 0 for a byte that starts none. */
static inline size_t ew_utf8_lead_bytes(uint8_t lead) {
    return lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}

/* How many bytes at text (n > 0) belong together: at least 1. *whole tells whether they are a character; if not, they
 * are the longest beginning of one, or a stray byte: what one U+FFFD stands for (Unicode, section 3.9, "maximal
 * subpart"). When the beginning reaches the end of the text, the next bytes may still make it whole. */
static inline size_t ew_utf8_next(const uint8_t *text, size_t n, bool *whole) {
    const uint8_t lead = text[0];
    const size_t size = ew_utf8_lead_bytes(lead);
    *whole = size == 1;
    if (size < 2) return 1;
    const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (n < 2 || text[1] < low || text[1] > high) return 1;
    size_t at = 2;
    while (at < size && at < n && (text[at] & 0xc0) == 0x80) at++;
    *whole = at == size;
    return at;
}

/* Bytes of the well-formed character at text, 0 when there is none. */
static inline size_t ew_utf8_char_bytes(const uint8_t *text, size_t n) {
    bool whole;
    const size_t size = ew_utf8_next(text, n, &whole);
    return whole ? size : 0;
}

#endif
