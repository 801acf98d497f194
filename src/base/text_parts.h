/* A text of several parts in a buffer of fixed size. */
#ifndef EW_BASE_TEXT_PARTS_H
#define EW_BASE_TEXT_PARTS_H

#include <stddef.h>

/* Appends a part to text [capacity], behind the separator where there is something before it; cut where there is no
 * room. */
__attribute__((format(printf, 4, 5))) void ew_text_add_part(char *text, size_t capacity, const char *separator,
                                                            const char *format, ...);

#endif
