/* Owns the words for settings of the machine. Making them: whoever fills struct ew_study_device in. */
#include "study/study_device.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 4, 5))) static size_t add(char *buf, size_t capacity, size_t used, const char *format,
                                                        ...) {
    if (used >= capacity) return used;
    size_t comma = used > 0 ? (size_t)snprintf(buf + used, capacity - used, ", ") : 0;
    if (used + comma >= capacity) return capacity;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buf + used + comma, capacity - used - comma, format, args);
    va_end(args);
    return used + comma + (n > 0 ? (size_t)n : 0);
}

void ew_study_setting_text(const struct ew_study_setting *s, char *buf, size_t capacity) {
    size_t used = 0;
    if (s->governor) used = add(buf, capacity, used, "governor %s", s->governor);
    if (s->frequency_cap_hz > 0) used = add(buf, capacity, used, "at most %g MHz", (double)s->frequency_cap_hz / 1e6);
    if (s->power_mode) used = add(buf, capacity, used, "power mode %s", s->power_mode);
    if (s->epp) used = add(buf, capacity, used, "EPP %s", s->epp);
    if (used == 0) snprintf(buf, capacity, "as it is");
}
