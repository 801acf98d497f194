/* UTF-8 as the template language sees it: strings are code points, and a byte that is no UTF-8 counts as one. */
#ifndef EW_CHAT_UNICODE_H
#define EW_CHAT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the code point at text[0..size), size >= 1; *code is it, or 0xfffd for a byte that is no UTF-8. */
size_t ew_unicode_next(const char *text, size_t size, uint32_t *code);
/* Bytes of the last code point. */
size_t ew_unicode_last(const char *text, size_t size, uint32_t *code);
/* Bytes written to out[0..4). */
size_t ew_unicode_put(char *out, uint32_t code);

size_t ew_unicode_count(const char *text, size_t size);
/* The byte where code point `index` starts; size where there are fewer. */
size_t ew_unicode_offset(const char *text, size_t size, size_t index);

bool ew_unicode_is_space(uint32_t code); /* Python's str.isspace */
bool ew_unicode_is_alpha(uint32_t code);
bool ew_unicode_is_digit(uint32_t code);
uint32_t ew_unicode_upper(uint32_t code); /* one code point to one */
uint32_t ew_unicode_lower(uint32_t code);

#endif
