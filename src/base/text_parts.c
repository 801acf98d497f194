/* Owns the joining of parts of a text. Refuses nothing: what does not fit is cut. */
#include "base/text_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ew_text_add_part(char *text, size_t capacity, const char *separator, const char *format, ...) {
    size_t used = strlen(text);
    va_list args;
    if (used > 0) used += (size_t)snprintf(text + used, capacity - used, "%s", separator);
    if (used >= capacity) return;
    va_start(args, format);
    vsnprintf(text + used, capacity - used, format, args);
    va_end(args);
}
